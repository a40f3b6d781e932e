// Module "journal": the journal of runs, for stdlib and for scripts that look at it.
// Tested by tests/bindings/journal/journal_test.lua.
#pragma once

#include "bindings/core/module.h"

namespace drover::journal {

const core::Module& module();

}  // namespace drover::journal
