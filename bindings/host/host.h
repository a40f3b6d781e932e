// Module "host": the machine that drover runs on, and class "host.Machine" for any machine. stdlib/host.lua puts
// host objects, with libvirt and the firewall, on top. Tested by tests/bindings/host.
#pragma once

#include "bindings/core/module.h"

namespace drover::host {

const core::Module& module();

}  // namespace drover::host
