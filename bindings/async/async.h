// Module "async": sleeping, tasks, clocks. The rest of it (parallel, timeout, shield) is stdlib/async.lua.
// Tested by tests/stdlib/async_test.lua.
#pragma once

#include "bindings/core/module.h"

namespace drover::async {

const core::Module& module();

}  // namespace drover::async
