// The log, over spdlog: what drover did and how long each wait took, on standard error. Off but for warnings unless
// $DROVER_LOG says trace, debug, info, warn, error or off. What is logged is descriptions, never arguments' contents:
// no secret reaches it. What hosts said is written out (visible.h). Tested by tests/base/log_test.cpp.
#pragma once

#include <string>
#include <string_view>

namespace drover::log {

enum class Level { trace, debug, info, warn, error, off };

// Whether a message of that level is written: ask before building a costly one.
bool enabled(Level level);
void write(Level level, std::string_view message);

// "debug" to its Level; false when there is no such level.
bool parse_level(std::string_view name, Level& level);
// Instead of what $DROVER_LOG said.
void set_level(Level level);

}  // namespace drover::log
