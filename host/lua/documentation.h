// The registration tables as Lua data: the source of help(), of the stubs in stdlib/meta and of the test that nothing
// is undocumented. Tested by tests/bindings/documented_test.lua and tests/stdlib/help_test.lua.
#pragma once

#include "bindings/core/lua.h"

namespace drover {

// documentation(function): { name, doc, errors, blocking, changes, params, returns } of a bound function; nothing for
// others.
int push_documentation(lua_State* L);

// modules(): a list of { name, doc, functions, classes }, each function as above, each class { name, doc, methods }.
int push_modules(lua_State* L);

}  // namespace drover
