#include "bindings/virt/cancellable_move.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "host/base/error.h"

namespace drover::virt {

namespace {

// Shared by the waiter and both threads: each may outlive the others when a daemon hangs.
struct State {
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
  bool cancelled = false;
  std::optional<Error> error;
};

void run_move(const std::shared_ptr<State>& state, const std::function<void()>& move) {
  std::optional<Error> error;
  try {
    move();
  } catch (const Error& failure) {
    error = failure;
  } catch (const std::exception& failure) {
    error = Error("drover", "INTERNAL", failure.what());
  }
  std::lock_guard lock(state->mutex);
  state->ended = true;
  state->error = std::move(error);
  state->changed.notify_all();
}

void abort_until_ended(const std::shared_ptr<State>& state, const std::function<void()>& abort, MoveLimits limits) {
  auto deadline = std::chrono::steady_clock::now() + limits.after_cancel;
  std::unique_lock lock(state->mutex);
  while (!state->ended && std::chrono::steady_clock::now() < deadline) {
    lock.unlock();
    try {
      abort();
    } catch (const std::exception&) {
      // No job yet, or none any more: the next round or the end of the call shows which.
    }
    lock.lock();
    state->changed.wait_for(lock, limits.between_aborts, [&] { return state->ended; });
  }
}

Error cancelled_move(const MoveSteps& steps, const std::string& what, const std::string& hint) {
  Error error = cancelled_error(steps.description);
  error.message = steps.description + ": " + what;
  return error.on_host(steps.host).with_hint(hint);
}

}  // namespace

void run_cancellable_move(const MoveSteps& steps, core::CancelToken& token, MoveLimits limits) {
  auto state = std::make_shared<State>();
  std::thread([state, move = steps.move] { run_move(state, move); }).detach();
  token.on_cancel([weak = std::weak_ptr<State>(state)] {
    if (auto alive = weak.lock()) {
      std::lock_guard lock(alive->mutex);
      alive->cancelled = true;
      alive->changed.notify_all();
    }
  });

  std::unique_lock lock(state->mutex);
  state->changed.wait(lock, [&] { return state->ended || state->cancelled; });
  if (!state->ended) {
    std::thread([state, abort = steps.abort, limits] { abort_until_ended(state, abort, limits); }).detach();
    if (!state->changed.wait_for(lock, limits.after_cancel, [&] { return state->ended; })) {
      throw cancelled_move(steps, "cancelled, but its end was not seen",
                           "it may still run or have ended: ask both hosts where the domain is");
    }
  }
  if (token.cancelled()) {
    if (!state->error) throw cancelled_move(steps, "cancelled too late, it had ended well", "the domain has moved");
    Error error = cancelled_move(steps, "cancelled", "");
    throw error.with_native(state->error->native).because(*state->error);
  }
  if (state->error) throw *state->error;
}

}  // namespace drover::virt
