// The edge between C++ errors and Lua error objects.
//
// An error object is a table with the metatable "drover.Error": domain, code, message, and where they are known
// native, op, host, object, hint, cause, where (the playbook's file:line), traceback, suppressed.
// tostring(e) is its one line. Tested by tests/bindings/core/edge_test.cpp.
#pragma once

#include "bindings/core/lua.h"
#include "host/base/error.h"

namespace drover::core {

inline constexpr const char* error_metatable = "drover.Error";

// Registers the metatable; once per state.
void open_errors(lua_State* L);

// Pushes the error object, with the first line outside drover's own Lua as its place.
void push_error(lua_State* L, const Error& error);

// Pushes an error object and raises it.
[[noreturn]] void raise_error(lua_State* L, const Error& error);

bool is_error_object(lua_State* L, int index);

// Replaces any other error value on the top of the stack by an error object of domain "lua";
// gives it the traceback of `thread` when it has none.
void complete_error(lua_State* L, lua_State* thread);

// The C++ form of an error object or of any other error value.
Error to_error(lua_State* L, int index);

// A message of Lua's that names a place in a chunk, with the whole path of its file. Lua keeps the last letters of a
// long one. chunk_name: as the chunk was loaded, "@/srv/web.lua".
std::string with_whole_path(const std::string& message, const std::string& chunk_name);

// "web.lua:12" of the nearest caller that is not drover's own Lua, or "".
std::string caller_place(lua_State* L);

// Runs `function` and turns a C++ exception into a raised error object. Lua's own throw passes through.
// name: of the function; nullptr when it is the second upvalue of the running closure.
int call_at_edge(lua_State* L, lua_CFunction function, const char* name);

}  // namespace drover::core
