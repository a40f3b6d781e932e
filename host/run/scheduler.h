// Runs Lua functions as tasks on one thread: a task yields an operation and goes on when it is ready.
// Tested by tests/stdlib/async_test.lua and tests/host/run/scheduler_test.cpp.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "bindings/core/runtime.h"

namespace drover {

class Task;

class Scheduler : public core::TaskRunner {
 public:
  Scheduler(lua_State* L, core::Runtime& runtime);
  ~Scheduler() override;

  std::shared_ptr<core::Operation> spawn(lua_State* L, int argument_count, std::string description) override;

  // Takes a function and its arguments from the top of the state's stack, runs it as the main task until it ends,
  // and pushes its results; returns their number. Throws the task's error. An interrupt cancels this task.
  int run_main(int argument_count);

  bool stops_for_interrupt(int signal) override;

  // Called with the error that ended a task whose result nobody asked for: when the task is forgotten, and at the end
  // of run_main for the others. A cancellation is no error.
  std::function<void(const Error&)> on_unheard_error;

  // Called for the first interrupt that cancels something.
  std::function<void()> on_interrupt;

  // Called for each SIGINT that comes while the runtime is shielded, with how many times a person has asked by now:
  // those that cancelled something before count as one. Who closes a terminal or shuts a machine down sends SIGHUP and
  // SIGTERM several times, and means an end, not one without an undo: these are not told.
  std::function<void(int)> on_shielded_interrupt;

 private:
  friend class Task;
  void make_ready(std::shared_ptr<Task> task);
  void resume(const std::shared_ptr<Task>& task);
  void handle_interrupts();
  void tell_unheard_errors();

  lua_State* L_;
  core::Runtime& runtime_;
  std::shared_ptr<bool> state_open_ = std::make_shared<bool>(true);
  std::deque<std::shared_ptr<Task>> ready_;
  std::set<Task*> waiting_;         // each is kept alive by the operation that it waits for
  std::map<Task*, Error> unheard_;  // how tasks ended whose result nobody asked for
  std::shared_ptr<Task> main_;
  Task* current_ = nullptr;
  bool interrupted_ = false;
  int times_asked_ = 0;
};

}  // namespace drover
