// virt.Interface: a network interface of a host, as netcf or udev tell libvirt. Read only here.
// Tested by tests/bindings/virt/network_test.lua.
#pragma once

#include "bindings/virt/object_call.h"

namespace drover::virt {

struct Interface {
  static constexpr const char* lua_name = "virt.Interface";
  static constexpr const char* kind = "interface";
  using Pointer = virInterfacePtr;
  static const char* name_of(Pointer pointer) { return virInterfaceGetName(pointer); }

  Handle<Pointer> handle;
};

core::Class interface_class();
std::vector<core::Function> interface_methods_of_connection();

}  // namespace drover::virt
