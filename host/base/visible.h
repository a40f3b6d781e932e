// Text from hosts as it may be shown to a person: what would command the terminal is written out instead.
// A host speaks before its key is proven (SSH's disconnect message), so nothing that it says reaches a terminal raw.
// Tested by tests/base/visible_test.cpp.
#pragma once

#include <string>
#include <string_view>

namespace drover {

// Control characters (C0 but newline and tab, DEL, C1) and bytes that are not UTF-8, each byte as \xNN; the rest as is.
std::string visible(std::string_view text);

}  // namespace drover
