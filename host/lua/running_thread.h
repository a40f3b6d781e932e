// How a signal stops Lua code that never waits. Only when one has come does the coroutine that runs get a hook, at its
// next instruction: a count hook that is always there makes every Lua instruction cost twice as much (measured: a loop
// of calls 48 ns a round without, 120 ns with it). A hook belongs to one coroutine, so the one that runs is kept here.
// Tested by tests/host/run/scheduler_test.cpp and tests/transcripts/interrupts.in.
#pragma once

#include "bindings/core/lua.h"

namespace drover {

// While it lives, `thread` is the coroutine whose instructions run. Made on the main thread around each resume.
class RunningThread {
 public:
  explicit RunningThread(lua_State* thread);
  ~RunningThread();
  RunningThread(const RunningThread&) = delete;
  RunningThread& operator=(const RunningThread&) = delete;

 private:
  lua_State* before_;
};

// Lets interrupts stop the state's code from now on, and keeps coroutine.resume and coroutine.close to the rule above.
// Call it once the standard libraries are open.
void watch_interrupts(lua_State* main);

// Before the state is closed.
void forget_interrupts(lua_State* main);

}  // namespace drover
