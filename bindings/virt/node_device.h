// The devices of a host, as a list of names. Tested by tests/bindings/virt/network_test.lua.
#pragma once

#include "bindings/core/module.h"

namespace drover::virt {

std::vector<core::Function> node_device_methods_of_connection();

}  // namespace drover::virt
