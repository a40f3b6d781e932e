#include "bindings/log/log.h"

#include "bindings/core/args.h"
#include "host/base/log.h"

namespace drover::log_module {

namespace {

template <log::Level level>
int write(lua_State* L) {
  log::write(level, core::Args(L, "log").text(1, "message"));
  return 0;
}

int set_level(lua_State* L) {
  core::Args args(L, "log.set_level");
  log::Level level;
  log::parse_level(args.choice(1, "level", {"trace", "debug", "info", "warn", "error", "off"}), level);
  log::set_level(level);
  return 0;
}

core::Function writer(const char* name, lua_CFunction call, const char* doc) {
  return {name, call, doc, {{"message", "string", "One line. No secrets."}}, {}, "BAD_ARGUMENT"};
}

}  // namespace

const core::Module& module() {
  static const core::Module definition{
      "log",
      "The log on standard error: warnings, and more with $DROVER_LOG=info, debug or trace.",
      {
          writer("debug", write<log::Level::debug>, "For whoever looks for a fault."),
          writer("info", write<log::Level::info>, "For whoever follows a run closely."),
          writer("warn", write<log::Level::warn>, "For everybody."),
          writer("error", write<log::Level::error>, "For everybody, something that failed and did not end the run."),
          {"set_level",
           set_level,
           "What is written from now on.",
           {{"level", "string", "trace, debug, info, warn, error or off."}},
           {},
           "BAD_ARGUMENT"},
      },
      {}};
  return definition;
}

}  // namespace drover::log_module
