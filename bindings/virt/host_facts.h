// Methods of virt.Connection about the host and its hypervisor.
#pragma once

#include "bindings/core/module.h"

namespace drover::virt {

std::vector<core::Function> host_methods_of_connection();  // names, versions, node, memory
std::vector<core::Function> cpu_methods_of_connection();   // capabilities, CPU comparison

}  // namespace drover::virt
