// The bound functions of module "ssh"; ssh.cpp lists and documents them. Tested by tests/bindings/ssh/ssh_test.lua.
#pragma once

#include "bindings/core/lua.h"

namespace drover::ssh {

// ssh_connect.cpp
int connect(lua_State* L);
int host_key(lua_State* L);
int find_known_host(lua_State* L);
int add_known_host(lua_State* L);

// ssh_forward.cpp
int forward_unix(lua_State* L);
int forward_tcp(lua_State* L);
int forward_close(lua_State* L);
int forward_local_address(lua_State* L);
int forward_status(lua_State* L);
int forward_tostring(lua_State* L);

// ssh_keys.cpp
int generate_key(lua_State* L);
int key_public_line(lua_State* L);
int key_fingerprint(lua_State* L);
int key_type(lua_State* L);
int key_tostring(lua_State* L);
int key_write_private(lua_State* L);
int remove_private(lua_State* L);
int authorize(lua_State* L);
int revoke(lua_State* L);
int foresee_authorize(lua_State* L);
int probe_authorized(lua_State* L);
int format_key_line(lua_State* L);
int parse_key(lua_State* L);

}  // namespace drover::ssh
