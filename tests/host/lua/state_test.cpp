// Shows what a script cannot do in drover's Lua state, and how it names what it does not find.
#include "host/lua/state.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "bindings/core/error_object.h"
#include "host/base/error.h"
#include "tests/base/temporary_folder.h"

namespace drover {

namespace {

struct StateFixture {
  core::Runtime runtime;
  LuaState state{runtime};

  std::string run(const std::string& code) {
    lua_State* L = state.get();
    load_text(L, code, "=test");
    if (lua_pcall(L, 0, 1, 0) != LUA_OK) {
      Error error = core::to_error(L, -1);
      lua_settop(L, 0);
      return "error: " + std::string(error.what());
    }
    std::string text = luaL_tolstring(L, -1, nullptr);
    lua_settop(L, 0);
    return text;
  }
  bool says(const std::string& code, const std::string& expected) {
    std::string text = run(code);
    INFO(code << " gave " << text);
    bool found = text.find(expected) != std::string::npos;
    CHECK(found);
    return found;
  }
};

}  // namespace

TEST_CASE("what would run a shell, end the process or load code from anywhere is not there") {
  StateFixture lua;
  for (const char* gone : {"os.execute", "os.exit", "os.tmpname", "os.setlocale", "io.popen", "package.loadlib",
                           "package.cpath", "package.path", "package.searchpath", "debug.sethook", "debug.setmetatable",
                           "debug.getregistry", "debug.debug", "rawget(_G, 'dofile')", "rawget(_G, 'loadfile')"}) {
    CHECK(lua.run(std::string("return ") + gone) == "nil");
  }
}

TEST_CASE("compiled Lua is not loaded, in any way") {
  StateFixture lua;
  CHECK(lua.run("return load(string.dump(function() end))") == "nil");
  lua.says("return select(2, load(string.dump(function() end), 'x', 'b'))", "attempt to load a binary chunk");
  lua.says(
      "local sent return select(2, load(function() if sent then return nil end sent = true "
      "return string.dump(function() end) end, 'x', 'bt'))",
      "attempt to load a binary chunk");
  lua.says("return load()", "bad argument #1");
  CHECK(lua.run("return load('return ...', 'x', 't', {})(5)") == "5");
  CHECK_THROWS_AS(load_text(lua.state.get(), "\x1bLua", "=x"), Error);
}

TEST_CASE("the working directory is not searched") {
  tests::TemporaryFolder folder;
  tests::write_text(folder / "evil.lua", "return 'loaded'");
  std::string before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  {
    StateFixture lua;
    lua.says("return require 'evil'", "no module 'evil' in drover's stdlib or bindings");
    lua.says("return require './evil'", "no module");
    lua.says("return require '../evil'", "no module");
    lua.says("return require('" + (folder / "evil") + "')", "no module");
    lua.says("return require '..evil'", "no module");
    lua.says("return require 'native.evil'", "no module");
  }
  std::filesystem::current_path(before);
}

TEST_CASE("stdlib and bindings load when they are first named") {
  StateFixture lua;
  CHECK(lua.run("return rawget(_G, 'units')") == "nil");
  CHECK(lua.run("return units.size_bytes '1KiB'") == "1024");
  CHECK(lua.run("return rawget(_G, 'units') ~= nil") == "true");
  CHECK(lua.run("return rawget(require 'native.json', 'encode') ~= nil") == "true");
}

TEST_CASE("a global that is not there is an error with the nearest name") {
  StateFixture lua;
  lua.says("return untis", "test:1: 'untis' is not defined; did you mean 'units'?");
  lua.says("return qqqqqqq", "'qqqqqqq' is not defined");
  lua.says("return setmetatable(_G, {})", "protected metatable");
}

TEST_CASE("a first line for the kernel is skipped, and line numbers stay right") {
  StateFixture lua;
  CHECK(lua.run("#!/usr/bin/env drover\nreturn 5") == "5");
  lua.says("#!/usr/bin/env drover\nerror('here')", "test:2: here");
  CHECK_THROWS_WITH(load_text(lua.state.get(), "return (", "=eval"), Catch::Contains("eval:1:"));
  std::string path = "/srv/" + std::string(100, 'p') + "/web.lua";
  CHECK_THROWS_WITH(load_text(lua.state.get(), "return (", "@" + path), Catch::StartsWith(path + ":1: "));
  CHECK(lua.run("#!/only") == "nil");
}

TEST_CASE("waiting outside of a task is an error that says why") {
  StateFixture lua;
  lua.says("async.sleep(1)", "cannot wait for 'sleep' here");
}

}  // namespace drover
