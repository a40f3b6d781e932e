// Module "journal": the journal of runs, for stdlib and for scripts that look at it.
// Tested by tests/bindings/journal/journal_test.lua.
#pragma once

#include <string>

#include "bindings/core/module.h"

namespace drover::journal {

const core::Module& module();

// $DROVER_STATE, /var/lib/drover for root, $XDG_STATE_HOME/drover or ~/.local/state/drover else.
std::string state_folder();

}  // namespace drover::journal
