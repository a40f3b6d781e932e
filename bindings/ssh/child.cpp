#include "bindings/ssh/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include <chrono>

#include "host/base/error.h"

extern char** environ;

namespace drover::ssh {

namespace {

constexpr size_t most_output_bytes = 1 << 20;
constexpr size_t most_error_bytes = 16384;

void pause_ms(long delay_ms) {
  timespec delay{delay_ms / 1000, (delay_ms % 1000) * 1000000};
  nanosleep(&delay, nullptr);
}

int64_t now_ms() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

Child::Child(const std::vector<std::string>& argv, int standard_input, int standard_output)
    : errors_(memfd_create("ssh-errors", MFD_CLOEXEC)) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, standard_input, 0);
  posix_spawn_file_actions_adddup2(&actions, standard_output, 1);
  posix_spawn_file_actions_adddup2(&actions, errors_.get(), 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  for (int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&usual, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  int result = posix_spawnp(&pid_, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (result != 0) {
    pid_ = -1;
    throw Error("ssh", "NO_PROGRAM", "cannot start " + argv.front() + ": " + strerror(result))
        .on_object(argv.front())
        .with_hint("install the package openssh-client on this machine");
  }
}

Child::~Child() {
  if (pid_ < 0 || exit_code_ >= 0) return;
  if (wait(0) >= 0) return;
  kill(-pid_, SIGTERM);
  if (wait(200) >= 0) return;
  kill(-pid_, SIGKILL);
  wait(1000);
}

std::string Child::errors() const {
  std::string text(most_error_bytes, '\0');
  ssize_t size = pread(errors_.get(), text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return text;
}

int Child::wait(int64_t timeout_ms) {
  int64_t deadline_ms = now_ms() + timeout_ms;
  while (exit_code_ < 0) {
    int status = 0;
    pid_t ended = waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) {
      exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    } else if (ended < 0 && errno == ECHILD) {
      exit_code_ = 255;  // somebody else reaped it
    } else if (now_ms() >= deadline_ms) {
      return -1;
    } else {
      pause_ms(2);
    }
  }
  return exit_code_;
}

ChildResult run_child(const std::vector<std::string>& argv, int64_t timeout_ms) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw Error("ssh", "NO_RESOURCES", std::string("no pipe: ") + strerror(errno));
  UniqueFd reader(ends[0]), writer(ends[1]);
  UniqueFd nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  Child child(argv, nothing.get(), writer.get());
  writer.reset();

  ChildResult result;
  int64_t deadline_ms = now_ms() + timeout_ms;
  char buffer[8192];
  while (true) {
    pollfd wanted{reader.get(), POLLIN, 0};
    int64_t left_ms = deadline_ms - now_ms();
    if (left_ms <= 0 || poll(&wanted, 1, static_cast<int>(left_ms)) == 0) {
      throw Error("ssh", "TIMEOUT", argv.front() + " did not end in " + std::to_string(timeout_ms) + " ms")
          .on_object(argv.front());
    }
    ssize_t size = read(reader.get(), buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0 || result.output.size() > most_output_bytes) break;
    result.output.append(buffer, static_cast<size_t>(size));
  }
  result.exit_code = child.wait(std::max<int64_t>(deadline_ms - now_ms(), 100));
  result.errors = child.errors();
  return result;
}

}  // namespace drover::ssh
