// Proves that drover is linked with the C++ build of Lua: an error of Lua is a C++ exception, so destructors run. With
// the C build (longjmp) a binding that fails would leak locks, descriptors and keys.
#include <catch2/catch.hpp>
#include <lua.hpp>

namespace {

bool destroyed = false;

struct Witness {
  ~Witness() { destroyed = true; }
};

int raise_with_witness(lua_State* L) {
  Witness witness;
  return luaL_error(L, "on purpose");
}

}  // namespace

TEST_CASE("an error of Lua runs the destructors of the C++ function that raises it", "[lua]") {
  destroyed = false;
  lua_State* L = luaL_newstate();
  lua_pushcfunction(L, raise_with_witness);
  REQUIRE(lua_pcall(L, 0, 0, 0) == LUA_ERRRUN);
  CHECK(std::string(lua_tostring(L, -1)) == "on purpose");
  CHECK(destroyed);
  lua_close(L);
}
