// What a Lua state has around it: the event loop, the worker threads, the tasks. Found from any lua_State.
// Tested by tests/bindings/core/operation_test.cpp and tests/host/run/scheduler_test.cpp.
#pragma once

#include <atomic>
#include <memory>

#include "bindings/core/operation.h"
#include "host/base/event_loop.h"
#include "host/base/worker_pool.h"

namespace drover::core {

// Starts tasks; implemented by the scheduler (host/run).
class TaskRunner {
 public:
  virtual ~TaskRunner() = default;
  // Takes a function and argument_count arguments from the top of L and runs them as a task of their own.
  // The operation's result is the function's result.
  virtual std::shared_ptr<Operation> spawn(lua_State* L, int argument_count, std::string description) = 0;
  // That signal came while Lua ran. True when what runs must stop with CANCELLED; false under a shield.
  virtual bool stops_for_interrupt(int signal) = 0;
};

class Runtime {
 public:
  // Made on first use: a script that never waits needs neither.
  EventLoop& loop() {
    if (!loop_) loop_ = std::make_unique<EventLoop>();
    return *loop_;
  }
  EventLoop* loop_if_made() { return loop_.get(); }
  WorkerPool& workers() {
    if (!workers_) workers_ = std::make_unique<WorkerPool>();
    return *workers_;
  }
  WorkerPool* workers_if_made() { return workers_.get(); }

  TaskRunner* tasks = nullptr;
  // While set, an interrupt does not cancel: the undo of a run goes on (the scheduler tells the person so).
  bool shielded = false;

  static Runtime& of(lua_State* L) { return **static_cast<Runtime**>(lua_getextraspace(L)); }
  // Before any thread of the state is made: new threads copy it.
  void attach(lua_State* L) { *static_cast<Runtime**>(lua_getextraspace(L)) = this; }

 private:
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<WorkerPool> workers_;
};

}  // namespace drover::core
