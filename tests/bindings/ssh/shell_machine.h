// This machine as a core::Machine, for tests of what is done through programs. Streams go through files in memory.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "bindings/core/machine.h"
#include "host/base/error.h"
#include "host/base/unique_fd.h"

namespace drover::ssh::test {

class ShellMachine : public core::Machine {
 public:
  explicit ShellMachine(std::string name = "localhost") : name_(std::move(name)) {}
  const std::string& name() const override { return name_; }
  bool is_local() const override { return true; }

  // Runs before each program: where a test lets somebody else act in between.
  std::function<void(const core::ExecRequest&)> before;

  // A folder whose programs come before the system's.
  std::string programs;

  core::ExecResult exec(const core::ExecRequest& request, core::CancelToken&) override {
    if (before) before(request);
    UniqueFd input(memfd_create("in", MFD_CLOEXEC)), output(memfd_create("out", MFD_CLOEXEC)),
        errors(memfd_create("err", MFD_CLOEXEC));
    if (write(input.get(), request.input.data(), request.input.size()) < 0) throw Error("test", "FAILED", "memfd");
    lseek(input.get(), 0, SEEK_SET);
    std::vector<char*> arguments;
    for (const auto& argument : request.argv) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    std::vector<std::string> variables;
    for (const auto& [key, value] : request.environment) variables.push_back(key + "=" + value);
    if (!programs.empty()) variables.push_back("PATH=" + programs + ":" + getenv("PATH"));
    pid_t pid = fork();
    if (pid == 0) {
      dup2(input.get(), 0);
      dup2(output.get(), 1);
      dup2(errors.get(), 2);
      for (auto& variable : variables) putenv(variable.data());
      execvp(arguments[0], arguments.data());
      _exit(127);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    core::ExecResult result;
    result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    result.output = contents(output.get());
    result.errors = contents(errors.get());
    return result;
  }
  std::string read_file(const std::string&, size_t, core::CancelToken&) override { return ""; }
  void write_file(const std::string&, const std::string&, uint32_t, core::CancelToken&) override {}
  std::optional<core::FileInfo> stat_file(const std::string&, core::CancelToken&) override { return std::nullopt; }

 private:
  static std::string contents(int fd) {
    off_t size = lseek(fd, 0, SEEK_END);
    std::string text(static_cast<size_t>(size), '\0');
    if (pread(fd, text.data(), text.size(), 0) != size) text.clear();
    return text;
  }
  std::string name_;
};

}  // namespace drover::ssh::test
