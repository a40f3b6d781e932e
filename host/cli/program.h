// The command line: one file per command, all listed in program.cpp. Tested by tests/transcripts.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bindings/core/runtime.h"
#include "host/base/error.h"

namespace drover {

// What scripts and people can rely on.
enum ExitCode {
  exit_done = 0,
  exit_failed = 1,          // failed, leases and undo entries taken back
  exit_usage = 2,           // wrong use; nothing was tried
  exit_needs_operator = 3,  // failed, and a person must decide something that is named
  exit_interrupted = 130,   // interrupted, taken back like a failure
};

// Options that every command takes.
struct GlobalOptions {
  bool verbose = false;
  bool json = false;
  std::string playbooks;  // --playbooks DIR
};

int run_program(int argc, char** argv);

}  // namespace drover
