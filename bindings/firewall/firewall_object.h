// The bound methods of class "firewall.Firewall"; firewall.cpp documents and registers them.
// Tested by tests/bindings/firewall/firewall_test.lua.
#pragma once

#include <memory>

#include "bindings/core/lua.h"
#include "bindings/core/machine.h"
#include "bindings/firewall/detect.h"

namespace drover::firewall {

struct FirewallObject {
  static constexpr const char* lua_name = "firewall.Firewall";
  std::shared_ptr<core::Machine> machine;
  std::shared_ptr<Backend> backend;
  Evidence evidence;
};

int firewall_backend(lua_State* L);
int firewall_evidence(lua_State* L);
int firewall_allow(lua_State* L);
int firewall_allow_service(lua_State* L);
int firewall_forward_port(lua_State* L);
int firewall_masquerade(lua_State* L);
int firewall_probe(lua_State* L);
int firewall_revoke(lua_State* L);
int firewall_can_expire(lua_State* L);
int firewall_describe(lua_State* L);
int firewall_list(lua_State* L);
int firewall_list_marked(lua_State* L);
int firewall_remove_marked(lua_State* L);
int firewall_zones(lua_State* L);
int firewall_zone_of(lua_State* L);
int firewall_reload(lua_State* L);
int firewall_ruleset(lua_State* L);
int firewall_tostring(lua_State* L);

}  // namespace drover::firewall
