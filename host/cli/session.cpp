#include "host/cli/session.h"

#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>

#include "bindings/core/error_object.h"
#include "bindings/journal/journal.h"
#include "bindings/journal/owner.h"
#include "bindings/journal/store.h"
#include "bindings/json/json.h"
#include "host/base/interrupts.h"
#include "host/base/log.h"
#include "host/base/output.h"
#include "host/base/visible.h"

namespace drover {

namespace {

constexpr int functions_on_stack = 8;
constexpr int newest_runs = 100;

// Gives each run of this process to visit. The journal is read anew: the Lua state is in the middle of something.
void visit_own_runs(const std::function<void(journal::Store&, const journal::Run&)>& visit) {
  std::string path = journal::state_folder() + "/journal.db";
  if (access(path.c_str(), F_OK) != 0) return;
  journal::Store store(path);
  journal::Owner self = journal::this_process();
  for (const journal::Run& run : store.runs(newest_runs)) {
    if (run.owner == self) visit(store, run);
  }
}

// What the runs of this process have out.
void print_what_is_open() {
  try {
    visit_own_runs([](journal::Store& store, const journal::Run& run) {
      for (const journal::Entry& entry : store.entries(run.id)) {
        if (entry.state != "ended") std::fprintf(stderr, "  not undone: %s\n", visible(entry.label).c_str());
      }
    });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "  what is left cannot be listed: %s\n", visible(error.what()).c_str());
  }
}

// An abort takes its time, and a person who hears nothing presses again. Not for a program that reads along.
void tell_interrupt() {
  if (isatty(STDERR_FILENO) == 0) return;
  bool at_work = false;
  try {
    visit_own_runs([&](journal::Store&, const journal::Run& run) { at_work = at_work || run.state == "running"; });
  } catch (const Error&) {  // the run itself tells what is wrong with its journal
  }
  if (at_work) std::fputs("\ninterrupted: ending what is under way, then taking back what the run did\n", stderr);
}

// A reader that has seen enough (drover report | head) makes no failure.
bool reader_is_gone() {
  pollfd output{STDOUT_FILENO, POLLOUT, 0};
  return poll(&output, 1, 0) > 0 && (output.revents & POLLERR) != 0;
}

}  // namespace

void leave(int code) {
  standard_output().drain();
  std::fflush(nullptr);
  if (std::ferror(stdout) != 0 && !reader_is_gone()) {
    std::fputs("drover: not all of the output could be written; is the disk full?\n", stderr);
    if (code == exit_done) code = exit_failed;
  }
  _exit(code);
}

Session::Session(const GlobalOptions& options)
    : options_(options), state_(runtime_), scheduler_(state_.get(), runtime_) {
  interrupts().install();
  lua_State* L = lua();
  lua_getfield(L, LUA_REGISTRYINDEX, "drover.host");
  core::set_field(L, "verbose", options_.verbose);
  core::set_field(L, "json", options_.json);
  lua_pop(L, 1);
  scheduler_.on_unheard_error = [](const Error& error) {
    log::write(log::Level::warn, std::string("a task ended with an error that nobody asked for: ") + error.what());
  };
  scheduler_.on_interrupt = tell_interrupt;
  scheduler_.on_shielded_interrupt = [](int count) {
    if (count == 1) {
      std::fputs("\nthis must not be cut in half, and ends first\n", stderr);
      return;
    }
    if (count == 2) {
      std::fputs("\nthis must not be cut in half, and ends first; press Ctrl-C once more to leave at once\n", stderr);
      return;
    }
    std::fputs("\nleft before all was taken back; 'drover recover' finishes it\n", stderr);
    print_what_is_open();
    std::fflush(stderr);
    _exit(exit_needs_operator);
  };
}

Session::~Session() { interrupts().wake_with(nullptr); }

// Shows the error object at the top of the stack and gives the exit code that it means.
int Session::show_error() {
  lua_State* L = lua();
  core::complete_error(L, L);
  push_required(L, "show_error");
  lua_insert(L, -2);
  core::push(L, options_.verbose);
  core::push(L, options_.json);
  if (lua_pcall(L, 3, 1, 0) != LUA_OK) {
    std::fprintf(stderr, "drover: %s\n", visible(core::to_error(L, -1).what()).c_str());
    lua_pop(L, 1);
    return exit_failed;
  }
  int code = static_cast<int>(lua_tointeger(L, -1));
  lua_pop(L, 1);
  return code;
}

int Session::guarded(const std::function<int()>& body) {
  lua_State* L = lua();
  luaL_checkstack(L, functions_on_stack, "command");
  // body runs inside pcall, so that every kind of failure arrives here as one error object.
  lua_pushcfunction(L, [](lua_State* state) {
    auto* function = static_cast<const std::function<int()>*>(lua_touserdata(state, 1));
    lua_settop(state, 0);
    try {
      lua_pushinteger(state, (*function)());
      return 1;
    } catch (const Error& error) {
      core::push_error(state, error);
    } catch (const std::exception& error) {
      core::push_error(state, Error("drover", "INTERNAL", error.what()));
    }
    return lua_error(state);
  });
  lua_pushlightuserdata(L, const_cast<std::function<int()>*>(&body));
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) return show_error();
  int code = static_cast<int>(lua_tointeger(L, -1));
  lua_pop(L, 1);
  return code;
}

int Session::run_command(const std::string& command, const nlohmann::ordered_json& request) {
  return guarded([&]() {
    lua_State* L = lua();
    push_required(L, ("command." + command).c_str());
    json::push_json(L, request);
    int results = scheduler_.run_main(1);
    return results > 0 && lua_isinteger(L, -results) != 0 ? static_cast<int>(lua_tointeger(L, -results)) : exit_done;
  });
}

}  // namespace drover
