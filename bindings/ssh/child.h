// A child process of the binding itself: `ssh -G` that reads the configuration, the proxy of a jump host.
// Always an argument list. It is in a process group of its own, so that Ctrl-C on the terminal does not end a
// connection that an undo still needs. The destructor ends it. Tested by tests/bindings/ssh/host_config_test.cpp.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "host/base/unique_fd.h"

namespace drover::ssh {

class Child {
 public:
  // Starts argv with these descriptors as its standard input and output. Throws NO_PROGRAM.
  Child(const std::vector<std::string>& argv, int standard_input, int standard_output);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // What it wrote to its standard error so far (kept in memory, bounded when read).
  std::string errors() const;
  // Waits until it ended or timeout_ms passed: its exit code (128 + signal), or -1.
  int wait(int64_t timeout_ms);

 private:
  pid_t pid_ = -1;
  int exit_code_ = -1;
  UniqueFd errors_;
};

struct ChildResult {
  int exit_code = 0;
  std::string output;
  std::string errors;
};

// Runs a program to its end. Throws NO_PROGRAM, TIMEOUT.
ChildResult run_child(const std::vector<std::string>& argv, int64_t timeout_ms);

}  // namespace drover::ssh
