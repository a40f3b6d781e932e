// The Lua class "host.Machine": programs and files of a machine, local or over SSH.
// What it does beyond exec and whole files it does with constant programs, so it is the same on every machine.
// Tested by tests/bindings/host/machine_test.lua.
#pragma once

#include <memory>

#include "bindings/core/machine.h"
#include "bindings/core/module.h"

namespace drover::host {

// The class, for module "host" and for tests.
const core::Class& machine_class();

// Pushes a machine; registers the class when no module did yet (module "ssh" may load before module "host").
void push_machine(lua_State* L, std::shared_ptr<core::Machine> machine);

// The machine of the userdata at index. Throws BAD_ARGUMENT, and CLOSED after close().
std::shared_ptr<core::Machine> check_machine(lua_State* L, int index, const char* function, const char* name = "self");

}  // namespace drover::host
