// This machine as a core::Machine whose programs are traced: one of their system calls, counted over all of their
// processes, is the last thing that one of them, or all of them, begin. For tests of what a kill -9 or a power cut
// leaves at any instant.
#pragma once

#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include <map>

#include "tests/bindings/ssh/shell_machine.h"

namespace drover::ssh::test {

class TracedMachine : public ShellMachine {
 public:
  enum class Victim { caller, everybody };  // who dies: the process that calls, or all of them, as in a power cut

  // Only the programs that have this word are traced.
  std::string traced_word;
  Victim victim = Victim::everybody;
  // Count every call, and not only those that change something or that another process waits for. Between two of
  // these the files are the same, so killing there shows nothing new.
  bool every_call = false;

  // Once, at the call of that number from now on; 0: never.
  void arm(int number) {
    kill_at_ = number;
    calls = 0;
  }
  int calls = 0;                  // how many there were since
  std::function<void()> at_call;  // is told of each, before it is done

  core::ExecResult exec(const core::ExecRequest& request, core::CancelToken& token) override {
    for (const std::string& word : request.argv) {
      if (word == traced_word) return exec_traced(request);
    }
    return ShellMachine::exec(request, token);
  }

 private:
  core::ExecResult exec_traced(const core::ExecRequest& request) {
    UniqueFd input(memfd_create("in", MFD_CLOEXEC)), output(memfd_create("out", MFD_CLOEXEC)),
        errors(memfd_create("err", MFD_CLOEXEC));
    if (write(input.get(), request.input.data(), request.input.size()) < 0) throw Error("test", "FAILED", "memfd");
    lseek(input.get(), 0, SEEK_SET);
    std::vector<char*> arguments;
    for (const auto& argument : request.argv) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    pid_t pid = fork();
    if (pid == 0) {
      dup2(input.get(), 0);
      dup2(output.get(), 1);
      dup2(errors.get(), 2);
      setenv("LC_ALL", "C", 1);
      if (!programs.empty()) setenv("PATH", (programs + ":" + getenv("PATH")).c_str(), 1);
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      raise(SIGSTOP);
      execvp(arguments[0], arguments.data());
      _exit(127);
    }
    core::ExecResult result;
    int status = follow(pid);
    result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    result.output = text_of(output.get());
    result.errors = text_of(errors.get());
    return result;
  }

  // Until every process that was traced has ended; gives the status of the first one.
  int follow(pid_t first) {
    constexpr long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                             PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    std::map<pid_t, bool> inside;  // whether it is inside a call
    int status = 0, first_status = 0;
    waitpid(first, &status, 0);
    ptrace(PTRACE_SETOPTIONS, first, nullptr, options);
    inside[first] = false;
    ptrace(PTRACE_SYSCALL, first, nullptr, nullptr);
    // A child of one that was killed may not have shown itself yet: until there is nobody left to wait for.
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
      if (WIFEXITED(status) || WIFSIGNALED(status)) {
        if (pid == first) first_status = status;
        inside.erase(pid);
        continue;
      }
      bool is_new = inside.find(pid) == inside.end();
      if (is_new && victim == Victim::everybody && kill_at_ > 0 && calls >= kill_at_) kill(pid, SIGKILL);
      bool& is_inside = inside[pid];
      long signal = 0;
      if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
        is_inside = !is_inside;
        if (is_inside && counts(pid)) {
          ++calls;
          if (at_call) at_call();
          for (const auto& [other, unused] : inside) {
            if (calls == kill_at_ && (victim == Victim::everybody || other == pid)) kill(other, SIGKILL);
          }
        }
      } else if (status >> 16 == 0 && !(is_new && WSTOPSIG(status) == SIGSTOP)) {
        signal = WSTOPSIG(status);
      }
      ptrace(PTRACE_SYSCALL, pid, nullptr, signal);
    }
    return first_status;
  }

  bool counts(pid_t pid) const {
    if (every_call) return true;
    user_regs_struct registers{};
    if (ptrace(PTRACE_GETREGS, pid, nullptr, &registers) != 0) return false;
    switch (static_cast<long>(registers.orig_rax)) {
      case SYS_openat:
        return (registers.rdx & (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR)) != 0;
      case SYS_open:
        return (registers.rsi & (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR)) != 0;
      case SYS_write:
      case SYS_copy_file_range:
      case SYS_fallocate:
      case SYS_ftruncate:
      case SYS_fsync:
      case SYS_flock:
      case SYS_mkdir:
      case SYS_mkdirat:
      case SYS_rmdir:
      case SYS_link:
      case SYS_linkat:
      case SYS_unlink:
      case SYS_unlinkat:
      case SYS_rename:
      case SYS_renameat:
      case SYS_renameat2:
      case SYS_chmod:
      case SYS_fchmod:
      case SYS_fchmodat:
      case SYS_chown:
      case SYS_fchown:
      case SYS_lchown:
      case SYS_fchownat:
      case SYS_utimensat:
      case SYS_setxattr:
      case SYS_fsetxattr:
      case SYS_lsetxattr:
      case SYS_execve:
      case SYS_fork:
      case SYS_vfork:
      case SYS_clone:
      case SYS_wait4:
      case SYS_exit_group:
        return true;
      default:
        return false;
    }
  }

  int kill_at_ = 0;

  static std::string text_of(int fd) {
    off_t size = lseek(fd, 0, SEEK_END);
    std::string text(static_cast<size_t>(size), '\0');
    if (pread(fd, text.data(), text.size(), 0) != size) text.clear();
    return text;
  }
};

}  // namespace drover::ssh::test
