// authorized_keys on a machine: granted and revoked without a trace, under concurrency, and only where sshd would look.
#include "bindings/ssh/authorize.h"

#include <atomic>
#include <catch2/catch.hpp>

#include "bindings/ssh/key_pair.h"
#include "bindings/ssh/ssh_machine.h"
#include "tests/bindings/ssh/shell_machine.h"
#include "tests/bindings/ssh/test_server.h"

using namespace drover;
using namespace drover::ssh;
using namespace drover::ssh::test;

namespace {

const std::string key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICf9svRenC/PLKIL9nk6K/pxQgoiFC41wTNvoIncOxs5 x";

// A private folder that sshd would accept, with a file in it.
struct Place {
  Place() : path(folder / "ssh/authorized_keys") {
    std::filesystem::create_directory(folder / "ssh");
    chmod((folder / "ssh").c_str(), 0700);
    request.key = key;
    request.mark = "drover run=1 lease=2";
    request.file = path;
  }
  bool clean() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder / "ssh")) ++count;
    return count == (std::filesystem::exists(path) ? 1U : 0U);
  }
  // Below /root: /tmp may be written by everybody, and sshd refuses that.
  TemporaryFolder folder{"/root"};
  std::string path;
  KeyRequest request;
  ShellMachine machine;
  core::CancelToken token;
};

}  // namespace

TEST_CASE("a key is granted once and revoked without a trace", "[ssh]") {
  Place place;
  std::string before = GENERATE(std::string("ssh-rsa AAAAB3Nza admin\n"), std::string("no newline"),
                                std::string("a\r\nb\r\n"), std::string(), std::string("\0\xff\n\n", 4));
  write_text(place.path, before, 0640);
  REQUIRE(chown(place.path.c_str(), 0, 4) == 0);
  place.request.options.from = "192.0.2.0/24";

  GrantedKey granted = authorize_key(place.machine, place.request, place.token);
  REQUIRE(granted.added);
  REQUIRE_FALSE(granted.made_file);
  REQUIRE(granted.file == place.path);
  REQUIRE(granted.line == "restrict,from=\"192.0.2.0/24\" " + key.substr(0, key.size() - 2) + " drover run=1 lease=2");
  REQUIRE(read_text(place.path).find(granted.line + "\n") != std::string::npos);
  REQUIRE(probe_key(place.machine, place.request, place.token) == Presence::ours);

  REQUIRE_FALSE(authorize_key(place.machine, place.request, place.token).added);
  KeyRequest other = place.request;
  other.mark = "drover run=2";
  REQUIRE(probe_key(place.machine, other, place.token) == Presence::foreign);
  REQUIRE_FALSE(revoke_key(place.machine, other, granted, place.token));

  REQUIRE(revoke_key(place.machine, place.request, granted, place.token));
  REQUIRE(read_text(place.path) == before);
  struct stat info {};
  REQUIRE(stat(place.path.c_str(), &info) == 0);
  REQUIRE((info.st_mode & 07777) == 0640);
  REQUIRE(info.st_gid == 4);
  REQUIRE_FALSE(revoke_key(place.machine, place.request, granted, place.token));
  REQUIRE(probe_key(place.machine, place.request, place.token) == Presence::absent);
  REQUIRE(place.clean());
}

TEST_CASE("a file and a folder that were made for the key go with it, unless somebody uses them", "[ssh]") {
  Place place;
  std::filesystem::remove(place.folder / "ssh");
  GrantedKey granted = authorize_key(place.machine, place.request, place.token);
  REQUIRE(granted.made_file);
  REQUIRE(granted.made_directory);
  struct stat info {};
  REQUIRE(stat(place.path.c_str(), &info) == 0);
  REQUIRE((info.st_mode & 07777) == 0600);
  REQUIRE(stat((place.folder / "ssh").c_str(), &info) == 0);
  REQUIRE((info.st_mode & 07777) == 0700);

  SECTION("nobody else: all is gone") {
    REQUIRE(revoke_key(place.machine, place.request, granted, place.token));
    REQUIRE_FALSE(std::filesystem::exists(place.folder / "ssh"));
    REQUIRE_FALSE(revoke_key(place.machine, place.request, granted, place.token));
  }
  SECTION("a key of somebody else keeps the file") {
    std::ofstream(place.path, std::ios::app) << "ssh-rsa AAAAB3Nza other\n";
    REQUIRE(revoke_key(place.machine, place.request, granted, place.token));
    REQUIRE(read_text(place.path) == "ssh-rsa AAAAB3Nza other\n");
  }
  SECTION("another file keeps the folder") {
    write_text(place.folder / "ssh/config", "x");
    REQUIRE(revoke_key(place.machine, place.request, granted, place.token));
    REQUIRE(std::filesystem::exists(place.folder / "ssh/config"));
    REQUIRE_FALSE(std::filesystem::exists(place.path));
  }
}

TEST_CASE("what was foreseen before the grant is enough to revoke without a trace", "[ssh]") {
  Place place;
  std::string state = GENERATE(std::string("with a newline\n"), std::string("no newline"), std::string(),
                               std::string("no file"), std::string("no folder"));
  bool has_file = state.rfind("no f", 0) != 0;
  if (has_file) write_text(place.path, state);
  if (state == "no folder") std::filesystem::remove(place.folder / "ssh");

  GrantedKey foreseen = foresee_key(place.machine, place.request, place.token);
  REQUIRE(foreseen.made_file == !has_file);
  REQUIRE(foreseen.made_directory == (state == "no folder"));
  REQUIRE(foreseen.added_newline == (state == "no newline"));
  REQUIRE(std::filesystem::exists(place.folder / "ssh") != foreseen.made_directory);

  GrantedKey granted = authorize_key(place.machine, place.request, place.token);
  REQUIRE(granted.file == foreseen.file);
  REQUIRE(revoke_key(place.machine, place.request, foreseen, place.token));
  if (has_file) REQUIRE(read_text(place.path) == state);
  REQUIRE(std::filesystem::exists(place.path) == has_file);
  REQUIRE(std::filesystem::exists(place.folder / "ssh") == (state != "no folder"));
}

TEST_CASE("a link stays a link, and the file it names is edited", "[ssh]") {
  Place place;
  std::string target = place.folder / "ssh/real";
  write_text(target, "first\n");
  std::filesystem::create_symlink("real", place.path);
  GrantedKey granted = authorize_key(place.machine, place.request, place.token);
  REQUIRE(granted.file == target);
  REQUIRE(std::filesystem::is_symlink(place.path));
  REQUIRE(read_text(target).find("lease=2") != std::string::npos);
  REQUIRE(revoke_key(place.machine, place.request, granted, place.token));
  REQUIRE(std::filesystem::is_symlink(place.path));
  REQUIRE(read_text(target) == "first\n");
}

TEST_CASE("what sshd would not use is refused, and nothing is changed", "[ssh]") {
  Place place;
  write_text(place.path, "first\n");
  auto code = [&] { return code_of([&] { authorize_key(place.machine, place.request, place.token); }); };
  SECTION("a file that others write") {
    chmod(place.path.c_str(), 0620);
    REQUIRE(code() == "UNSAFE_PERMISSIONS");
  }
  SECTION("a folder that others write") {
    chmod((place.folder / "ssh").c_str(), 0770);
    REQUIRE(code() == "UNSAFE_PERMISSIONS");
  }
  SECTION("a file of somebody else") {
    REQUIRE(chown(place.path.c_str(), 1, 1) == 0);
    REQUIRE(code() == "UNSAFE_PERMISSIONS");
  }
  SECTION("a pipe, which is not waited for") {
    std::filesystem::remove(place.path);
    REQUIRE(mkfifo(place.path.c_str(), 0600) == 0);
    REQUIRE(code() == "UNSAFE_PERMISSIONS");
    std::filesystem::remove(place.path);
    write_text(place.path, "first\n");
  }
  SECTION("a file with other hard links, which a rename would part from them") {
    std::filesystem::create_hard_link(place.path, place.folder / "ssh/second");
    REQUIRE(code() == "HARD_LINKED");
    REQUIRE(std::filesystem::hard_link_count(place.path) == 2);
    std::filesystem::remove(place.folder / "ssh/second");
    REQUIRE(place.clean());
  }
  SECTION("a user that does not exist") {
    place.request.user = "no-such-user-here";
    REQUIRE(code() == "NO_USER");
  }
  SECTION("what is no key") {
    place.request.key = "ssh-ed25519 nonsense";
    REQUIRE(code() == "BAD_KEY");
    place.request.key = key + "\nssh-rsa AAAA";
    REQUIRE(code() == "BAD_KEY");
  }
  SECTION("a mark that would be another line") {
    place.request.mark = "a\nb";
    REQUIRE(code() == "BAD_ARGUMENT");
  }
  REQUIRE(read_text(place.path) == "first\n");
}

TEST_CASE("a user's file is edited as that user, so a link of theirs leads root nowhere", "[ssh]") {
  Place place;
  // The user "nobody" with a home of the test, as a getent of the test tells it; below /tmp, which that user may enter.
  TemporaryFolder folder("/tmp");
  std::string home = folder / "home";
  chmod(folder.path().c_str(), 0755);
  std::filesystem::create_directories(home + "/.ssh");
  run_child({"chown", "-R", "nobody", home}, 10000);
  std::filesystem::create_directory(folder / "programs");
  write_text(folder / "programs/getent", "#!/bin/sh\necho nobody:x:65534:65534:nobody:" + home + ":/bin/sh\n", 0755);
  place.machine.programs = folder / "programs";
  place.request.user = "nobody";
  place.request.file = home + "/.ssh/authorized_keys";

  SECTION("an ordinary file belongs to the user") {
    GrantedKey granted = authorize_key(place.machine, place.request, place.token);
    REQUIRE(granted.user == "nobody");
    struct stat info {};
    REQUIRE(stat(granted.file.c_str(), &info) == 0);
    REQUIRE(info.st_uid == 65534);
    REQUIRE(revoke_key(place.machine, place.request, granted, place.token));
    REQUIRE_FALSE(std::filesystem::exists(granted.file));
  }
  SECTION("a link into a folder of root's is not followed with root's rights") {
    std::filesystem::create_symlink(place.folder / "ssh/stolen", home + "/.ssh/authorized_keys");
    std::string code = code_of([&] { authorize_key(place.machine, place.request, place.token); });
    REQUIRE((code == "NO_PERMISSION" || code == "UNSAFE_PERMISSIONS"));
    REQUIRE_FALSE(std::filesystem::exists(place.folder / "ssh/stolen"));
  }
  SECTION("a link to a file that only root reads shows it to nobody") {
    write_text(place.folder / "ssh/shadow", "root:secret\n", 0600);
    std::filesystem::create_symlink(place.folder / "ssh/shadow", home + "/.ssh/authorized_keys");
    bool shown = false;
    place.machine.before = [&](const core::ExecRequest& request) {
      shown = shown || request.input.find("secret") != std::string::npos;
    };
    REQUIRE(code_of([&] { authorize_key(place.machine, place.request, place.token); }) == "NO_PERMISSION");
    REQUIRE_FALSE(shown);
  }
  SECTION("a link to a path with a newline cannot write lines of its own into the answer") {
    std::string folder_of_lines = home + "/x\nlogin=nobody\nstrict=no";
    std::filesystem::create_directory(folder_of_lines);
    write_text(folder_of_lines + "/keys", "first\n");
    std::filesystem::create_symlink(folder_of_lines + "/keys", home + "/.ssh/authorized_keys");
    REQUIRE(code_of([&] { authorize_key(place.machine, place.request, place.token); }) == "UNSAFE_PERMISSIONS");
    REQUIRE(read_text(folder_of_lines + "/keys") == "first\n");
  }
  SECTION("nor does a newline at its end, which a shell would cut off") {
    write_text(home + "/keys\n", "first\n");
    std::filesystem::create_symlink(home + "/keys\n", home + "/.ssh/authorized_keys");
    REQUIRE(code_of([&] { authorize_key(place.machine, place.request, place.token); }) == "UNSAFE_PERMISSIONS");
    REQUIRE_FALSE(std::filesystem::exists(home + "/keys"));
  }
}

TEST_CASE("what somebody appends between the reading and the writing is kept", "[ssh]") {
  Place place;
  write_text(place.path, "first\n");
  int programs = 0;
  place.machine.before = [&](const core::ExecRequest&) {
    // The second program is the first try to write.
    if (++programs == 2) std::ofstream(place.path, std::ios::app) << "ssh-rsa AAAAB3Nza late\n";
  };
  GrantedKey granted = authorize_key(place.machine, place.request, place.token);
  REQUIRE(programs == 3);
  REQUIRE(read_text(place.path) == "first\nssh-rsa AAAAB3Nza late\n" + granted.line + "\n");
}

namespace {

// A place where `act` runs once in the script's own mv: after its last comparison, before the rename.
struct RacedPlace : Place {
  explicit RacedPlace(const std::string& act) {
    write_text(path, "first\n");
    std::filesystem::create_directory(folder / "programs");
    write_text(folder / "programs/mv",
               "#!/bin/sh\nfile='" + path + "' once='" + once() + "'\n[ -e \"$once\" ] || { : > \"$once\"\n" + act +
                   "\n}\nexec /bin/mv \"$@\"\n",
               0755);
    machine.programs = folder / "programs";
  }
  std::string once() const { return folder / "once"; }
  // Somebody else appends to the new file before the third program, which brings over what came late.
  void let_others_append(const std::string& text) {
    machine.before = [this, text](const core::ExecRequest&) {
      if (++programs == 3) std::ofstream(path, std::ios::app) << text;
    };
  }
  int programs = 0;
};

}  // namespace

TEST_CASE("what somebody appends to the old file in the very last instant is brought over", "[ssh]") {
  RacedPlace place("echo 'ssh-rsa AAAAB3Nza late' >> \"$file\"");
  GrantedKey granted = authorize_key(place.machine, place.request, place.token);
  REQUIRE(std::filesystem::exists(place.once()));
  REQUIRE(read_text(place.path) == "first\n" + granted.line + "\nssh-rsa AAAAB3Nza late\n");
  REQUIRE(place.clean());
  std::filesystem::remove(place.once());
  REQUIRE(revoke_key(place.machine, place.request, granted, place.token));
  REQUIRE(read_text(place.path) == "first\nssh-rsa AAAAB3Nza late\nssh-rsa AAAAB3Nza late\n");
  REQUIRE(place.clean());
}

TEST_CASE("nor is it lost when somebody else appends to the new file before that", "[ssh]") {
  RacedPlace place("echo 'ssh-rsa AAAAB3Nza late' >> \"$file\"");
  place.let_others_append("ssh-rsa AAAAB3Nza other\n");
  GrantedKey granted = authorize_key(place.machine, place.request, place.token);
  REQUIRE(read_text(place.path) == "first\n" + granted.line + "\nssh-rsa AAAAB3Nza other\nssh-rsa AAAAB3Nza late\n");
}

TEST_CASE("nor is one brought over twice when another one comes as late", "[ssh]") {
  RacedPlace place(
      "n=1; [ ! -e \"$once.1\" ] || n=2; [ $n = 2 ] || rm \"$once\"; : > \"$once.$n\"\n"
      "echo \"ssh-rsa AAAAB3Nza late$n\" >> \"$file\"");
  GrantedKey granted = authorize_key(place.machine, place.request, place.token);
  REQUIRE(std::filesystem::exists(place.once() + ".2"));
  REQUIRE(read_text(place.path) == "first\n" + granted.line + "\nssh-rsa AAAAB3Nza late1\nssh-rsa AAAAB3Nza late2\n");
}

TEST_CASE("nor is a line joined to one that somebody else did not end", "[ssh]") {
  RacedPlace place("echo 'ssh-rsa AAAAB3Nza late' >> \"$file\"");
  place.let_others_append("ssh-rsa AAAAB3Nza other");
  GrantedKey granted = authorize_key(place.machine, place.request, place.token);
  REQUIRE(read_text(place.path) == "first\n" + granted.line + "\nssh-rsa AAAAB3Nza other\nssh-rsa AAAAB3Nza late\n");
}

TEST_CASE("the old file rewritten in place, and the new one appended to: both are kept", "[ssh]") {
  RacedPlace place("printf 'second\\nthird\\n' > \"$file\"");
  place.let_others_append("ssh-rsa AAAAB3Nza other\n");
  GrantedKey granted = authorize_key(place.machine, place.request, place.token);
  REQUIRE(read_text(place.path) == granted.line + "\nssh-rsa AAAAB3Nza other\nsecond\nthird\n");
}

TEST_CASE("the old file rewritten in place, and nobody else: it is as they wrote it, with our key", "[ssh]") {
  RacedPlace place("printf 'second\\nthird\\n' > \"$file\"");
  GrantedKey granted = authorize_key(place.machine, place.request, place.token);
  REQUIRE(read_text(place.path) == "second\nthird\n" + granted.line + "\n");
}

TEST_CASE("who opened the old file before the rename is waited for, and what they write is brought over", "[ssh]") {
  RacedPlace place("{ sleep 0.4; echo 'ssh-rsa AAAAB3Nza late' >&3; } 3>> \"$file\" &\nsleep 0.1");
  GrantedKey granted = authorize_key(place.machine, place.request, place.token);
  REQUIRE(read_text(place.path) == "first\n" + granted.line + "\nssh-rsa AAAAB3Nza late\n");
}

TEST_CASE("who keeps the old file open for good does not hold up the edit", "[ssh]") {
  RacedPlace place("sleep 5 3>> \"$file\" &");
  GrantedKey granted = authorize_key(place.machine, place.request, place.token);
  REQUIRE(read_text(place.path) == "first\n" + granted.line + "\n");
  REQUIRE(place.clean());
}

TEST_CASE("an editor that is killed leaves the old file, and the next one takes its leftovers away", "[ssh]") {
  Place place;
  write_text(place.path, "first\n");
  std::filesystem::create_directory(place.folder / "programs");
  std::string program = GENERATE("head", "cp", "sync", "mv");
  write_text(place.folder / ("programs/" + program), "#!/bin/sh\nkill -KILL $PPID\n", 0755);
  place.machine.programs = place.folder / "programs";
  REQUIRE_FALSE(code_of([&] { authorize_key(place.machine, place.request, place.token); }).empty());
  REQUIRE(read_text(place.path) == "first\n");
  place.machine.programs.clear();
  GrantedKey granted = authorize_key(place.machine, place.request, place.token);
  REQUIRE(read_text(place.path) == "first\n" + granted.line + "\n");
  REQUIRE(place.clean());
}

TEST_CASE("thirty-two editors at once lose no key, and plain appenders beside them lose none", "[ssh]") {
  Place place;
  write_text(place.path, "first\n");
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  std::vector<GrantedKey> granted(32);
  for (int i = 0; i < 32; ++i) {
    threads.emplace_back([&, i] {
      ShellMachine machine("process-" + std::to_string(i % 8));  // editors of one process take turns
      core::CancelToken token;
      KeyRequest request = place.request;
      request.mark = "drover run=" + std::to_string(i);
      if (!code_of([&] { granted[static_cast<size_t>(i)] = authorize_key(machine, request, token); }).empty()) ++failed;
    });
  }
  for (int i = 0; i < 10; ++i) {
    // As `echo key >> file` does.
    std::ofstream(place.path, std::ios::app) << "ssh-rsa AAAAB3Nza plain-" + std::to_string(i) + "\n";
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
  for (auto& thread : threads) thread.join();
  REQUIRE(failed == 0);
  std::string contents = read_text(place.path);
  for (int i = 0; i < 32; ++i) {
    REQUIRE(contents.find("drover run=" + std::to_string(i) + "\n") != std::string::npos);
  }
  for (int i = 0; i < 10; ++i) REQUIRE(contents.find("plain-" + std::to_string(i) + "\n") != std::string::npos);
  REQUIRE(place.clean());

  threads.clear();
  for (int i = 0; i < 32; ++i) {
    threads.emplace_back([&, i] {
      ShellMachine machine("process-" + std::to_string(i % 8));  // editors of one process take turns
      core::CancelToken token;
      KeyRequest request = place.request;
      request.mark = "drover run=" + std::to_string(i);
      if (!code_of([&] { revoke_key(machine, request, granted[static_cast<size_t>(i)], token); }).empty()) ++failed;
    });
  }
  for (auto& thread : threads) thread.join();
  REQUIRE(failed == 0);
  REQUIRE(read_text(place.path).find("drover") == std::string::npos);
  REQUIRE(read_text(place.path).rfind("first\n", 0) == 0);
}

TEST_CASE("a granted key logs in with what it may, and after the revocation not at all", "[ssh]") {
  TestServer server;
  ShellMachine machine;
  core::CancelToken token;
  KeyPair pair = generate_key_pair(KeyKind::ed25519, "");
  write_text(server.folder / "run_key", std::string(pair.private_text->view()));
  ConnectOptions options = server.options();
  options.identity_files = {server.folder / "run_key"};

  auto admin = SshMachine::connect(server.options(), token);
  KeyRequest request;
  request.key = pair.public_line;
  request.mark = "drover run=9 lease=1";
  // The test's sshd accepts a file below /tmp; drover asks the host's own settings, so the file is in root's folder.
  Place place;
  write_text(place.path, "");
  std::filesystem::remove(server.folder / "authorized_keys");
  std::filesystem::create_symlink(place.path, server.folder / "authorized_keys");
  request.file = place.path;
  request.options.command = "echo \"only this\"";
  request.options.from = "127.0.0.0/8";
  request.expires_at_s = time(nullptr) + 600;
  GrantedKey granted = authorize_key(*admin, request, token);

  core::ExecRequest asked;
  asked.argv = {"id"};
  REQUIRE(SshMachine::connect(options, token)->exec(asked, token).output == "only this\n");
  REQUIRE(revoke_key(*admin, request, granted, token));
  REQUIRE(code_of([&] { SshMachine::connect(options, token); }) == "AUTH_FAILED");

  request.expires_at_s = time(nullptr) - 120;
  authorize_key(*admin, request, token);
  REQUIRE(code_of([&] { SshMachine::connect(options, token); }) == "AUTH_FAILED");
}
