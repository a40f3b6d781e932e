// Connecting and logging in: what goes wrong is told apart, and no host key is ever taken on trust.
#include "bindings/ssh/session.h"

#include <pty.h>

#include <catch2/catch.hpp>

#include "bindings/ssh/ssh_machine.h"
#include "tests/bindings/ssh/test_server.h"

using namespace drover;
using namespace drover::ssh;
using namespace drover::ssh::test;

namespace {

Error connect_error(const ConnectOptions& options) {
  core::CancelToken token;
  Error error("", "", "");
  code_of([&] { SshMachine::connect(options, token); }, &error);
  return error;
}

std::string who(const ConnectOptions& options) {
  core::CancelToken token;
  core::ExecRequest request;
  request.argv = {"echo", "in"};
  return SshMachine::connect(options, token)->exec(request, token).output;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

// What a person sees of drover, on a terminal without colours.
std::string drover_on_terminal(std::vector<std::string> words) {
  std::string program = std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "drover";
  words.insert(words.begin(), program);
  int terminal = -1;
  pid_t pid = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (pid == 0) {
    setenv("NO_COLOR", "1", 1);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execv(program.c_str(), arguments.data());
    _exit(127);
  }
  UniqueFd owned(terminal);
  std::string text(1 << 16, '\0');
  size_t size = 0;
  for (ssize_t count = 1; count > 0 && size < text.size(); size += static_cast<size_t>(std::max<ssize_t>(count, 0))) {
    count = read(terminal, text.data() + size, text.size() - size);  // ends with EIO when nobody has the other side
  }
  waitpid(pid, nullptr, 0);
  return text.substr(0, size);
}

}  // namespace

TEST_CASE("a host key that is not known stops, with its fingerprint and what to do", "[ssh]") {
  TestServer server;
  ConnectOptions options = server.options();
  std::string fingerprint = parse_public_key(read_text(server.folder / "host_key.pub")).fingerprint;
  write_text(server.folder / "known_hosts", "");
  Error unknown = connect_error(options);
  REQUIRE(unknown.code == "HOST_KEY_UNKNOWN");
  REQUIRE(contains(unknown.message, fingerprint));
  REQUIRE(contains(unknown.hint, "drover trust " + options.target));

  make_key(server.folder / "other");
  PublicKey other = parse_public_key(read_text(server.folder / "other.pub"));
  write_text(server.folder / "known_hosts", "[127.0.0.1]:" + std::to_string(server.port) + " " + other.line() + "\n");
  Error changed = connect_error(options);
  REQUIRE(changed.code == "HOST_KEY_CHANGED");
  REQUIRE(contains(changed.message, fingerprint));
  REQUIRE(contains(changed.message, other.fingerprint));
  REQUIRE(contains(changed.hint, "ssh_host_ed25519_key.pub"));
  REQUIRE(contains(changed.hint, "ssh-keygen -f " + (server.folder / "known_hosts") +
                                     " -R '[127.0.0.1]:" + std::to_string(server.port) + "' and drover trust "));
  options.name = "kvm1";  // as an inventory calls it
  changed = connect_error(options);
  REQUIRE(changed.host == "kvm1");
  REQUIRE(contains(changed.message, "the host key of kvm1 is not the known one"));
  options.name.reset();

  options.host_key = read_text(server.folder / "host_key.pub");  // pinned: no file is asked
  REQUIRE(who(options) == "in\n");
  options.host_key = other.line();
  REQUIRE(connect_error(options).code == "HOST_KEY_CHANGED");
  make_key(server.folder / "ecdsa", "ecdsa");
  options.host_key = read_text(server.folder / "ecdsa.pub");  // a type that the host does not have
  REQUIRE(connect_error(options).code == "HOST_KEY_CHANGED");
  REQUIRE(server.connections() == 1);
}

TEST_CASE("a refused login names what was tried", "[ssh]") {
  TestServer server;
  ConnectOptions options = server.options();
  make_key(server.folder / "stranger");
  make_key(server.folder / "open");
  chmod((server.folder / "open").c_str(), 0644);
  options.identity_files = {server.folder / "stranger", server.folder / "missing", server.folder / "open"};
  Error error = connect_error(options);
  REQUIRE(error.code == "AUTH_FAILED");
  REQUIRE(contains(error.message, server.folder / "stranger"));
  REQUIRE(contains(error.message, "missing (no such file)"));
  REQUIRE(contains(error.message, "open (not used: others may read it)"));
  REQUIRE(contains(error.hint, "ssh-copy-id"));
  REQUIRE(error.host == options.target);
}

TEST_CASE("refused, unresolvable, silent and dead ends are told apart", "[ssh]") {
  TestServer server;
  ConnectOptions options = server.options();
  options.target = "root@127.0.0.1:" + std::to_string(free_port());
  Error refused = connect_error(options);
  REQUIRE(refused.code == "NO_CONNECTION");
  REQUIRE(contains(refused.message, "refused"));

  options.target = "no-such-host.invalid";
  REQUIRE(connect_error(options).code == "NO_NAME");

  // Something that listens and never speaks.
  UniqueFd mute(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(bind(mute.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(mute.get(), 1) == 0);
  socklen_t size = sizeof address;
  getsockname(mute.get(), reinterpret_cast<sockaddr*>(&address), &size);
  options.target = "root@127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  options.connect_timeout_ms = 300;
  auto start = Clock::now();
  Error silent = connect_error(options);
  REQUIRE(silent.code == "NO_CONNECTION");
  REQUIRE(contains(silent.message, "300 ms"));
  REQUIRE(milliseconds_since(start) < 2000);

  options.connect_timeout_ms = 60000;
  core::CancelToken token;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    token.cancel();
  });
  start = Clock::now();
  REQUIRE(code_of([&] { SshMachine::connect(options, token); }) == "CANCELLED");
  REQUIRE(milliseconds_since(start) < 1000);
  canceller.join();
}

TEST_CASE("an agent's key logs in", "[ssh]") {
  TestServer server;
  std::string socket = server.folder / "agent";
  pid_t pid = fork();
  if (pid == 0) {
    close(1);
    execlp("ssh-agent", "ssh-agent", "-D", "-a", socket.c_str(), nullptr);
    _exit(127);
  }
  auto add_key = [&] {
    return run_child({"env", "SSH_AUTH_SOCK=" + socket, "ssh-add", "-q", server.folder / "user_key"}, 10000).exit_code;
  };
  for (int i = 0; i < 200 && add_key() != 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  write_text(server.folder / "ssh_config", "IdentityAgent " + socket + "\nIdentityFile none\n");
  ConnectOptions options = server.options();
  options.identity_files.clear();
  std::string answer;
  std::string code = code_of([&] { answer = who(options); });
  kill(pid, SIGTERM);
  waitpid(pid, nullptr, 0);
  REQUIRE(code.empty());
  REQUIRE(answer == "in\n");
}

TEST_CASE("a jump host carries the connection, and its own host key is proven too", "[ssh]") {
  TestServer server;
  TestServer jump;
  std::string known = read_text(server.folder / "known_hosts") + read_text(jump.folder / "known_hosts");
  std::string config = "Host inner\n HostName 127.0.0.1\n Port " + std::to_string(server.port) +
                       "\n User root\n IdentityFile " + (server.folder / "user_key") + "\n ProxyJump root@jump\n" +
                       "Host jump\n HostName 127.0.0.1\n Port " + std::to_string(jump.port) + "\n IdentityFile " +
                       (jump.folder / "user_key") + "\nHost *\n UserKnownHostsFile " + (server.folder / "both") + "\n";
  write_text(server.folder / "ssh_config", config);
  write_text(server.folder / "both", known);
  ConnectOptions options;
  options.target = "inner";
  options.config = server.folder / "ssh_config";
  REQUIRE(who(options) == "in\n");
  REQUIRE(jump.connections() == 1);

  write_text(server.folder / "both", read_text(server.folder / "known_hosts"));
  Error error = connect_error(options);
  REQUIRE(error.code == "NO_CONNECTION");
  REQUIRE(contains(error.message, "jump host"));
  REQUIRE(contains(error.native, "ost key verification failed"));
}

TEST_CASE("a password comes from a descriptor, and is read no further than its line", "[ssh]") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  UniqueFd reader(ends[0]), writer(ends[1]);
  REQUIRE(write(writer.get(), "open sesame\nrest", 16) == 16);
  core::CancelToken token;
  REQUIRE(read_secret(reader.get(), token)->view() == "open sesame");
  char rest[8] = {};
  REQUIRE(read(reader.get(), rest, 4) == 4);
  REQUIRE(std::string(rest) == "rest");
  writer.reset();
  REQUIRE(code_of([&] { read_secret(reader.get(), token); }) == "NO_PASSWORD");
}

TEST_CASE("a password is asked on the terminal without echo, and a cancel puts the terminal back", "[ssh]") {
  int master = -1, slave = -1;
  char name[128];
  REQUIRE(openpty(&master, &slave, name, nullptr, nullptr) == 0);
  UniqueFd ours(master), theirs(slave);
  core::CancelToken token;
  std::thread person([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    REQUIRE(write(master, "sesame\n", 7) == 7);
  });
  auto secret = ask_on_terminal("Password: ", token, name);
  person.join();
  REQUIRE(secret->view() == "sesame");
  char seen[256] = {};
  REQUIRE(read(master, seen, sizeof seen - 1) > 0);
  REQUIRE(contains(seen, "Password: "));
  REQUIRE_FALSE(contains(seen, "sesame"));

  core::CancelToken stop;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    stop.cancel();
  });
  REQUIRE(code_of([&] { ask_on_terminal("Password: ", stop, name); }) == "CANCELLED");
  canceller.join();
  termios after{};
  tcgetattr(slave, &after);
  REQUIRE((after.c_lflag & ECHO) != 0);
}

TEST_CASE("what a server says before it has proven who it is cannot command the terminal", "[ssh]") {
  RefusingServer server("\x1b[2J\x1b]0;owned\x07 bye \xc2\x9b\x35m");
  using Words = std::vector<std::string>;
  auto words =
      GENERATE(Words{"eval", "host.connect(...)"}, Words{"-v", "eval", "host.connect(...)"},
               Words{"--json", "eval", "host.connect(...)"},
               Words{"eval", "log.warn(select(2, pcall(host.connect, ...)).message)"},
               Words{"eval", "print(select(2, pcall(host.connect, ...)).message)"},
               Words{"eval", "return select(2, pcall(host.connect, ...)).message"}, Words{"doctor"}, Words{"trust"});
  words.push_back("root@127.0.0.1:" + std::to_string(server.port));
  std::string shown = drover_on_terminal(words);
  CAPTURE(words, shown);
  CHECK(contains(shown, "[2J"));
  CHECK(contains(shown, "owned"));
  for (const char* raw : {"\x1b", "\x07", "\xc2\x9b"}) CHECK_FALSE(contains(shown, raw));
}
