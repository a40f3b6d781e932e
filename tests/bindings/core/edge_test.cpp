// Shows the edge between C++ and Lua: exceptions become error objects, Lua's own errors pass, destructors run. The last
// holds only with lua5.4-c++, in which a Lua error is a C++ exception: this test proves which library was linked.
#include <catch2/catch.hpp>
#include <stdexcept>

#include "tests/bindings/core/lua_fixture.h"

namespace drover::core {

namespace {

int alive = 0;

struct Counted {
  Counted() { ++alive; }
  ~Counted() { --alive; }
};

int throws_error(lua_State*) {
  Counted counted;
  throw Error("virt", "NO_DOMAIN", "there is no domain 'web1'")
      .on_host("kvm1")
      .on_object("web1")
      .with_hint("look at virsh list")
      .with_native("42 no domain")
      .because(Error("ssh", "AUTH_FAILED", "no key fits"));
}

int throws_standard(lua_State*) {
  Counted counted;
  throw std::runtime_error("out of cheese");
}

int raises_lua_error(lua_State* L) {
  Counted counted;
  return luaL_error(L, "raised by Lua: %d", 7);
}

int calls_lua(lua_State* L) {
  Counted counted;
  lua_call(L, lua_gettop(L) - 1, 0);
  return 0;
}

struct EdgeFixture : LuaFixture {
  EdgeFixture() {
    alive = 0;
    define<throws_error>("throws_error");
    define<throws_standard>("throws_standard");
    define<raises_lua_error>("raises_lua_error");
    define<calls_lua>("calls_lua");
  }
};

}  // namespace

TEST_CASE("an Error becomes an error object with all its fields") {
  EdgeFixture lua;
  std::string fields = lua.run(R"(
    local ok, e = pcall(throws_error)
    assert(not ok and type(e) == "table" and type(e.traceback) == "string")
    return table.concat({ e.domain, e.code, e.message, e.host, e.object, e.hint, e.native, e.op, e.cause.code,
      tostring(e.cause) }, "|"))");
  CHECK(fields ==
        "virt|NO_DOMAIN|there is no domain 'web1'|kvm1|web1|look at virsh list|42 no domain|test.function|AUTH_FAILED|"
        "no key fits");
  CHECK(alive == 0);
}

TEST_CASE("the one line of an error has the host once") {
  EdgeFixture lua;
  CHECK(lua.run("local _, e = pcall(throws_error) return tostring(e)").find("kvm1: there is no domain 'web1'") !=
        std::string::npos);
}

TEST_CASE("any other C++ exception keeps its message") {
  EdgeFixture lua;
  CHECK(lua.run("local _, e = pcall(throws_standard) return e.code .. ' ' .. e.message") ==
        "INTERNAL test.function: out of cheese");
  CHECK(alive == 0);
}

TEST_CASE("destructors run when Lua raises: lua5.4-c++ is linked") {
  EdgeFixture lua;
  CHECK(lua.run("local ok, e = pcall(raises_lua_error) return tostring(ok) .. ' ' .. e") == "false raised by Lua: 7");
  CHECK(alive == 0);
}

TEST_CASE("an error of a Lua callback passes through C++ unchanged") {
  EdgeFixture lua;
  CHECK(lua.run("local t = {} local ok, e = pcall(calls_lua, function() error(t) end) return rawequal(e, t)") ==
        "true");
  CHECK(alive == 0);
}

TEST_CASE("a coroutine's error passes, too, and it stays usable") {
  EdgeFixture lua;
  CHECK(lua.run(R"(
    local co = coroutine.create(function() local ok = pcall(throws_error) coroutine.yield(ok) throws_standard() end)
    local _, first = coroutine.resume(co)
    local ok, e = coroutine.resume(co)
    return tostring(first) .. tostring(ok) .. e.code)") == "falsefalseINTERNAL");
  CHECK(alive == 0);
}

TEST_CASE("other error values become error objects: text, plain tables, nil") {
  EdgeFixture lua;
  auto completed = [&lua](const char* value) {
    luaL_dostring(lua.L, (std::string("return ") + value).c_str());
    complete_error(lua.L, lua.L);
    CHECK(is_error_object(lua.L, -1));
    Error error = to_error(lua.L, -1);
    lua_settop(lua.L, 0);
    return error.domain + "|" + error.code + "|" + error.message + "|" + error.hint;
  };
  CHECK(completed("'x.lua:3: boom'") == "lua|LUA_ERROR|x.lua:3: boom|");
  CHECK(completed("{ code = 'NO_LUCK', message = 'none today', hint = 'wait' }") == "playbook|NO_LUCK|none today|wait");
  CHECK(completed("{ code = 'NO_LUCK' }") == "playbook|NO_LUCK|NO_LUCK|");
  CHECK(completed("{ message = 'm', domain = 'virt' }") == "virt|FAILED|m|");
  CHECK(completed("{}").find("neither message nor code") != std::string::npos);
  CHECK(completed("setmetatable({}, { __tostring = function() return 'own text' end })") == "lua|LUA_ERROR|own text|");
  CHECK(completed("nil") == "lua|LUA_ERROR|nil|");
}

}  // namespace drover::core
