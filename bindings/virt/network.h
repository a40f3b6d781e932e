// virt.Network: a virtual network. Tested by tests/bindings/virt/network_test.lua.
#pragma once

#include "bindings/virt/object_call.h"

namespace drover::virt {

struct Network {
  static constexpr const char* lua_name = "virt.Network";
  static constexpr const char* kind = "network";
  using Pointer = virNetworkPtr;
  static const char* name_of(Pointer pointer) { return virNetworkGetName(pointer); }

  Handle<Pointer> handle;
};

core::Class network_class();
std::vector<core::Function> network_methods_of_connection();

}  // namespace drover::virt
