#include "bindings/async/async.h"

#include <chrono>

#include "bindings/core/args.h"
#include "bindings/core/runtime.h"

namespace drover::async {

namespace {

using core::Args;
using core::Runtime;

// A day: a longer sleep in a playbook is a mistake in its units.
constexpr int64_t longest_sleep_ms = 24LL * 3600 * 1000;

int sleep_ms(lua_State* L) {
  Args args(L, "async.sleep_ms");
  return core::start_sleep(L, static_cast<uint64_t>(args.integer(1, "delay_ms", 0, longest_sleep_ms)));
}

int spawn(lua_State* L) {
  Args args(L, "async.spawn");
  args.function(1, "function");
  Runtime& runtime = Runtime::of(L);
  if (runtime.tasks == nullptr) throw Error("async", "NO_SCHEDULER", "tasks need drover's scheduler");
  int arguments = lua_gettop(L) - 1;
  auto task = runtime.tasks->spawn(L, arguments, "task");
  core::push_operation(L, std::move(task));
  return 1;
}

int monotonic_ms(lua_State* L) {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  core::push(L, static_cast<int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()));
  return 1;
}

int wall_ms(lua_State* L) {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  core::push(L, static_cast<int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()));
  return 1;
}

int set_shield(lua_State* L) {
  Args args(L, "async.set_shield");
  Runtime& runtime = Runtime::of(L);
  bool before = runtime.shielded;
  runtime.shielded = args.boolean(1, "on");
  core::push(L, before);
  return 1;
}

}  // namespace

const core::Module& module() {
  static const core::Module definition{
      "async",
      "Tasks, sleeping and clocks.",
      {
          {"sleep_ms",
           sleep_ms,
           "Lets a time pass; async.sleep takes it as people write it.",
           {{"delay_ms", "integer", "Milliseconds, at most a day."}},
           {},
           "BAD_ARGUMENT, CANCELLED",
           core::Blocking::yes},
          {"spawn",
           spawn,
           "Runs a function as a task of its own and returns its operation; async.await(operation) gives its results.",
           {{"body", "function", "What to run."}, {"...", "any", "Its arguments."}},
           {{"task", "drover.Operation", ""}},
           "BAD_ARGUMENT"},
          {"monotonic_ms", monotonic_ms, "A clock that never jumps, in milliseconds.", {}, {{"now_ms", "integer", ""}}},
          {"wall_ms", wall_ms, "Milliseconds since 1970 in UTC.", {}, {{"now_ms", "integer", ""}}},
          {"set_shield",
           set_shield,
           "Holds interrupts back while on; used by the undo of a run. Prefer async.shield(function).",
           {{"on", "boolean", "Whether interrupts are held back."}},
           {{"before", "boolean", "The value it had."}},
           "BAD_ARGUMENT"},
      },
      {}};
  return definition;
}

}  // namespace drover::async
