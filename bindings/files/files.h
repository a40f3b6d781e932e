// Module "files": the few things about this machine's own files that drover itself needs: listing a folder, who may
// write a file, random bytes. What is on hosts goes through host.Machine. Tested by
// tests/bindings/files/files_test.lua.
#pragma once

#include "bindings/core/module.h"

namespace drover::files {

const core::Module& module();

}  // namespace drover::files
