// Shows when a run's process counts as alive: this one does, a dead one does not, nor one whose number was given to
// another, nor one of before the last boot; another machine's does, for nobody here can see its death.
#include "bindings/journal/owner.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <catch2/catch.hpp>
#include <fstream>

namespace drover::journal {

namespace {

// A child that sleeps, as the owner of a run; ended at the latest with the test.
class Child {
 public:
  explicit Child(const char* name = nullptr) : owner_(this_process()) {
    int ready[2];
    REQUIRE(pipe(ready) == 0);
    owner_.pid = fork();
    if (owner_.pid == 0) {
      if (name != nullptr) prctl(PR_SET_NAME, name);
      char byte = 1;
      if (write(ready[1], &byte, 1) != 1) _exit(1);
      pause();
      _exit(0);
    }
    char byte = 0;
    REQUIRE(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
    // Field 22 of /proc/PID/stat, by the name's known length: not as owner.cpp reads it.
    std::ifstream file("/proc/" + std::to_string(owner_.pid) + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    text.erase(0, text.rfind(") ") + 2);
    for (int field = 3; field < 22; ++field) text.erase(0, text.find(' ') + 1);
    owner_.pid_started = std::stoll(text);
  }
  ~Child() { end(); }

  const Owner& owner() const { return owner_; }

  void kill_only() { kill(static_cast<pid_t>(owner_.pid), SIGKILL); }
  void end() {
    if (ended_) return;
    ended_ = true;
    kill_only();
    waitpid(static_cast<pid_t>(owner_.pid), nullptr, 0);
  }
  // Until it is a zombie.
  void await_death() {
    siginfo_t info;
    waitid(P_PID, static_cast<id_t>(owner_.pid), &info, WEXITED | WNOWAIT);
  }

 private:
  Owner owner_;
  bool ended_ = false;
};

}  // namespace

TEST_CASE("this process is alive, and names this machine and this boot") {
  Owner self = this_process();
  CHECK(is_alive(self));
  CHECK(self == this_process());
  CHECK(self.pid == getpid());
  CHECK(self.pid_started > 0);
  CHECK(self.boot_id.size() == 36);
}

TEST_CASE("a process is alive until it is killed, whether or not its parent has heard of it") {
  Child child;
  CHECK(is_alive(child.owner()));
  child.kill_only();
  child.await_death();
  CHECK_FALSE(is_alive(child.owner()));  // a zombie
  child.end();
  CHECK_FALSE(is_alive(child.owner()));
}

TEST_CASE("a name with spaces and brackets does not hide when a process began") {
  Child child(") R 1 (x");
  CHECK(is_alive(child.owner()));
}

TEST_CASE("a process of the same number that began at another time is another process") {
  Child child;
  Owner earlier = child.owner();
  earlier.pid_started -= 1;
  CHECK_FALSE(is_alive(earlier));
  earlier.pid_started = 0;
  CHECK_FALSE(is_alive(earlier));
}

TEST_CASE("what ran before the last boot is dead, and another machine's is taken for alive") {
  Owner before = this_process();
  before.boot_id = "00000000-0000-0000-0000-000000000000";
  CHECK_FALSE(is_alive(before));
  Owner elsewhere = before;
  elsewhere.machine_id = "another";
  elsewhere.pid = 1 << 30;
  CHECK(is_alive(elsewhere));
}

}  // namespace drover::journal
