#include "host/run/scheduler.h"

#include <algorithm>
#include <csignal>

#include "bindings/core/error_object.h"
#include "bindings/core/object.h"
#include "host/base/interrupts.h"
#include "host/lua/running_thread.h"

namespace drover {

// A Lua thread with the operation it waits for. Its results, or its error object, stay on the thread's stack.
class Task : public core::Operation {
 public:
  Task(Scheduler& scheduler, lua_State* L, std::string description)
      : Operation(std::move(description)), scheduler_(scheduler), L_(L) {
    thread_ = lua_newthread(L);
    reference_ = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  ~Task() override {
    // An operation of a thread that never ended may hold its task longer than the state lives.
    if (!*state_open_) return;
    luaL_unref(L_, LUA_REGISTRYINDEX, reference_);
    auto unheard = scheduler_.unheard_.extract(this);
    if (unheard && scheduler_.on_unheard_error) scheduler_.on_unheard_error(unheard.mapped());
  }

  // What the task waits for may end well in spite of this, or have ended just now: then the next wait is cancelled.
  void cancel() override {
    if (ready()) return;
    cancel_wanted_ = true;
    wanted_under_shield_ = scheduler_.runtime_.shielded;
    // Kept by name: the cancel may resume this very task.
    auto operation = waiting_for_;
    if (operation && !operation->ready()) operation->cancel();
  }

  bool ended_cancelled() override {
    if (!failed_ || lua_type(thread_, -1) != LUA_TTABLE) return false;
    return core::to_error(thread_, -1).code == "CANCELLED";
  }

  int push_result(lua_State* L) override {
    if (!ready()) return Operation::push_result(L);
    luaL_checkstack(L, result_count_ + 1, "task results");
    luaL_checkstack(thread_, 1, "task results");
    if (failed_) {
      scheduler_.unheard_.erase(this);
      lua_pushvalue(thread_, -1);
      lua_xmove(thread_, L, 1);
      return lua_error(L);
    }
    int first = lua_gettop(thread_) - result_count_ + 1;
    for (int i = 0; i < result_count_; ++i) {
      lua_pushvalue(thread_, first + i);
      lua_xmove(thread_, L, 1);
    }
    return result_count_;
  }

 private:
  friend class Scheduler;

  void end(bool failed, int result_count) {
    failed_ = failed;
    result_count_ = result_count;
    if (failed) {
      Error error = core::to_error(thread_, -1);
      if (error.code != "CANCELLED") scheduler_.unheard_.emplace(this, std::move(error));
    }
    finish([](lua_State*) { return 0; });
  }

  Scheduler& scheduler_;
  lua_State* L_;
  lua_State* thread_ = nullptr;
  int reference_ = LUA_NOREF;
  int argument_count_ = 0;
  int result_count_ = 0;
  bool failed_ = false;
  bool cancel_wanted_ = false;
  bool wanted_under_shield_ = false;  // wanted by what is shielded itself, as the time limit of an undo is
  std::shared_ptr<bool> state_open_ = scheduler_.state_open_;
  std::shared_ptr<core::Operation> waiting_for_;
};

Scheduler::Scheduler(lua_State* L, core::Runtime& runtime) : L_(L), runtime_(runtime) { runtime_.tasks = this; }

Scheduler::~Scheduler() {
  runtime_.tasks = nullptr;
  *state_open_ = false;
  // A task and the operation that it waits for keep each other alive; nobody will end that wait now.
  for (Task* task : std::set<Task*>(waiting_)) {
    auto operation = std::move(task->waiting_for_);
    if (operation) operation->forget_callbacks();
  }
}

std::shared_ptr<core::Operation> Scheduler::spawn(lua_State* L, int argument_count, std::string description) {
  auto task = std::make_shared<Task>(*this, L_, std::move(description));
  // run_task(function, ...) catches errors inside the coroutine, where __close may still wait.
  lua_getfield(L_, LUA_REGISTRYINDEX, "drover.run_task");
  lua_xmove(L_, task->thread_, 1);
  luaL_checkstack(task->thread_, argument_count + 2, "task arguments");
  lua_xmove(L, task->thread_, argument_count + 1);
  task->argument_count_ = argument_count + 1;
  make_ready(task);
  return task;
}

void Scheduler::make_ready(std::shared_ptr<Task> task) {
  waiting_.erase(task.get());
  ready_.push_back(std::move(task));
}

void Scheduler::resume(const std::shared_ptr<Task>& task) {
  int result_count = 0;
  int arguments = std::exchange(task->argument_count_, 0);
  if (task->waiting_for_ && task->waiting_for_->ended_cancelled()) task->cancel_wanted_ = false;  // it is told now
  task->waiting_for_.reset();
  current_ = task.get();
  int status = LUA_OK;
  {
    RunningThread now(task->thread_);
    status = lua_resume(task->thread_, L_, arguments, &result_count);
  }
  current_ = nullptr;
  if (status == LUA_YIELD) {
    auto* handle = result_count == 1 ? core::test_object<core::OperationHandle>(task->thread_, -1) : nullptr;
    std::shared_ptr<core::Operation> operation = handle != nullptr ? handle->operation : nullptr;
    lua_pop(task->thread_, result_count);
    if (operation == nullptr) {
      // A bare coroutine.yield in a playbook: nobody would ever resume it.
      core::push_error(task->thread_,
                       Error("async", "STRAY_YIELD", "a task yielded to nobody")
                           .with_hint("coroutine.yield works inside coroutine.wrap; to wait, call async.sleep"));
      task->end(true, 1);
      return;
    }
    task->waiting_for_ = operation;
    // The operation keeps its task alive: nobody else may hold a task that was spawned and forgotten.
    waiting_.insert(task.get());
    operation->when_ready([this, task]() { make_ready(task); });
    // What a shield holds back is told when it is over.
    bool due = task->cancel_wanted_ && (!runtime_.shielded || task->wanted_under_shield_);
    if (due && !operation->ready()) operation->cancel();
    return;
  }
  if (status != LUA_OK) {  // run_task itself failed: no memory, or an error in the message handler
    core::complete_error(task->thread_, task->thread_);
    task->end(true, 1);
    return;
  }
  bool ended_well = lua_toboolean(task->thread_, -result_count) != 0;
  task->end(!ended_well, ended_well ? result_count - 1 : 1);
}

bool Scheduler::stops_for_interrupt(int signal) {
  if (runtime_.shielded) {
    if (main_) main_->cancel_wanted_ = true;  // told by the first wait after the shield: what follows must not begin
    if (signal == SIGINT && on_shielded_interrupt) on_shielded_interrupt(++times_asked_);
    return false;
  }
  if (signal == SIGINT) times_asked_ = std::max(times_asked_, 1);
  if (on_interrupt && !std::exchange(interrupted_, true)) on_interrupt();
  // Another task than the main one may be lost to its spawner; the main one must hear of it in any case.
  if (main_ && current_ != main_.get()) main_->cancel();
  if (current_ != nullptr) current_->cancel_wanted_ = false;  // the error that is raised now tells it
  return true;
}

void Scheduler::handle_interrupts() {
  while (int signal = interrupts().take()) stops_for_interrupt(signal);
}

// Those of tasks that the state still holds: nobody will ask for them any more.
void Scheduler::tell_unheard_errors() {
  for (const auto& [task, error] : std::exchange(unheard_, {})) {
    if (on_unheard_error) on_unheard_error(error);
  }
}

int Scheduler::run_main(int argument_count) {
  auto main = std::static_pointer_cast<Task>(spawn(L_, argument_count, "main"));
  main_ = main;
  while (true) {
    while (!ready_.empty()) {
      auto task = std::move(ready_.front());
      ready_.pop_front();
      resume(task);
    }
    if (main->ready()) break;
    interrupts().wake_with(&runtime_.loop());
    handle_interrupts();
    if (ready_.empty()) runtime_.loop().run_once();
    handle_interrupts();
  }
  main_ = nullptr;
  unheard_.erase(main.get());  // told below
  tell_unheard_errors();
  return main->push_result(L_);
}

}  // namespace drover
