// Names of hosts, and what ssh's configuration makes of them.
#include "bindings/ssh/host_config.h"

#include <catch2/catch.hpp>

#include "tests/bindings/ssh/test_server.h"

using namespace drover;
using namespace drover::ssh;
using namespace drover::ssh::test;

namespace {

HostConfig configured(const std::string& target, const std::string& text, ConnectOptions options = {}) {
  TemporaryFolder folder;
  write_text(folder / "config", text);
  options.target = target;
  options.config = folder / "config";
  return read_host_config(options);
}

}  // namespace

TEST_CASE("a target names user, host and port", "[ssh]") {
  auto whole = parse_target("bob@kvm2:2222");
  REQUIRE(whole.user == "bob");
  REQUIRE(whole.host == "kvm2");
  REQUIRE(whole.port == 2222);
  auto plain = parse_target("kvm2");
  REQUIRE_FALSE(plain.user);
  REQUIRE_FALSE(plain.port);
  REQUIRE(parse_target("[2001:db8::5]:22").host == "2001:db8::5");
  REQUIRE(parse_target("[2001:db8::5]:22").port == 22);
  REQUIRE(parse_target("root@2001:db8::5").host == "2001:db8::5");
  for (const char* bad : {"", "a:", "a:0", "a:70000", "a:x", "[::1", "[::1]x", "-oProxyCommand=x", "a b", "a;b", "$(x)",
                          "-l@host", "@host", "a\nb", "host\"x"}) {
    INFO(bad);
    REQUIRE(code_of([&] { parse_target(bad); }) == "BAD_TARGET");
  }
}

TEST_CASE("an alias brings its address, user, port, keys, known hosts and key alias", "[ssh]") {
  auto host = configured("kvm2", R"(Host kvm2
  HostName 192.0.2.7
  Port 2222
  User bob
  IdentityFile /keys/%r-%h-%p
  IdentitiesOnly yes
  UserKnownHostsFile /a /b
  GlobalKnownHostsFile none
  ConnectTimeout 3
  IdentityAgent none
)");
  REQUIRE(host.name == "kvm2");
  REQUIRE(host.host == "192.0.2.7");
  REQUIRE(host.port == 2222);
  REQUIRE(host.user == "bob");
  REQUIRE(host.known_as == "[192.0.2.7]:2222");
  REQUIRE(host.identity_files == std::vector<std::string>{"/keys/bob-192.0.2.7-2222"});
  REQUIRE(host.identities_first);
  REQUIRE(host.user_known_hosts == std::vector<std::string>{"/a", "/b"});
  REQUIRE(host.global_known_hosts.empty());
  REQUIRE(host.connect_timeout_ms == 3000);
  REQUIRE(host.identity_agent == "none");
  REQUIRE(configured("Kvm3", "").known_as == "kvm3");
  REQUIRE(configured("x", "Host x\n HostKeyAlias Pool-A\n Port 5\n").known_as == "pool-a");
  REQUIRE(configured("root@x:77", "Host x\n Port 5\n User bob\n").port == 77);
  REQUIRE(configured("root@x:77", "Host x\n Port 5\n User bob\n").user == "root");
}

TEST_CASE("what the caller says goes before the configuration", "[ssh]") {
  ConnectOptions options;
  options.user = "carol";
  options.port = 9;
  options.identity_files = {"/k"};
  options.known_hosts = "/kh";
  auto host = configured("bob@x:77", "Host x\n UserKnownHostsFile /a\n IdentityFile /z\n", options);
  REQUIRE(host.user == "carol");
  REQUIRE(host.port == 9);
  REQUIRE(host.identity_files == std::vector<std::string>{"/k"});
  REQUIRE(host.user_known_hosts == std::vector<std::string>{"/kh"});
  REQUIRE(host.global_known_hosts.empty());
}

TEST_CASE("a jump host is an argument list that asks nothing and accepts no unknown key", "[ssh]") {
  auto host = configured("x", "Host x\n HostName 192.0.2.7\n ProxyJump a@one:23,bob@two:24\n");
  auto argv = proxy_argv(host);
  REQUIRE(argv.front() == "ssh");
  auto has = [&](const std::string& first, const std::string& second) {
    for (size_t i = 0; i + 1 < argv.size(); ++i) {
      if (argv[i] == first && argv[i + 1] == second) return true;
    }
    return false;
  };
  REQUIRE(has("-J", "a@one:23"));
  REQUIRE(has("-l", "bob"));
  REQUIRE(has("-p", "24"));
  REQUIRE(has("-W", "[192.0.2.7]:22"));
  REQUIRE(has("-o", "BatchMode=yes"));
  REQUIRE(has("-o", "StrictHostKeyChecking=yes"));
  REQUIRE(argv.back() == "two");
  REQUIRE(proxy_argv(configured("x", "Host x\n ProxyCommand nc %h %p %%\n")).back() == "exec nc x 22 %");
  REQUIRE(proxy_argv(configured("x", "")).empty());
}

TEST_CASE("a configuration that ssh refuses is named", "[ssh]") {
  Error error("", "", "");
  REQUIRE(code_of([] { configured("x", "Nonsense yes\n"); }, &error) == "BAD_CONFIG");
  REQUIRE(error.message.find("onsense") != std::string::npos);
}
