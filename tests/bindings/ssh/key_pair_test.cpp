// Key pairs: OpenSSH reads them, they reach tmpfs only, and nothing shows the private half.
#include "bindings/ssh/key_pair.h"

#include <catch2/catch.hpp>

#include "bindings/ssh/ssh_machine.h"
#include "tests/bindings/ssh/shell_machine.h"
#include "tests/bindings/ssh/test_server.h"

using namespace drover;
using namespace drover::ssh;
using namespace drover::ssh::test;

namespace {

// A folder on tmpfs.
struct MemoryFolder : TemporaryFolder {
  MemoryFolder() : TemporaryFolder("/dev/shm") {}
};

}  // namespace

TEST_CASE("ssh-keygen reads both kinds of key, and sees the same public half", "[ssh]") {
  MemoryFolder folder;
  ShellMachine machine;
  core::CancelToken token;
  KeyKind kind = GENERATE(KeyKind::ed25519, KeyKind::rsa4096);
  KeyPair pair = generate_key_pair(kind, "drover run=1");
  REQUIRE(pair.type == (kind == KeyKind::ed25519 ? "ssh-ed25519" : "ssh-rsa"));
  WrittenKey written = write_private_key(machine, pair, folder / "private/key", token);
  REQUIRE(written.made_directory);

  std::string text = read_text(written.path);
  REQUIRE(text.rfind("-----BEGIN OPENSSH PRIVATE KEY-----\n", 0) == 0);
  ChildResult shown = run_child({"ssh-keygen", "-y", "-P", "", "-f", written.path}, 10000);
  INFO(shown.errors);
  REQUIRE(shown.exit_code == 0);
  std::string blob = pair.public_line.substr(0, pair.public_line.find(' ', pair.type.size() + 1));
  REQUIRE(shown.output.rfind(blob, 0) == 0);
  ChildResult print = run_child({"ssh-keygen", "-lf", written.path}, 10000);
  REQUIRE(print.output.find(pair.fingerprint) != std::string::npos);
  if (kind == KeyKind::rsa4096) {
    REQUIRE(print.output.rfind("4096 ", 0) == 0);
  }

  struct stat info {};
  REQUIRE(stat(written.path.c_str(), &info) == 0);
  REQUIRE((info.st_mode & 07777) == 0600);
  REQUIRE(stat((folder / "private").c_str(), &info) == 0);
  REQUIRE((info.st_mode & 07777) == 0700);

  REQUIRE(remove_private_key(machine, written, token));
  REQUIRE_FALSE(std::filesystem::exists(folder / "private"));
  REQUIRE_FALSE(remove_private_key(machine, written, token));
}

TEST_CASE("a private key goes to a private directory on tmpfs and nowhere else", "[ssh]") {
  MemoryFolder memory;
  TemporaryFolder disk;
  ShellMachine machine;
  core::CancelToken token;
  KeyPair pair = generate_key_pair(KeyKind::ed25519, "");
  auto code = [&](const std::string& path) { return code_of([&] { write_private_key(machine, pair, path, token); }); };
  // /tmp may itself be tmpfs on a developer's machine; /etc never is.
  REQUIRE(code("/etc/drover-test-key/key") == "NOT_TMPFS");
  REQUIRE_FALSE(std::filesystem::exists("/etc/drover-test-key"));
  REQUIRE(code("relative/key") == "BAD_ARGUMENT");
  std::filesystem::create_directory(memory / "open");
  chmod((memory / "open").c_str(), 0755);
  REQUIRE(code(memory / "open/key") == "UNSAFE_PERMISSIONS");
  REQUIRE(std::filesystem::is_empty(memory / "open"));
  REQUIRE(code(memory / "a/b/key") == "NO_FILE");
  REQUIRE(write_private_key(machine, pair, memory / "key", token).made_directory == false);
  std::string first = read_text(memory / "key");
  REQUIRE(code(memory / "key") == "UNSAFE_PERMISSIONS");
  REQUIRE(read_text(memory / "key") == first);
}

TEST_CASE("a generated key logs in, and an error never shows it", "[ssh]") {
  TestServer server;
  MemoryFolder memory;
  ShellMachine machine;
  core::CancelToken token;
  KeyPair pair = generate_key_pair(GENERATE(KeyKind::ed25519, KeyKind::rsa4096), "drover run=1");
  write_private_key(machine, pair, memory / "key", token);
  ConnectOptions options = server.options();
  options.identity_files = {memory / "key"};
  Error error("", "", "");
  REQUIRE(code_of([&] { SshMachine::connect(options, token); }, &error) == "AUTH_FAILED");
  REQUIRE(error.message.find(memory / "key") != std::string::npos);
  write_text(server.folder / "authorized_keys", pair.public_line + "\n");
  auto connected = SshMachine::connect(options, token);
  core::ExecRequest request;
  request.argv = {"echo", "in"};
  REQUIRE(connected->exec(request, token).output == "in\n");
}

TEST_CASE("secrets are wiped", "[ssh]") {
  std::string text = "a secret of some length";
  const char* bytes = text.data();
  size_t size = text.size();
  wipe(text);
  REQUIRE(std::string(bytes, size).find_first_not_of('\0') == std::string::npos);
  Secret secret("word");
  REQUIRE(secret.view() == "word");
  REQUIRE(std::string(secret.c_str()) == "word");
}
