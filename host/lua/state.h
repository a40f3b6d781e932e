// A Lua state as drover opens it: safe libraries, text chunks only, a search path that never holds the working
// directory, modules that load when a script first names them. Tested by tests/host/lua/state_test.cpp.
#pragma once

#include <string>
#include <vector>

#include "bindings/core/lua.h"
#include "bindings/core/runtime.h"

namespace drover {

class LuaState {
 public:
  explicit LuaState(core::Runtime& runtime);
  ~LuaState();
  LuaState(const LuaState&) = delete;
  LuaState& operator=(const LuaState&) = delete;

  lua_State* get() const { return L_; }

 private:
  lua_State* L_;
};

// Loads a text file as a chunk named after it and pushes the function. Throws NO_FILE, NOT_TEXT, SYNTAX.
void load_file(lua_State* L, const std::string& path, const std::string& chunk_name);

// Loads text; chunk_name as Lua has it ("=eval", "@file"). Throws NOT_TEXT, SYNTAX.
void load_text(lua_State* L, const std::string& text, const std::string& chunk_name);

// Pushes what `require(name)` gives. Lua errors pass through.
void push_required(lua_State* L, const char* name);

// Folders of this installation: the build's own tree when drover runs from a build directory.
struct Installation {
  std::string stdlib;
  std::string playbooks;
  std::string meta;
};
const Installation& installation();

const char* version();

}  // namespace drover
