#include "host/lua/state.h"

#include <unistd.h>

#include <climits>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "bindings/core/args.h"
#include "bindings/core/error_object.h"
#include "bindings/core/module.h"
#include "bindings/core/object.h"
#include "host/base/home.h"
#include "host/base/text.h"
#include "host/lua/documentation.h"
#include "host/lua/running_thread.h"

namespace drover {

namespace {

void remove_global_field(lua_State* L, const char* table, const char* field) {
  lua_getglobal(L, table);
  lua_pushnil(L);
  lua_setfield(L, -2, field);
  lua_pop(L, 1);
}

std::string read_text_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (file) text << file.rdbuf();
  if (!file) throw Error("lua", "NO_FILE", "cannot read " + path).on_object(path);
  return text.str();
}

// The searcher of require: stdlib first (a module of stdlib may extend a bound one of its name), then the bindings.
// "native.x" is the bound module itself. No other folder is searched; a playbook's own folder is added by
// playbook.lua for the time it loads.
int search_module(lua_State* L) {
  std::string name = luaL_checkstring(L, 1);
  constexpr const char* native_prefix = "native.";
  bool native_only = name.rfind(native_prefix, 0) == 0;
  std::string plain = native_only ? name.substr(std::string(native_prefix).size()) : name;
  if (!native_only && plain.find_first_of("/\\") == std::string::npos && plain.find("..") == std::string::npos) {
    std::string relative = plain;
    for (char& c : relative) {
      if (c == '.') c = '/';
    }
    std::string path = installation().stdlib + "/" + relative + ".lua";
    if (access(path.c_str(), R_OK) == 0) {
      load_file(L, path, "@stdlib/" + relative + ".lua");
      core::push(L, path);
      return 2;
    }
  }
  if (const core::Module* module = core::find_module(plain)) {
    lua_pushlightuserdata(L, const_cast<core::Module*>(module));
    lua_pushcclosure(
        L,
        [](lua_State* state) {
          core::push_module(state, *static_cast<const core::Module*>(lua_touserdata(state, lua_upvalueindex(1))));
          return 1;
        },
        1);
    core::push(L, name);
    return 2;
  }
  core::push(L, "no module '" + name + "' in drover's stdlib or bindings");
  return 1;
}

int search_module_at_edge(lua_State* L) { return core::call_at_edge(L, search_module, "require"); }

// load(): text only, whatever mode the caller asked for.
int load_text_only(lua_State* L) {
  luaL_checkany(L, 1);
  int top = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 1);
  if (top >= 2)
    lua_pushvalue(L, 2);
  else
    lua_pushnil(L);
  lua_pushliteral(L, "t");
  int arguments = 3;
  if (top >= 4) {
    lua_pushvalue(L, 4);
    arguments = 4;
  }
  lua_call(L, arguments, LUA_MULTRET);
  return lua_gettop(L) - top;
}

void open_libraries(lua_State* L) {
  luaL_openlibs(L);
  // What would run a shell string, end the process behind the journal's back, or load code from anywhere.
  for (const char* name : {"execute", "exit", "tmpname", "setlocale"}) remove_global_field(L, "os", name);
  remove_global_field(L, "io", "popen");
  for (const char* name : {"loadlib", "cpath", "path", "searchpath"}) remove_global_field(L, "package", name);
  for (const char* name : {"sethook", "setmetatable", "getregistry", "debug", "setcstacklimit"}) {
    remove_global_field(L, "debug", name);
  }
  for (const char* name : {"dofile", "loadfile"}) {
    lua_pushnil(L);
    lua_setglobal(L, name);
  }
  lua_getglobal(L, "load");
  lua_pushcclosure(L, load_text_only, 1);
  lua_setglobal(L, "load");

  lua_getglobal(L, "package");
  lua_createtable(L, 2, 0);
  lua_getfield(L, -2, "searchers");
  lua_rawgeti(L, -1, 1);  // package.preload
  lua_rawseti(L, -3, 1);
  lua_pop(L, 1);
  lua_pushcfunction(L, search_module_at_edge);
  lua_rawseti(L, -2, 2);
  lua_setfield(L, -2, "searchers");
  lua_pop(L, 1);
}

int load_source(lua_State* L) {
  core::Args args(L, "drover.load_source");
  lua_settop(L, 3);  // text, chunk name, environment or nil
  load_text(L, args.text(1, "text"), args.text(2, "chunk_name"));
  if (!lua_isnil(L, 3)) {
    lua_pushvalue(L, 3);
    if (lua_setupvalue(L, -2, 1) == nullptr) lua_pop(L, 1);
  }
  return 1;
}

int load_source_at_edge(lua_State* L) { return core::call_at_edge(L, load_source, "drover.load_source"); }

int complete_error(lua_State* L) {
  lua_settop(L, 1);
  core::complete_error(L, L);
  return 1;
}

int nearest(lua_State* L) {
  core::Args args(L, "drover.nearest");
  std::string name = nearest_name(args.text(1, "name"), args.text_list(2, "candidates"));
  if (name.empty()) return 0;
  core::push(L, name);
  return 1;
}

int nearest_at_edge(lua_State* L) { return core::call_at_edge(L, nearest, "drover.nearest"); }

// The host table: what stdlib needs of the host program and scripts do not.
void open_host_table(lua_State* L) {
  lua_newtable(L);
  core::set_field(L, "version", version());
  core::set_field(L, "stdlib", installation().stdlib);
  core::set_field(L, "playbooks", installation().playbooks);
  lua_pushcfunction(L, push_documentation);
  lua_setfield(L, -2, "documentation");
  lua_pushcfunction(L, push_modules);
  lua_setfield(L, -2, "modules");
  lua_pushcfunction(L, complete_error);
  lua_setfield(L, -2, "complete_error");
  lua_pushcfunction(L, nearest_at_edge);
  lua_setfield(L, -2, "nearest");
  lua_pushcfunction(L, load_source_at_edge);
  lua_setfield(L, -2, "load_source");
  lua_setfield(L, LUA_REGISTRYINDEX, "drover.host");
}

}  // namespace

void load_text(lua_State* L, const std::string& text, const std::string& chunk_name) {
  if (!text.empty() && text[0] == LUA_SIGNATURE[0]) {
    throw Error("lua", "NOT_TEXT", chunk_name.substr(1) + ": compiled Lua is not loaded; give the source");
  }
  // A first line with #! is for the kernel; the newline stays so that line numbers are right.
  size_t skip = !text.empty() && text[0] == '#' ? std::min(text.find('\n'), text.size()) : 0;
  if (luaL_loadbufferx(L, text.data() + skip, text.size() - skip, chunk_name.c_str(), "t") != LUA_OK) {
    std::string message = core::with_whole_path(lua_tostring(L, -1), chunk_name);
    lua_pop(L, 1);
    throw Error("lua", "SYNTAX", message);
  }
}

void load_file(lua_State* L, const std::string& path, const std::string& chunk_name) {
  load_text(L, read_text_file(path), chunk_name);
}

void push_required(lua_State* L, const char* name) {
  lua_getglobal(L, "require");
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
}

const Installation& installation() {
  static const Installation found = [] {
    namespace fs = std::filesystem;
    std::error_code ignored;
    fs::path program = fs::read_symlink("/proc/self/exe", ignored);
    std::string build_folder = std::string(DROVER_BINARY_DIR) + "/";
    if (program.string().rfind(build_folder, 0) == 0) {
      std::string source = DROVER_SOURCE_DIR;
      return Installation{source + "/stdlib", source + "/playbooks", source + "/stdlib/meta"};
    }
    std::string share = (program.parent_path().parent_path() / "share/drover").string();
    return Installation{share + "/stdlib", share + "/playbooks", share + "/meta"};
  }();
  return found;
}

const char* version() { return DROVER_VERSION; }

LuaState::LuaState(core::Runtime& runtime) : L_(luaL_newstate()) {
  if (L_ == nullptr) throw Error("lua", "NO_MEMORY", "no memory for a Lua state");
  provide_home();
  runtime.attach(L_);
  open_libraries(L_);
  core::open_errors(L_);
  core::open_operations(L_);
  open_host_table(L_);
  watch_interrupts(L_);
  // The prelude returns the wrapper of blocking functions and changes the globals (pcall, coroutine, lazy modules).
  lua_settop(L_, 0);
  load_file(L_, installation().stdlib + "/prelude.lua", "@stdlib/prelude.lua");
  lua_getfield(L_, LUA_REGISTRYINDEX, "drover.host");
  if (lua_pcall(L_, 1, 1, 0) != LUA_OK) {
    Error error = core::to_error(L_, -1);
    forget_interrupts(L_);
    lua_close(L_);
    throw error;
  }
  lua_getfield(L_, -1, "wrap");
  lua_setfield(L_, LUA_REGISTRYINDEX, "drover.wrap");
  lua_getfield(L_, -1, "run_task");
  lua_setfield(L_, LUA_REGISTRYINDEX, "drover.run_task");
  lua_settop(L_, 0);
}

LuaState::~LuaState() {
  forget_interrupts(L_);
  lua_close(L_);
}

}  // namespace drover
