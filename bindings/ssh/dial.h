// The byte stream under an SSH session: a TCP connection, or the standard input and output of a proxy program.
// Made here and not by libssh, so that "does not resolve", "refused", "no route" and "no answer" are told apart,
// every wait has an end, and a cancel is heard. Tested by tests/bindings/ssh/session_test.cpp.
#pragma once

#include <memory>

#include "bindings/core/cancel_token.h"
#include "bindings/ssh/child.h"
#include "bindings/ssh/host_config.h"
#include "host/base/unique_fd.h"

namespace drover::ssh {

struct Stream {
  UniqueFd fd;  // non-blocking
  std::unique_ptr<Child> proxy;
};

// Throws NO_NAME, NO_CONNECTION, NO_PROGRAM, CANCELLED.
Stream dial(const HostConfig& host, core::CancelToken& token);

}  // namespace drover::ssh
