// A move that somebody may cancel at any moment, also before its job exists and while the daemon does not answer.
//
// The call into libvirt runs on a thread of its own. When the token is cancelled, another thread aborts the job on the
// source again and again until the call returns: an abort before the job started finds nothing to abort (cases A12).
// After a bound the waiter gives up with CANCELLED and says that the hosts must be asked.
// Tested by tests/bindings/virt/cancellable_move_test.cpp.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "bindings/core/cancel_token.h"

namespace drover::virt {

struct MoveSteps {
  std::function<void()> move;   // blocks; throws the move's Error
  std::function<void()> abort;  // may block; its own failure does not matter
  std::string description;      // "move of domain 'web'"
  std::string host;
};

struct MoveLimits {
  std::chrono::milliseconds between_aborts{200};
  std::chrono::milliseconds after_cancel{30000};
};

// Blocks until the move ended. Throws its error; CANCELLED whenever the token was cancelled, also when the move ended
// well at the same time: an interrupt is never lost, and where the domain is, the hosts say.
void run_cancellable_move(const MoveSteps& steps, core::CancelToken& token, MoveLimits limits = {});

}  // namespace drover::virt
