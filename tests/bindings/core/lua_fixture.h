// A bare Lua state with drover's errors and operations, for tests of the edge between C++ and Lua.
#pragma once

#include <memory>
#include <string>

#include "bindings/core/error_object.h"
#include "bindings/core/operation.h"
#include "bindings/core/runtime.h"

namespace drover::core {

struct LuaFixture {
  LuaFixture() : L(luaL_newstate()) {
    runtime.attach(L);
    luaL_openlibs(L);
    open_errors(L);
    open_operations(L);
  }
  ~LuaFixture() { lua_close(L); }

  // Makes a global of a C++ function behind the edge.
  template <int (*function)(lua_State*)>
  void define(const char* name) {
    lua_pushcfunction(L, [](lua_State* state) { return call_at_edge(state, function, "test.function"); });
    lua_setglobal(L, name);
  }

  // Runs code that must not fail; gives its result as text.
  std::string run(const std::string& code) {
    if (luaL_dostring(L, code.c_str()) != LUA_OK) {
      Error error = to_error(L, -1);
      lua_settop(L, 0);
      throw error;
    }
    size_t size = 0;
    const char* result = lua_gettop(L) > 0 ? luaL_tolstring(L, -1, &size) : "";
    std::string text(result, size);
    lua_settop(L, 0);
    return text;
  }

  // Runs code that must fail; gives its error.
  Error fails(const std::string& code) {
    try {
      run(code);
    } catch (const Error& error) {
      return error;
    }
    return Error("test", "NO_ERROR", "nothing was raised by: " + code);
  }

  Runtime runtime;
  lua_State* L;
};

}  // namespace drover::core
