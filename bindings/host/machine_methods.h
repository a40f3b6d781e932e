// The bound functions of class "host.Machine"; machine_object.cpp documents and registers them.
// Tested by tests/bindings/host/machine_test.lua.
#pragma once

#include "bindings/core/lua.h"

namespace drover::host {

int machine_exec(lua_State* L);
int machine_query(lua_State* L);
int machine_read_file(lua_State* L);
int machine_write_file(lua_State* L);
int machine_stat(lua_State* L);
int machine_remove_file(lua_State* L);
int machine_make_directory(lua_State* L);
int machine_remove_directory(lua_State* L);
int machine_temp_directory(lua_State* L);
int machine_disk_space(lua_State* L);
int machine_facts(lua_State* L);
int machine_resolve(lua_State* L);
int machine_name(lua_State* L);
int machine_is_local(lua_State* L);
int machine_close(lua_State* L);
int machine_tostring(lua_State* L);

}  // namespace drover::host
