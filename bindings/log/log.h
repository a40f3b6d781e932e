// Module "log": a playbook's own lines in drover's log. Tested by tests/stdlib/log_test.lua.
#pragma once

#include "bindings/core/module.h"

namespace drover::log_module {

const core::Module& module();

}  // namespace drover::log_module
