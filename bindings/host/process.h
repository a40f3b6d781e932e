// One program run to its end on this machine, with its output collected.
//
// Invariants: no shell; the program has a session of its own, so no terminal to ask on and one group to end; it
// inherits descriptors 0 to 2 only; it is always reaped; its end is waited for with a bound.
// Tested by tests/bindings/host/process_test.cpp.
#pragma once

#include "bindings/core/machine.h"

namespace drover::host {

// Throws NO_PROGRAM, NO_PERMISSION, TIMEOUT, CANCELLED, OUTPUT_TOO_LARGE. `host` is the name that errors carry.
core::ExecResult run_process(const core::ExecRequest& request, const std::string& host, core::CancelToken& token);

// The path of a program: as given when it has a slash, else searched in PATH and the sbin folders, which the PATH of
// an ordinary user lacks. "" when there is none.
std::string find_program(const std::string& name);

}  // namespace drover::host
