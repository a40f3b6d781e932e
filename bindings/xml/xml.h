// Module "xml": parse, XPath, edit, diff, serialise (pugixml). Reads and writes no file, opens no connection.
// Tested by tests/bindings/xml/.
#pragma once

#include "bindings/core/module.h"

namespace drover::xml {

const core::Module& module();

}  // namespace drover::xml
