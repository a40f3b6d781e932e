// Module "terminal": what the screen is, and writing to it at once. Tested by tests/transcripts.
#pragma once

#include "bindings/core/module.h"

namespace drover::terminal {

const core::Module& module();

}  // namespace drover::terminal
