// Bulk statistics: all domains of a host in one call. Tested by tests/bindings/virt/statistics_test.lua and the lab.
#pragma once

#include "bindings/core/module.h"

namespace drover::virt {

std::vector<core::Function> statistics_methods_of_connection();
std::vector<core::Function> statistics_methods_of_domain();

}  // namespace drover::virt
