// virt.Connection: what scripts hold of a connection, and virt.connect. Other files add methods to the class
// (each has a function `..._methods_of_connection`); module.cpp puts them together.
// Tested by tests/bindings/virt/connection_test.lua.
#pragma once

#include "bindings/core/module.h"
#include "bindings/core/object.h"
#include "bindings/virt/vir_connection.h"

namespace drover::virt {

struct Connection {
  static constexpr const char* lua_name = "virt.Connection";
  ConnectionPtr connection;
};

inline const ConnectionPtr& check_connection(lua_State* L, int index, const char* function) {
  return core::check_object<Connection>(L, index, function).connection;
}

// libvirt packs 9.0.0 as 9000000.
std::string version_text(unsigned long number);

std::vector<core::Function> connection_functions();  // virt.connect, virt.version
std::vector<core::Function> connection_methods();    // close, uri, hostname, capabilities, ...

}  // namespace drover::virt
