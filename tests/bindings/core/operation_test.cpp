// Shows what becomes of work on other threads: its result, its error, its cancellation.
#include "bindings/core/operation.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "bindings/core/object.h"
#include "tests/bindings/core/lua_fixture.h"

namespace drover::core {

namespace {

using namespace std::chrono_literals;

struct OperationFixture : LuaFixture {
  std::shared_ptr<Operation> start(std::function<Push(CancelToken&)> work, OnCancel on_cancel = OnCancel::abandon) {
    start_work(L, "the work", std::move(work), on_cancel);
    auto operation = check_object<OperationHandle>(L, -1, "test").operation;
    lua_settop(L, 0);
    return operation;
  }

  void wait(const std::shared_ptr<Operation>& operation) {
    auto limit = std::chrono::steady_clock::now() + 10s;
    while (!operation->ready() && std::chrono::steady_clock::now() < limit) {
      runtime.loop().poll();
      std::this_thread::sleep_for(1ms);
    }
    REQUIRE(operation->ready());
  }

  std::string error_of(const std::shared_ptr<Operation>& operation) {
    try {
      operation->push_result(L);
    } catch (const Error& error) {
      return error.code + " " + error.message;
    }
    return "no error";
  }
};

Push number(int value) {
  return [value](lua_State* L) {
    push(L, value);
    return 1;
  };
}

}  // namespace

TEST_CASE("the result of work is there when the loop ran") {
  OperationFixture lua;
  auto operation = lua.start([](CancelToken&) { return number(7); });
  CHECK(lua.error_of(operation).find("NOT_READY") == 0);
  lua.wait(operation);
  CHECK(operation->push_result(lua.L) == 1);
  CHECK(lua_tointeger(lua.L, -1) == 7);
  CHECK_FALSE(operation->ended_cancelled());
}

TEST_CASE("a result is taken once, and what it holds is let go then, not when the operation is collected") {
  OperationFixture lua;
  auto held = std::make_shared<int>(7);
  auto operation = lua.start([held](CancelToken&) -> Push {
    return [held](lua_State* L) {
      push(L, *held);
      return 1;
    };
  });
  lua.wait(operation);
  CHECK(held.use_count() > 1);
  operation->push_result(lua.L);
  CHECK(held.use_count() == 1);
  CHECK(lua.error_of(operation).find("TAKEN") == 0);
}

TEST_CASE("errors of work are raised where it is waited for") {
  OperationFixture lua;
  auto operation = lua.start([](CancelToken&) -> Push { throw Error("virt", "NO_DOMAIN", "gone"); });
  operation->set_origin("virt.test");
  lua.wait(operation);
  CHECK(lua.error_of(operation) == "NO_DOMAIN gone");
  try {
    operation->push_result(lua.L);
  } catch (const Error& error) {
    CHECK(error.op == "virt.test");
  }
  auto other = lua.start([](CancelToken&) -> Push { throw std::runtime_error("boom"); });
  lua.wait(other);
  CHECK(lua.error_of(other) == "INTERNAL boom");
}

TEST_CASE("abandoned work is cancelled at once, and its late result is dropped") {
  OperationFixture lua;
  std::atomic<bool> begun{false}, release{false}, ended{false};
  auto operation = lua.start([&](CancelToken&) {
    begun = true;
    while (!release) std::this_thread::sleep_for(1ms);
    ended = true;
    return number(1);
  });
  int told = 0;
  operation->when_ready([&] { ++told; });
  while (!begun) std::this_thread::sleep_for(1ms);
  operation->cancel();
  CHECK(operation->ready());
  CHECK(operation->ended_cancelled());
  CHECK(lua.error_of(operation).find("CANCELLED") == 0);
  release = true;
  while (!ended || lua.runtime.workers().pending() > 0) std::this_thread::sleep_for(1ms);
  lua.runtime.loop().poll();
  CHECK(lua.error_of(operation).find("CANCELLED") == 0);
  CHECK(told == 1);
}

TEST_CASE("work that changes something is waited for when it is cancelled") {
  OperationFixture lua;
  std::atomic<bool> begun{false}, release{false};
  auto operation = lua.start([&](CancelToken&) {
    begun = true;
    while (!release) std::this_thread::sleep_for(1ms);
    return number(1);
  });
  operation->set_changes();
  while (!begun) std::this_thread::sleep_for(1ms);
  operation->cancel();
  lua.runtime.loop().poll();
  CHECK_FALSE(operation->ready());
  release = true;
  lua.wait(operation);
  CHECK_FALSE(operation->ended_cancelled());
  CHECK(operation->push_result(lua.L) == 1);
}

TEST_CASE("a second cancel gives up on work that changes something, and says that it may still happen") {
  OperationFixture lua;
  std::atomic<bool> begun{false}, release{false};
  auto operation = lua.start([&](CancelToken&) {
    begun = true;
    while (!release) std::this_thread::sleep_for(1ms);
    return number(1);
  });
  operation->set_changes();
  while (!begun) std::this_thread::sleep_for(1ms);
  operation->cancel();
  CHECK_FALSE(operation->ready());
  operation->cancel();
  CHECK(operation->ended_cancelled());
  CHECK(lua.error_of(operation).find("may still do it") != std::string::npos);
  release = true;
  while (lua.runtime.workers().pending() > 0) std::this_thread::sleep_for(1ms);
  lua.runtime.loop().poll();
  CHECK(operation->ended_cancelled());
}

TEST_CASE("work that watches its token ends itself, and its own end counts") {
  OperationFixture lua;
  auto watching = [](CancelToken& token) -> Push {
    while (!token.cancelled()) std::this_thread::sleep_for(1ms);
    return number(3);
  };
  auto operation = lua.start(watching, OnCancel::wait);
  std::this_thread::sleep_for(5ms);
  operation->cancel();
  CHECK_FALSE(operation->ready());
  lua.wait(operation);
  CHECK_FALSE(operation->ended_cancelled());
  CHECK(operation->push_result(lua.L) == 1);
}

TEST_CASE("a cancel handler runs once, also when it comes too late") {
  CancelToken token;
  int calls = 0;
  token.on_cancel([&] { ++calls; });
  token.cancel();
  token.cancel();
  CHECK(calls == 1);
  token.on_cancel([&] { ++calls; });
  CHECK(calls == 2);
  CHECK_THROWS_AS(token.throw_if_cancelled("x"), Error);
}

TEST_CASE("several may wait for one operation") {
  OperationFixture lua;
  auto operation = lua.start([](CancelToken&) { return number(7); });
  int told = 0;
  operation->when_ready([&] { ++told; });
  operation->when_ready([&] { ++told; });
  lua.wait(operation);
  operation->when_ready([&] { ++told; });
  CHECK(told == 3);
}

TEST_CASE("a sleep ends in time, or when it is cancelled") {
  OperationFixture lua;
  start_sleep(lua.L, 5);
  auto nap = check_object<OperationHandle>(lua.L, -1, "test").operation;
  lua.wait(nap);
  CHECK(nap->push_result(lua.L) == 0);
  start_sleep(lua.L, 60000);
  auto night = check_object<OperationHandle>(lua.L, -1, "test").operation;
  night->cancel();
  CHECK(night->ended_cancelled());
}

TEST_CASE("from Lua an operation tells whether it is ready, what it is, and gives its result") {
  OperationFixture lua;
  start_sleep(lua.L, 1);
  lua_setglobal(lua.L, "nap");
  CHECK(lua.run("return tostring(nap:ready()) .. nap:describe()") == "falsesleep");
  CHECK(lua.fails("nap.ready(5)").message.find("expected a drover.Operation, got number 5") != std::string::npos);
  lua.run("nap:cancel()");
  CHECK(lua.fails("nap:result()").code == "CANCELLED");
}

}  // namespace drover::core
