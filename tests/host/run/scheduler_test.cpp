// Shows that no cancellation is lost, whatever it meets, and that a shield holds interrupts back.
#include "host/run/scheduler.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

#include "bindings/core/error_object.h"
#include "bindings/core/object.h"
#include "bindings/core/operation.h"
#include "host/base/interrupts.h"
#include "host/lua/state.h"

namespace drover {

namespace {

using core::CancelToken;
using core::OnCancel;
using core::Push;

Push nothing() {
  return [](lua_State*) { return 0; };
}

// What the stubborn work and the interrupt tell each other, so that no test leans on the clock of a busy machine.
std::atomic<bool> stubborn_began{false};
std::atomic<bool> interrupted{false};

// A piece of work that does not look at its token, as a write to the journal is: it goes on until after an interrupt.
int stubborn_work(lua_State* L) {
  stubborn_began = false;
  interrupted = false;
  return core::start_work(
      L, "stubborn",
      [](CancelToken&) {
        constexpr auto step = std::chrono::milliseconds(5);
        stubborn_began = true;
        for (int steps = 0; !interrupted && steps < 2000; ++steps) std::this_thread::sleep_for(step);
        std::this_thread::sleep_for(4 * step);  // for the interrupt to be handled
        return nothing();
      },
      OnCancel::wait);
}

// A cancel that comes before the work began does end it: then there is nothing stubborn.
int has_stubborn_begun(lua_State* L) {
  lua_pushboolean(L, stubborn_began ? 1 : 0);
  return 1;
}

int interrupt(lua_State* L) {
  interrupts().raise_from_handler(static_cast<int>(luaL_optinteger(L, 1, SIGINT)));
  interrupted = true;
  return 0;
}

struct SchedulerFixture {
  SchedulerFixture() {
    while (interrupts().take()) {
    }
    lua_State* L = state.get();
    lua_pushcfunction(L, stubborn_work);
    lua_setglobal(L, "start_stubborn");
    lua_pushcfunction(L, has_stubborn_begun);
    lua_setglobal(L, "has_stubborn_begun");
    lua_pushcfunction(L, interrupt);
    lua_setglobal(L, "interrupt");
  }
  ~SchedulerFixture() { interrupts().wake_with(nullptr); }

  // Runs code as the main task; gives its first result, or "error CODE".
  std::string run(const std::string& code) {
    lua_State* L = state.get();
    std::string preface =
        "local core = require 'drover.core' local function stubborn() core.await(start_stubborn()) end "
        "local function interrupt_the_stubborn() async.poll('10s', 1, has_stubborn_begun) interrupt() end ";
    load_text(L, preface + code, "=test");
    // As Session does it: Lua's own throw must end in a pcall.
    lua_pushcfunction(L, [](lua_State* inner) {
      auto* scheduler = static_cast<Scheduler*>(lua_touserdata(inner, 1));
      lua_remove(inner, 1);
      return scheduler->run_main(0);
    });
    lua_insert(L, -2);
    lua_pushlightuserdata(L, &scheduler);
    lua_insert(L, -2);
    std::string text;
    if (lua_pcall(L, 2, 1, 0) != LUA_OK) {
      Error error = core::to_error(L, -1);
      text = "error " + error.code + (error.code == "LUA_ERROR" ? " " + error.message : "");
    } else {
      text = luaL_tolstring(L, -1, nullptr);
    }
    lua_settop(L, 0);
    return text;
  }

  core::Runtime runtime;
  LuaState state{runtime};
  Scheduler scheduler{state.get(), runtime};
};

}  // namespace

TEST_CASE("the main task gives its results and its errors") {
  SchedulerFixture lua;
  CHECK(lua.run("async.sleep(1) return 5") == "5");
  CHECK(lua.run("errors.raise { code = 'NO_LUCK', message = 'm' }") == "error NO_LUCK");
}

TEST_CASE("the error of a task that nobody asks for is told, once; a cancellation, or what somebody heard, is not") {
  SchedulerFixture lua;
  std::vector<std::string> told;
  lua.scheduler.on_unheard_error = [&](const Error& error) { told.push_back(error.code); };
  CHECK(lua.run(R"(
    kept = async.spawn(function() errors.raise { code = 'KEPT', message = 'm' } end)
    async.spawn(function() errors.raise { code = 'FORGOTTEN', message = 'm' } end)
    async.sleep(5)
    collectgarbage()
    local heard = async.spawn(function() errors.raise { code = 'HEARD', message = 'm' } end)
    pcall(async.await, heard)
    async.spawn(function() async.sleep '20s' end):cancel()
    async.parallel({ 1 }, function() return 1 end)
    async.sleep(5)
    return 'well')") == "well");
  CHECK(told == std::vector<std::string>{"FORGOTTEN", "KEPT"});
  CHECK(lua.run("async.sleep(5) errors.raise { code = 'MAIN', message = 'm' }") == "error MAIN");
  CHECK(lua.run("kept = nil collectgarbage()") == "nil");
  CHECK(told.size() == 2);
}

TEST_CASE("an interrupt while the main task waits cancels it") {
  SchedulerFixture lua;
  CHECK(lua.run("async.spawn(function() async.sleep(5) interrupt() end) async.sleep '20s'") == "error CANCELLED");
}

TEST_CASE("an interrupt while work that cannot be cancelled runs is told at the next wait") {
  SchedulerFixture lua;
  CHECK(lua.run(R"(
    async.spawn(interrupt_the_stubborn)
    stubborn()
    reached = true
    async.sleep '20s'
    return 'went on')") == "error CANCELLED");
  CHECK(lua.run("return reached") == "true");
}

TEST_CASE("an interrupt in the very moment in which the wait ends is not lost") {
  SchedulerFixture lua;
  CHECK(lua.run(R"(
    local first = async.spawn(function() async.sleep(10) interrupt() end)
    async.await(first)
    async.sleep '20s'
    return 'went on')") == "error CANCELLED");
}

TEST_CASE("an interrupt stops a busy loop, in a task too, and in pcall") {
  SchedulerFixture lua;
  CHECK(lua.run("interrupt() while true do end") == "error CANCELLED");
  CHECK(lua.run("interrupt() while true do pcall(function() while true do end end) end") == "error CANCELLED");
  CHECK(lua.run("interrupt() coroutine.wrap(function() while true do end end)()") == "error CANCELLED");
  CHECK(lua.run(R"(
    local task = async.spawn(function() interrupt() while true do end end)
    pcall(core.await, task)
    async.sleep '20s')") == "error CANCELLED");
}

TEST_CASE("an interrupt that hits a task which nobody waits for still cancels the main one") {
  SchedulerFixture lua;
  CHECK(lua.run(R"(
    async.spawn(function() interrupt() for i = 1, 1e7 do end end)
    async.sleep '20s'
    return 'went on')") == "error CANCELLED");
}

TEST_CASE("the first interrupt that cancels something is told, once, and none that a shield holds back") {
  SchedulerFixture lua;
  int told = 0;
  lua.scheduler.on_interrupt = [&] { ++told; };
  CHECK(lua.run("return async.shield(function() interrupt() async.sleep(5) return 'whole' end)") == "whole");
  CHECK(told == 0);
  CHECK(lua.run("interrupt() async.sleep '20s'") == "error CANCELLED");
  CHECK(lua.run("interrupt() async.sleep '20s'") == "error CANCELLED");
  CHECK(told == 1);
}

TEST_CASE("a shield holds interrupts back and counts them") {
  SchedulerFixture lua;
  std::vector<int> told;
  lua.scheduler.on_shielded_interrupt = [&](int count) { told.push_back(count); };
  CHECK(lua.run(R"(
    return async.shield(function()
      interrupt()
      async.sleep(5)
      interrupt()
      for i = 1, 1e6 do end
      async.sleep(5)
      return 'whole'
    end))") == "whole");
  CHECK(told == std::vector<int>{1, 2});
}

TEST_CASE("a Ctrl-C that cancelled is counted with those that a shield holds back, but once") {
  SchedulerFixture lua;
  std::vector<int> told;
  lua.scheduler.on_shielded_interrupt = [&](int count) { told.push_back(count); };
  CHECK(lua.run("interrupt() async.sleep '20s'") == "error CANCELLED");
  CHECK(lua.run("interrupt() async.sleep '20s'") == "error CANCELLED");
  CHECK(lua.run("return async.shield(function() interrupt() async.sleep(5) return 'whole' end)") == "whole");
  CHECK(told == std::vector<int>{2});
}

TEST_CASE("SIGTERM and SIGHUP cancel, and no shield counts them") {
  SchedulerFixture lua;
  std::vector<int> told;
  lua.scheduler.on_shielded_interrupt = [&](int count) { told.push_back(count); };
  for (int signal : {SIGTERM, SIGHUP}) {
    std::string send = "interrupt(" + std::to_string(signal) + ") ";
    CHECK(lua.run(send + "async.sleep '20s'") == "error CANCELLED");
    CHECK(lua.run("return async.shield(function() " + send + send + send + "async.sleep(5) return 'whole' end)") ==
          "whole");
  }
  CHECK(told.empty());
}

TEST_CASE("what follows a shield does not begin after an interrupt") {
  SchedulerFixture lua;
  CHECK(lua.run(R"(
    async.shield(function()
      interrupt()
      async.sleep(5)
      shielded = true
    end)
    async.sleep '20s')") == "error CANCELLED");
  CHECK(lua.run("return shielded") == "true");
}

TEST_CASE("a cancellation that was not told yet waits for the end of a shield") {
  SchedulerFixture lua;
  CHECK(lua.run(R"(
    async.spawn(interrupt_the_stubborn)
    stubborn()
    async.shield(function() async.sleep(5) shielded = true end)
    async.sleep '20s')") == "error CANCELLED");
  CHECK(lua.run("return shielded") == "true");
}

TEST_CASE("a time limit acts under a shield") {
  SchedulerFixture lua;
  CHECK(lua.run("return async.shield(function() async.timeout('20ms', function() async.sleep '20s' end) end)") ==
        "error TIMEOUT");
}

TEST_CASE("two tasks wait for a third, and both go on") {
  SchedulerFixture lua;
  CHECK(lua.run(R"(
    local slow = async.spawn(function() async.sleep(10) return 7 end)
    local results = async.parallel({ 1, 2, 3 }, function() return async.await(slow) end)
    return results[1] + results[2] + results[3])") == "21");
}

TEST_CASE("cleanup of a cancelled task may wait") {
  SchedulerFixture lua;
  CHECK(lua.run(R"(
    local task = async.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() async.sleep(5) closed = true end })
      async.sleep '20s'
    end)
    async.sleep(5)
    task:cancel()
    core.pcall(async.await, task)
    return closed)") == "true");
}

TEST_CASE("a task that outlives the state does no harm") {
  auto held = [] {
    SchedulerFixture lua;
    lua.run("task = async.spawn(function() async.sleep '20s' end) async.sleep(1)");
    lua_getglobal(lua.state.get(), "task");
    return core::test_object<core::OperationHandle>(lua.state.get(), -1)->operation;
  }();
  held.reset();
  SUCCEED();
}

}  // namespace drover
