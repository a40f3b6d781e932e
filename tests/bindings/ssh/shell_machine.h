// This machine as a core::Machine, for tests of what is done through programs. Streams go through files in memory.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
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
    // Not fork: that copies the memory of the sanitizers with each of thousands of programs.
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, output.get(), 1);
    posix_spawn_file_actions_adddup2(&actions, errors.get(), 2);
    std::vector<std::string> variables = environment_of(request);
    std::vector<char*> environment;
    for (std::string& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    std::string own = programs + "/" + request.argv[0];
    const char* program = !programs.empty() && access(own.c_str(), X_OK) == 0 ? own.c_str() : arguments[0];
    pid_t pid = 0;
    int failed = posix_spawnp(&pid, program, &actions, nullptr, arguments.data(), environment.data());
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) throw Error("test", "FAILED", request.argv[0] + ": " + strerror(failed));
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
  // The test's own, with what the request and programs say instead.
  std::vector<std::string> environment_of(const core::ExecRequest& request) const {
    std::vector<std::string> list;
    for (const auto& [key, value] : request.environment) list.push_back(key + "=" + value);
    if (!programs.empty()) list.push_back("PATH=" + programs + ":" + getenv("PATH"));
    size_t said = list.size();
    for (char** variable = environ; *variable != nullptr; ++variable) {
      std::string text = *variable, start = text.substr(0, text.find('=') + 1);
      bool again = false;
      for (size_t i = 0; i < said; ++i) again = again || list[i].compare(0, start.size(), start) == 0;
      if (!again) list.push_back(std::move(text));
    }
    return list;
  }
  static std::string contents(int fd) {
    off_t size = lseek(fd, 0, SEEK_END);
    std::string text(static_cast<size_t>(size), '\0');
    if (pread(fd, text.data(), text.size(), 0) != size) text.clear();
    return text;
  }
  std::string name_;
};

}  // namespace drover::ssh::test
