// What a command works with: the Lua state, the scheduler, and how results and errors are shown.
// Tested by tests/transcripts/errors.in and tests/transcripts/interrupts.in.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "host/cli/program.h"
#include "host/lua/state.h"
#include "host/run/scheduler.h"

namespace drover {

class Session {
 public:
  explicit Session(const GlobalOptions& options);
  ~Session();

  lua_State* lua() { return state_.get(); }
  const GlobalOptions& options() const { return options_; }

  // Runs require("command." .. command)(request) as the main task. What it returns is the exit code (nothing: 0).
  // Errors are shown.
  int run_command(const std::string& command, const nlohmann::ordered_json& request);

 private:
  int guarded(const std::function<int()>& body);
  int show_error();

  GlobalOptions options_;
  core::Runtime runtime_;
  LuaState state_;
  Scheduler scheduler_;
};

// Ends the process at once when a thread is still inside a call that cannot be stopped: nothing would end it.
[[noreturn]] void leave(int code);

}  // namespace drover
