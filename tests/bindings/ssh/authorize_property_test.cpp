// authorized_keys on a machine, by the hundred: random files with random owners, modes, links, attributes. Granting and
// revoking leaves bytes and metadata as they were; what is refused is what a real sshd refuses.
// $DROVER_SEED repeats a run; it is printed when something fails.
#include <sys/xattr.h>

#include <catch2/catch.hpp>
#include <random>

#include "bindings/ssh/authorize.h"
#include "bindings/ssh/key_pair.h"
#include "bindings/ssh/ssh_machine.h"
#include "tests/bindings/ssh/random_keys.h"
#include "tests/bindings/ssh/shell_machine.h"
#include "tests/bindings/ssh/test_server.h"

using namespace drover;
using namespace drover::ssh;
using namespace drover::ssh::test;

namespace {

namespace fs = std::filesystem;

// Below /root, because /tmp may be written by everybody and sshd refuses that.
struct Home : TemporaryFolder {
  Home() : TemporaryFolder("/root") {}
};

std::string attribute_of(const std::string& path, const char* name) {
  char value[256];
  ssize_t size = lgetxattr(path.c_str(), name, value, sizeof value);
  return size < 0 ? "" : std::string(value, static_cast<size_t>(size));
}

// All that a person could see of a folder but times and inode numbers.
std::string look(const std::string& folder) {
  std::ostringstream text;
  std::vector<std::string> paths;
  if (fs::exists(folder)) paths.push_back(folder);
  for (size_t i = 0; i < paths.size(); ++i) {
    struct stat info {};
    lstat(paths[i].c_str(), &info);
    text << paths[i] << " " << std::oct << info.st_mode << std::dec << " " << info.st_uid << ":" << info.st_gid << " "
         << (S_ISDIR(info.st_mode) ? 0 : info.st_nlink) << " " << attribute_of(paths[i], "user.note") << " "
         << attribute_of(paths[i], "system.posix_acl_access") << "\n";
    if (S_ISLNK(info.st_mode)) text << "-> " << fs::read_symlink(paths[i]).string() << "\n";
    if (S_ISREG(info.st_mode)) text << read_text(paths[i]) << "\n";
    std::vector<std::string> below;
    if (S_ISDIR(info.st_mode)) {
      for (const auto& entry : fs::directory_iterator(paths[i])) below.push_back(entry.path());
    }
    std::sort(below.begin(), below.end());
    paths.insert(paths.end(), below.begin(), below.end());
  }
  return text.str();
}

// A place for keys as somebody may have left it. Gives the path that sshd is told.
std::string make_place(const Home& home, RandomKeys& random) {
  std::string folder = home / "ssh", path = folder + "/authorized_keys";
  static const mode_t folder_modes[] = {0700, 0700, 0700, 0755, 0711, 0770, 0707, 02700, 01700};
  static const mode_t file_modes[] = {0600, 0600, 0600, 0644, 0640, 0400, 0660, 0622, 0606, 0000, 04600};
  if (random.below(20) == 0) return path;  // not even the folder
  fs::create_directory(folder);
  std::string target = random.below(4) == 0 ? folder + "/keys of root" : path;
  if (target != path) fs::create_symlink(random.below(2) == 0 ? "keys of root" : target, path);
  if (random.below(12) != 0) {
    write_text(target, random.file());
    if (chown(target.c_str(), random.below(8) == 0 ? 1 : 0, random.below(3) == 0 ? 4 : 0) != 0) return path;
    chmod(target.c_str(), file_modes[random.below(std::size(file_modes))]);
    if (random.below(3) == 0) setxattr(target.c_str(), "user.note", "mine", 4, 0);
  } else if (random.below(3) == 0) {
    random.below(2) == 0 ? (void)mkfifo(target.c_str(), 0600) : (void)fs::create_directory(target);
  }
  if (random.below(4) == 0) write_text(folder + "/config", "Host x\n");
  if (chown(folder.c_str(), random.below(12) == 0 ? 1 : 0, 0) != 0) return path;
  chmod(folder.c_str(), folder_modes[random.below(std::size(folder_modes))]);
  return path;
}

// Debian's sshd lets the user's own group write, when nobody else is in it [user-group-modes.patch of openssh]; sshd
// elsewhere does not, and drover keeps to that.
bool only_own_group_writes(const Error& error) {
  struct stat info {};
  return stat(error.object.c_str(), &info) == 0 && info.st_uid == 0 && info.st_gid == 0 && (info.st_mode & 022) == 020;
}

KeyRequest request_for(const std::string& path, const std::string& key) {
  KeyRequest request;
  request.key = key;
  request.mark = "drover run=7f lease=3";
  request.file = path;
  request.options.from = "127.0.0.0/8";
  return request;
}

}  // namespace

TEST_CASE("granting and revoking leaves hundreds of odd places as they were, to the byte and the mode", "[ssh]") {
  RandomKeys random;
  ShellMachine machine;
  core::CancelToken token;
  int granted_count = 0;
  for (int i = 0; i < 100; ++i) {
    Home home;
    std::string path = make_place(home, random), before = look(home.path());
    KeyRequest request = request_for(path, random.key_line());
    INFO("seed " << random.seed() << ", place " << i << ":\n" << before.substr(0, 2000));
    std::string code = code_of([&] {
      GrantedKey foreseen = foresee_key(machine, request, token);
      GrantedKey granted = authorize_key(machine, request, token);
      ++granted_count;
      REQUIRE(granted.added);
      // What was written down before the grant must do for a recovery, as what the grant said does.
      bool recovery = random.below(2) == 0;
      REQUIRE(revoke_key(machine, request, recovery ? foreseen : granted, token));
    });
    REQUIRE((code.empty() || code == "UNSAFE_PERMISSIONS"));
    REQUIRE(look(home.path()) == before);
  }
  REQUIRE(granted_count > 20);
}

TEST_CASE("what is granted logs in, and what is refused would not have: a real sshd decides", "[ssh]") {
  RandomKeys random;
  ShellMachine machine;
  core::CancelToken token;
  TestServer server;
  KeyPair pair = generate_key_pair(KeyKind::ed25519, "");
  write_text(server.folder / "run_key", std::string(pair.private_text->view()));
  ConnectOptions options = server.options();
  options.identity_files = {server.folder / "run_key"};
  auto may_log_in = [&] {
    std::string code = code_of([&] { SshMachine::connect(options, token); });
    REQUIRE((code.empty() || code == "AUTH_FAILED"));
    return code.empty();
  };
  std::string config = read_text(server.folder / "sshd_config");
  int granted_count = 0, refused_count = 0;
  for (int i = 0; i < 40; ++i) {
    Home home;
    std::string path = make_place(home, random), before = look(home.path());
    server.stop();
    // sshd as a distribution ships it, but for the place of the file: what it is not told, drover takes for granted.
    write_text(server.folder / "sshd_config", "AuthorizedKeysFile \"" + path + "\"\nStrictModes yes\n" + config);
    server.start();
    INFO("seed " << random.seed() << ", place " << i << ":\n" << before.substr(0, 2000));
    KeyRequest request = request_for(path, pair.public_line);
    GrantedKey granted;
    Error refusal("", "", "");
    if (code_of([&] { granted = authorize_key(machine, request, token); }, &refusal).empty()) {
      ++granted_count;
      REQUIRE(may_log_in());
      REQUIRE(revoke_key(machine, request, granted, token));
    } else if (only_own_group_writes(refusal)) {
      continue;
    } else if (fs::is_regular_file(path)) {
      ++refused_count;
      std::ofstream(path, std::ios::app) << "\n" << pair.public_line << "\n";
    }
    REQUIRE_FALSE(may_log_in());
  }
  REQUIRE(granted_count > 5);
  REQUIRE(refused_count > 5);
}
