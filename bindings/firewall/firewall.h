// Module "firewall": one interface to the firewall of a host, whichever runs there. Tested by tests/bindings/firewall.
#pragma once

#include "bindings/core/module.h"

namespace drover::firewall {

const core::Module& module();

}  // namespace drover::firewall
