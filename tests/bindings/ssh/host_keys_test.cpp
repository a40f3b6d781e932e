// known_hosts: what it says of a host, and how a host gets into it.
#include "bindings/ssh/host_keys.h"

#include <sys/file.h>

#include <catch2/catch.hpp>

#include "tests/bindings/ssh/test_server.h"

using namespace drover;
using namespace drover::ssh;
using namespace drover::ssh::test;

namespace {

struct Keys {
  Keys() {
    make_key(folder / "one");
    make_key(folder / "two");
    make_key(folder / "ecdsa", "ecdsa");
    one = parse_public_key(read_text(folder / "one.pub"));
    two = parse_public_key(read_text(folder / "two.pub"));
    ecdsa = parse_public_key(read_text(folder / "ecdsa.pub"));
  }
  HostKeyState judge(const std::string& contents, const std::string& known_as, const PublicKey& shown) {
    write_text(folder / "known_hosts", contents);
    return judge_host_key(find_known_hosts({folder / "known_hosts", folder / "missing"}, known_as), shown);
  }
  TemporaryFolder folder;
  PublicKey one, two, ecdsa;
};

}  // namespace

TEST_CASE("a public key's line gives type, blob and the fingerprint that ssh-keygen gives", "[ssh]") {
  Keys keys;
  REQUIRE(keys.one.type == "ssh-ed25519");
  REQUIRE(keys.ecdsa.type == "ecdsa-sha2-nistp256");
  ChildResult print = run_child({"ssh-keygen", "-lf", keys.folder / "one.pub"}, 10000);
  REQUIRE(print.output.find(keys.one.fingerprint) != std::string::npos);
  for (const char* bad : {"", "x", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA"}) {
    REQUIRE(code_of([&] { parse_public_key(bad); }) == "BAD_KEY");
  }
}

TEST_CASE("a host key is known, unknown, changed, other or revoked", "[ssh]") {
  Keys keys;
  std::string one = keys.one.line(), two = keys.two.line(), ecdsa = keys.ecdsa.line();
  REQUIRE(keys.judge("", "h", keys.one) == HostKeyState::unknown);
  REQUIRE(keys.judge("h " + one + "\n", "h", keys.one) == HostKeyState::known);
  REQUIRE(keys.judge("h\t" + one + " a comment", "h", keys.one) == HostKeyState::known);
  REQUIRE(keys.judge("x," + std::string("h ") + one + "\n", "h", keys.one) == HostKeyState::known);
  REQUIRE(keys.judge("*.example.org " + one + "\n", "a.example.org", keys.one) == HostKeyState::known);
  REQUIRE(keys.judge("!a.example.org,*.example.org " + one + "\n", "a.example.org", keys.one) == HostKeyState::unknown);
  REQUIRE(keys.judge("![h]:2222,[*]:* " + one + "\n", "[h]:2222", keys.one) == HostKeyState::unknown);
  REQUIRE(keys.judge("![h]:2222,[*]:* " + one + "\n", "[i]:2222", keys.one) == HostKeyState::known);
  REQUIRE(keys.judge("h " + one + "\n", "[h]:2222", keys.one) == HostKeyState::unknown);
  REQUIRE(keys.judge("[h]:2222 " + one + "\n", "[h]:2222", keys.one) == HostKeyState::known);
  REQUIRE(keys.judge("h " + two + "\n", "h", keys.one) == HostKeyState::changed);
  REQUIRE(keys.judge("h " + ecdsa + "\n", "h", keys.one) == HostKeyState::other);
  REQUIRE(keys.judge("h " + two + "\nh " + one + "\n", "h", keys.one) == HostKeyState::known);
  REQUIRE(keys.judge("h " + one + "\n@revoked h " + one + "\n", "h", keys.one) == HostKeyState::revoked);
  REQUIRE(keys.judge("@revoked * " + two + "\nh " + one + "\n", "h", keys.one) == HostKeyState::known);
  REQUIRE(keys.judge("@cert-authority h " + one + "\n# h " + one + "\ngarbage\n\n", "h", keys.one) ==
          HostKeyState::unknown);
  // An RSA key that is cut off behind the length of its modulus, and a kind that libssh does not know.
  for (const char* damaged : {"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAAAI7ABAAAABAQC7", "ssh-new AAAA"}) {
    REQUIRE(keys.judge(std::string("h ") + damaged + "\nh " + one + "\n", "h", keys.one) == HostKeyState::known);
  }
}

TEST_CASE("adding a host keeps every byte, once, and hashes where the file is hashed", "[ssh]") {
  Keys keys;
  core::CancelToken token;
  std::string file = keys.folder / "known_hosts";
  write_text(file, "other " + keys.two.line(), 0644);
  AddedHost added = add_known_host(file, "[h]:2222", keys.one, token);
  REQUIRE(added.added);
  REQUIRE(read_text(file) == "other " + keys.two.line() + "\n[h]:2222 " + keys.one.line() + "\n");
  struct stat info {};
  REQUIRE(stat(file.c_str(), &info) == 0);
  REQUIRE((info.st_mode & 07777) == 0644);
  std::string before = read_text(file);
  REQUIRE_FALSE(add_known_host(file, "[h]:2222", keys.one, token).added);
  REQUIRE(code_of([&] { add_known_host(file, "[h]:2222", keys.two, token); }) == "HOST_KEY_CHANGED");
  REQUIRE(read_text(file) == before);

  run_child({"ssh-keygen", "-q", "-H", "-f", file}, 10000);
  std::string hashed = read_text(file);
  added = add_known_host(file, "plainname", keys.one, token);
  REQUIRE(added.line.rfind("|1|", 0) == 0);
  REQUIRE(read_text(file) == hashed + added.line + "\n");
  REQUIRE(read_text(file).find("plainname") == std::string::npos);
  REQUIRE(judge_host_key(find_known_hosts({file}, "plainname"), keys.one) == HostKeyState::known);
  REQUIRE(run_child({"ssh-keygen", "-F", "plainname", "-f", file}, 10000).exit_code == 0);

  std::string fresh = keys.folder / "new/known_hosts";
  REQUIRE(add_known_host(fresh, "h", keys.one, token).added);
  REQUIRE(stat(fresh.c_str(), &info) == 0);
  REQUIRE((info.st_mode & 07777) == 0600);
}

TEST_CASE("who holds the lock of known_hosts for good is not waited for without an end", "[ssh]") {
  Keys keys;
  core::CancelToken token;
  std::string file = keys.folder / "known_hosts";
  UniqueFd held(open(keys.folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  REQUIRE(flock(held.get(), LOCK_EX) == 0);
  SECTION("until the time is over") {
    REQUIRE(code_of([&] { add_known_host(file, "h", keys.one, token, 100); }) == "BUSY");
  }
  SECTION("until Ctrl-C") {
    std::thread person([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      token.cancel();
    });
    std::string code = code_of([&] { add_known_host(file, "h", keys.one, token); });
    person.join();
    REQUIRE(code == "CANCELLED");
  }
  REQUIRE_FALSE(std::filesystem::exists(file));
  SECTION("and who lets go of it in time is") {
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      held.reset();
    });
    bool added = add_known_host(file, "h", keys.one, token).added;
    other.join();
    REQUIRE(added);
  }
}
