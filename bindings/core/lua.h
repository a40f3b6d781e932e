// The Lua headers, and the few stack helpers that every binding uses. Tested by tests/bindings/core/args_test.cpp.
#pragma once

#include <lua.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drover::core {

// Pushes the values of a finished piece of work; runs on the main thread; returns their number.
using Push = std::function<int(lua_State*)>;

inline void push(lua_State* L, std::string_view text) { lua_pushlstring(L, text.data(), text.size()); }
inline void push(lua_State* L, const std::string& text) { lua_pushlstring(L, text.data(), text.size()); }
inline void push(lua_State* L, const char* text) { lua_pushstring(L, text); }
inline void push(lua_State* L, bool value) { lua_pushboolean(L, value ? 1 : 0); }
inline void push(lua_State* L, int value) { lua_pushinteger(L, value); }
inline void push(lua_State* L, unsigned value) { lua_pushinteger(L, value); }
inline void push(lua_State* L, long value) { lua_pushinteger(L, value); }
inline void push(lua_State* L, unsigned long value) { lua_pushinteger(L, static_cast<lua_Integer>(value)); }
inline void push(lua_State* L, long long value) { lua_pushinteger(L, value); }
inline void push(lua_State* L, unsigned long long value) { lua_pushinteger(L, static_cast<lua_Integer>(value)); }
inline void push(lua_State* L, double value) { lua_pushnumber(L, value); }

template <class T>
void push(lua_State* L, const std::optional<T>& value) {
  if (value) {
    push(L, *value);
  } else {
    lua_pushnil(L);
  }
}

template <class T>
void push(lua_State* L, const std::vector<T>& list) {
  lua_createtable(L, static_cast<int>(list.size()), 0);
  lua_Integer index = 0;
  for (const T& item : list) {
    push(L, item);
    lua_rawseti(L, -2, ++index);
  }
}

template <class T>
void push(lua_State* L, const std::map<std::string, T>& map) {
  lua_createtable(L, 0, static_cast<int>(map.size()));
  for (const auto& [key, item] : map) {
    push(L, key);
    push(L, item);
    lua_rawset(L, -3);
  }
}

// table[name] = value, for the table on top of the stack.
template <class T>
void set_field(lua_State* L, const char* name, const T& value) {
  push(L, value);
  lua_setfield(L, -2, name);
}

}  // namespace drover::core
