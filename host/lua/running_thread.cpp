#include "host/lua/running_thread.h"

#include <atomic>

#include "bindings/core/error_object.h"
#include "bindings/core/runtime.h"
#include "host/base/interrupts.h"

namespace drover {

namespace {

// Read by a signal handler.
std::atomic<lua_State*> running{nullptr};
static_assert(std::atomic<lua_State*>::is_always_lock_free);

void take_interrupt(lua_State* L, lua_Debug*) {
  int signal = interrupts().take();
  if (!interrupts().pending()) lua_sethook(L, nullptr, 0, 0);
  if (signal == 0) return;
  core::Runtime& runtime = core::Runtime::of(L);
  bool stops = runtime.tasks != nullptr ? runtime.tasks->stops_for_interrupt(signal) : !runtime.shielded;
  if (stops) core::raise_error(L, cancelled_error("interrupted"));
}

// lua_sethook is the one function of Lua that a signal handler may call (Lua 5.4 manual, 4.7).
void hook_running() {
  if (lua_State* L = running.load()) lua_sethook(L, take_interrupt, LUA_MASKCOUNT, 1);
}

void set_running(lua_State* thread) {
  running.store(thread);
  // An interrupt that came while another coroutine ran, or just before the line above.
  if (interrupts().pending()) hook_running();
}

// Upvalue: the function of the standard library, whose first argument is a coroutine.
int call_with_thread(lua_State* L) {
  lua_CFunction function = lua_tocfunction(L, lua_upvalueindex(1));
  lua_State* thread = lua_tothread(L, 1);
  if (thread == nullptr) return function(L);  // it tells what is wrong
  RunningThread now(thread);
  return function(L);
}

}  // namespace

RunningThread::RunningThread(lua_State* thread) : before_(running.load()) { set_running(thread); }

RunningThread::~RunningThread() { set_running(before_); }

void watch_interrupts(lua_State* main) {
  lua_getglobal(main, LUA_COLIBNAME);
  for (const char* name : {"resume", "close"}) {
    lua_getfield(main, -1, name);
    lua_pushcclosure(main, call_with_thread, 1);
    lua_setfield(main, -2, name);
  }
  lua_pop(main, 1);
  interrupts().call(hook_running);
  set_running(main);
}

void forget_interrupts(lua_State* main) {
  if (running.load() == main) running.store(nullptr);
}

}  // namespace drover
