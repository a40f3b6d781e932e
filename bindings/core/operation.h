// An operation: something that blocks, seen from Lua. A bound function that would block returns one; the await in
// stdlib/prelude.lua yields it; the scheduler resumes the task when it is ready. All members belong to the main thread.
// Tested by tests/bindings/core/operation_test.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "bindings/core/cancel_token.h"
#include "bindings/core/lua.h"
#include "host/base/error.h"

namespace drover::core {

class Operation : public std::enable_shared_from_this<Operation> {
 public:
  explicit Operation(std::string description) : description_(std::move(description)) {}
  virtual ~Operation() = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  const std::string& description() const { return description_; }
  bool ready() const { return state_.index() != 0; }

  // Asks for an early end; the operation becomes ready soon, with CANCELLED unless it ended first.
  virtual void cancel() = 0;

  // Pushes the results, or throws the Error. Only when ready().
  virtual int push_result(lua_State* L);

  // Whether it is ready, and what it gives is the error CANCELLED.
  virtual bool ended_cancelled();

  // Runs callback once when ready; at once when it is already. Several may wait for one operation.
  void when_ready(std::function<void()> callback);

  // Ends it from outside, when its own end is not to be expected any more; a result that comes later is dropped.
  void end_with(Error error) { fail(std::move(error)); }

  // Calls back nobody any more: those that wait are gone.
  void forget_callbacks() { callbacks_.clear(); }

  // The bound function that began it: the `op` of its errors.
  void set_origin(std::string function) { origin_ = std::move(function); }
  // It changes something on a host: a cancel waits for its end for a while, so that the undo finds what it made.
  void set_changes() { changes_ = true; }

 protected:
  void finish(Push result);
  void fail(Error error);
  bool changes() const { return changes_; }
  // What it gave may hold a connection open, and is not kept for the one who collects this.
  void drop_result();

 private:
  void become_ready();

  std::string description_;
  std::variant<std::monostate, Push, Error> state_;
  std::string origin_;
  bool changes_ = false;
  std::vector<std::function<void()>> callbacks_;
};

// What Lua holds: a shared reference.
struct OperationHandle {
  static constexpr const char* lua_name = "drover.Operation";
  std::shared_ptr<Operation> operation;
};

// Registers the metatable with ready, result, cancel, describe.
void open_operations(lua_State* L);

void push_operation(lua_State* L, std::shared_ptr<Operation> operation);

// What becomes of the work when its operation is cancelled.
enum class OnCancel {
  abandon,  // the task goes on at once, and a result that comes later is dropped; a call that changes something, and so
            // must not land behind the back of the undo, is waited for first: up to longest_settling_ms, or a second
            // cancel
  wait,     // the work watches the token, ends early, and its own result or error is delivered
};

// Longer than any change of libvirt takes on a host that is well; a daemon that hangs must not hold a person's Ctrl-C.
constexpr uint64_t longest_settling_ms = 10000;

// Runs work on a worker thread and pushes the operation. The work never sees the Lua state; what it returns runs on
// the main thread. An Error that it throws is raised in the waiting task.
int start_work(lua_State* L, std::string description, std::function<Push(CancelToken&)> work,
               OnCancel on_cancel = OnCancel::abandon);

// An operation that is ready in delay_ms.
int start_sleep(lua_State* L, uint64_t delay_ms);

}  // namespace drover::core
