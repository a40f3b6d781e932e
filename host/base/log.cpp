#include "host/base/log.h"

#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cstdlib>
#include <iterator>
#include <memory>

#include "host/base/visible.h"

namespace drover::log {

namespace {

constexpr std::string_view names[] = {"trace", "debug", "info", "warn", "error", "off"};

Level level_of_environment() {
  Level level = Level::warn;
  if (const char* name = std::getenv("DROVER_LOG"); name != nullptr) parse_level(name, level);
  return level;
}

std::atomic<Level>& current() {
  static std::atomic<Level> level{level_of_environment()};
  return level;
}

// Made when something is written first: a run that logs nothing does not pay for it. Never destroyed: a worker that
// libvirt keeps may write while the program ends.
spdlog::logger& logger() {
  static spdlog::logger* const made = [] {
    const char* no_color = std::getenv("NO_COLOR");
    bool coloured = no_color == nullptr || *no_color == '\0';
    auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>(coloured ? spdlog::color_mode::automatic
                                                                                   : spdlog::color_mode::never);
    auto* one = new spdlog::logger("drover", sink);
    one->set_pattern("%H:%M:%S.%e %^%l%$ %v");
    one->set_level(spdlog::level::trace);
    one->flush_on(spdlog::level::trace);
    return one;
  }();
  return *made;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::trace:
      return spdlog::level::trace;
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::off:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

}  // namespace

bool enabled(Level level) { return level >= current().load() && level != Level::off; }

void write(Level level, std::string_view message) {
  if (!enabled(level)) return;
  std::string text = visible(message);
  logger().log(to_spdlog(level), spdlog::string_view_t(text.data(), text.size()));
}

bool parse_level(std::string_view name, Level& level) {
  for (size_t i = 0; i < std::size(names); ++i) {
    if (names[i] != name) continue;
    level = static_cast<Level>(i);
    return true;
  }
  return false;
}

void set_level(Level level) { current().store(level); }

}  // namespace drover::log
