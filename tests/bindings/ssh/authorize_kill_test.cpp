// The editor of authorized_keys, killed at each of its system calls: sshd sees the old file or the new one, and a
// revocation afterwards, which is what a recovery does, leaves the place as it was before the grant.
// The files change at a few of the calls; between two of these a kill leaves what a kill at the next one leaves. The
// hidden test [.long] does it at every call all the same.
#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "bindings/ssh/authorize.h"
#include "bindings/ssh/authorize_scripts.h"
#include "tests/bindings/ssh/test_server.h"
#include "tests/bindings/ssh/traced_machine.h"

using namespace drover;
using namespace drover::ssh;
using namespace drover::ssh::test;

namespace {

namespace fs = std::filesystem;

const std::string granted_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICf9svRenC/PLKIL9nk6K/pxQgoiFC41wTNvoIncOxs5";

// A place for keys in memory, so that syncing costs nothing. sshd would refuse it, so the host says that it is not
// strict: the editor is what is looked at here.
struct KillPlace {
  explicit KillPlace(std::string before) : before_(std::move(before)) {
    fs::create_directory(folder / "programs");
    write_text(folder / "programs/sshd", "#!/bin/sh\necho strictmodes no\n", 0755);
    write_text(folder / "programs/ssh", "#!/bin/sh\necho OpenSSH_9.2p1 >&2\n", 0755);
    // It looks at every open file of the machine, which takes long when each call is traced, and changes none.
    fs::create_symlink("/bin/true", folder / "programs/find");
    machine.programs = folder / "programs";
    machine.traced_word = scripts::replace_keys;
    request.key = granted_key;
    request.mark = "drover run=1 lease=2";
    request.file = path();
    if (before_ == "no folder") return;
    fs::create_directory(folder / "ssh");
    if (before_ == "no file") return;
    write_text(path(), before_, 0640);
    if (chown(path().c_str(), 0, 4) != 0) throw std::runtime_error("chown");
  }
  std::string path() const { return folder / "ssh/authorized_keys"; }

  // The file as sshd would find it, with owner and mode; "none".
  std::string state() const {
    struct stat info {};
    if (stat(path().c_str(), &info) != 0) return "none";
    std::ostringstream text;
    text << std::oct << info.st_mode << " " << info.st_uid << ":" << info.st_gid << "\n" << read_text(path());
    return text.str();
  }

  // The file, and all that is beside it.
  std::string everything() const {
    if (!fs::exists(folder / "ssh")) return "no folder";
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder / "ssh")) names.insert(entry.path().filename());
    std::string text = state();
    for (const std::string& name : names) {
      struct stat info {};
      lstat((folder / "ssh/" + name).c_str(), &info);
      text += "\n" + name + " " + std::to_string(info.st_mode) + " " + std::to_string(info.st_size);
    }
    return text;
  }

  std::string before_;
  TemporaryFolder folder{"/dev/shm"};
  TracedMachine machine;
  KeyRequest request;
  core::CancelToken token;
};

enum class Act { grant, revoke };
enum class Where { at_changes, everywhere };

const auto everybody = TracedMachine::Victim::everybody;
const auto caller = TracedMachine::Victim::caller;

class Killing {
 public:
  Killing(Act act, std::string before, TracedMachine::Victim victim, Where where)
      : act_(act), before_(std::move(before)), victim_(victim), where_(where) {}

  // Does the act again and again, and kills it at another call each time. Gives how often.
  int run() {
    std::vector<int> numbers = let_through();
    for (int number : numbers) kill_at(number);
    return static_cast<int>(numbers.size());
  }

 private:
  void do_it(KillPlace& place) {
    code_of([&] {
      if (act_ == Act::grant) authorize_key(place.machine, place.request, place.token);
      if (act_ == Act::revoke) revoke_key(place.machine, place.request, foreseen_, place.token);
    });
  }

  void prepare(KillPlace& place) {
    place.machine.victim = victim_;
    place.machine.every_call = where_ == Where::everywhere;
    if (act_ == Act::revoke) authorize_key(place.machine, place.request, place.token);
  }

  // Once without a kill. Gives the numbers of the calls to kill at: with Where::at_changes those between which the
  // files are not the same.
  std::vector<int> let_through() {
    KillPlace place(before_);
    old_state_ = place.state();
    old_everything_ = place.everything();
    foreseen_ = foresee_key(place.machine, place.request, place.token);
    prepare(place);
    std::set<int> numbers;
    std::string last = place.everything();
    place.machine.arm(0);
    place.machine.at_call = [&] {
      int number = place.machine.calls;
      std::string now = place.everything();
      // With all processes dead, what the call before a change leaves is what the change before it left.
      bool is_first = numbers.empty();
      if (where_ == Where::everywhere || now != last) numbers.insert(number);
      if (now != last && (is_first || victim_ == caller)) numbers.insert(number - 1);
      last = std::move(now);
    };
    do_it(place);
    place.machine.at_call = nullptr;
    numbers.insert(place.machine.calls);
    numbers.erase(0);
    authorize_key(place.machine, place.request, place.token);
    new_state_ = place.state();
    return {numbers.begin(), numbers.end()};
  }

  void kill_at(int number) {
    KillPlace place(before_);
    prepare(place);
    place.machine.arm(number);
    do_it(place);
    place.machine.arm(0);
    INFO((act_ == Act::grant ? "grant" : "revocation") << ", killed at call " << number);
    std::string now = place.state();
    if (now != old_state_ && now != new_state_) FAIL_CHECK("neither the old nor the new file:\n" << now);
    // What was foreseen is all that a recovery has when the grant never said what it did.
    revoke_key(place.machine, place.request, foreseen_, place.token);
    if (place.everything() != old_everything_) FAIL_CHECK("after the recovery:\n" << place.everything());
  }

  const Act act_;
  const std::string before_;
  const TracedMachine::Victim victim_;
  const Where where_;
  GrantedKey foreseen_;
  std::string old_state_, new_state_, old_everything_;
};

}  // namespace

TEST_CASE("an editor that dies at any call leaves the old or the new file, and no trace once revoked", "[ssh]") {
  auto act = GENERATE(Act::grant, Act::revoke);
  std::string before = GENERATE(std::string("first\nno newline"), std::string("no file"), std::string("no folder"));
  REQUIRE(Killing(act, before, everybody, Where::at_changes).run() > 5);
}

TEST_CASE("the same when only the process that calls is killed, and the others go on", "[ssh]") {
  auto act = GENERATE(Act::grant, Act::revoke);
  REQUIRE(Killing(act, "first\nno newline", caller, Where::at_changes).run() > 10);
}

TEST_CASE("the same at every single call", "[.long]") {
  auto act = GENERATE(Act::grant, Act::revoke);
  auto victim = GENERATE(everybody, caller);
  std::string before = GENERATE(std::string("first\nno newline"), std::string("no file"), std::string("no folder"));
  WARN("killed at " << Killing(act, before, victim, Where::everywhere).run() << " calls");
}

namespace {

// A grant whose run was killed while its editor waits in one of its programs, and goes on when it is let.
class LivingEditor {
 public:
  LivingEditor(KillPlace& place, const std::string& program) : go_on_(place.folder / "go_on") {
    std::string programs = place.folder / "editors_programs", waits = place.folder / "waits";
    fs::create_directory(programs);
    fs::create_symlink("/bin/true", programs + "/find");
    for (const char* name : {"sshd", "ssh"}) fs::copy(place.folder / "programs/" + name, programs + "/" + name);
    write_text(programs + "/" + program,
               "#!/bin/sh\n: > " + waits + "\nwhile [ ! -e " + go_on_ + " ]; do sleep 0.01; done\nexec /bin/" +
                   program + " \"$@\"\n",
               0755);
    machine_.programs = programs;
    thread_ = std::thread([this, request = place.request] {
      core::CancelToken token;
      authorize_key(machine_, request, token);
    });
    while (!fs::exists(waits)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ~LivingEditor() {
    go_on();
    thread_.join();
  }
  LivingEditor(const LivingEditor&) = delete;
  LivingEditor& operator=(const LivingEditor&) = delete;
  void go_on() const { write_text(go_on_, ""); }

 private:
  std::string go_on_;
  ShellMachine machine_{"as the killed run saw it"};
  std::thread thread_;
};

}  // namespace

TEST_CASE("an editor that outlived its run, and renames after the revocation has read, leaves no line", "[ssh]") {
  // mv: its files are there, and it is about to rename. rm: it has the lock, and no file of its own yet. flock: it has
  // not even come to the lock.
  std::string program = GENERATE("mv", "rm", "flock");
  KillPlace place(GENERATE(std::string("first\n"), std::string("no file")));
  if (place.before_ == "no file" && program == "mv") return;  // a new file is linked, not moved
  std::string before = place.everything();
  GrantedKey foreseen = foresee_key(place.machine, place.request, place.token);
  {
    LivingEditor editor(place, program);
    int programs = 0;
    std::thread later;
    place.machine.before = [&](const core::ExecRequest&) {
      if (++programs != 2) return;  // after the file was read, and before anything is done about it
      later = std::thread([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        editor.go_on();
      });
    };
    bool removed = revoke_key(place.machine, place.request, foreseen, place.token);
    later.join();
    REQUIRE(removed);
  }
  REQUIRE(place.everything() == before);
}
