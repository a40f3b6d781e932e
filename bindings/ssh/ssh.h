// Module "ssh": machines over SSH, host keys, key pairs, authorized_keys, forwarding.
// Tested by tests/bindings/ssh/.
#pragma once

#include "bindings/core/module.h"

namespace drover::ssh {

const core::Module& module();

}  // namespace drover::ssh
