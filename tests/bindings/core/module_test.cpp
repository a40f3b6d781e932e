// Shows that nothing is registered without documentation, and how classes and functions arrive in Lua.
#include "bindings/core/module.h"

#include <catch2/catch.hpp>
#include <set>

#include "bindings/core/object.h"
#include "tests/bindings/core/lua_fixture.h"

namespace drover::core {

namespace {

void check_function(const std::string& owner, const Function& function) {
  INFO(owner << "." << function.name);
  CHECK_FALSE(function.doc.empty());
  CHECK(function.call != nullptr);
  bool optional = false;
  for (const Value& param : function.params) {
    INFO(param.name);
    CHECK_FALSE(param.name.empty());
    CHECK_FALSE(param.type.empty());
    bool is_optional = param.name.back() == '?' || param.name == "...";
    CHECK((!optional || is_optional));  // a required one after an optional one cannot be given alone
    optional = optional || is_optional;
  }
  for (const Value& value : function.returns) CHECK_FALSE(value.type.empty());
  for (char c : function.errors) {
    CHECK((std::isupper(static_cast<unsigned char>(c)) != 0 || std::isdigit(static_cast<unsigned char>(c)) != 0 ||
           c == '_' || c == ',' || c == ' '));
  }
}

struct Thing {
  static constexpr const char* lua_name = "test.Thing";
  std::shared_ptr<int> held;
};

int thing_make(lua_State* L) {
  push_object(L, Thing{std::make_shared<int>(5)});
  return 1;
}

int thing_value(lua_State* L) {
  push(L, *check_object<Thing>(L, 1, "Thing.value").held);
  return 1;
}

int thing_close(lua_State* L) {
  *check_object<Thing>(L, 1, "Thing.close").held = 0;
  return 0;
}

const Module& test_module() {
  static const Module definition{"test",
                                 "For the test.",
                                 {{"make", thing_make, "Makes one.", {}, {{"thing", "test.Thing", ""}}}},
                                 {{Thing::lua_name,
                                   "A thing.",
                                   {{"value", thing_value, "Its value.", {}, {{"value", "integer", ""}}},
                                    {"close", thing_close, "Ends it.", {}, {}}},
                                   destroy_object<Thing>}}};
  return definition;
}

}  // namespace

TEST_CASE("everything that Lua sees is documented") {
  std::set<std::string> names;
  for (const Module* module : all_modules()) {
    INFO(module->name);
    CHECK_FALSE(module->doc.empty());
    CHECK(names.insert(module->name).second);
    std::set<std::string> functions;
    for (const Function& function : module->functions) {
      check_function(module->name, function);
      CHECK(functions.insert(function.name).second);
    }
    for (const Class& type : module->classes) {
      INFO(type.name);
      CHECK_FALSE(type.doc.empty());
      CHECK(type.destroy != nullptr);
      std::set<std::string> methods;
      for (const Function& method : type.methods) {
        check_function(type.name, method);
        CHECK(methods.insert(method.name).second);
      }
    }
  }
  CHECK(names.size() > 5);
}

TEST_CASE("a class has methods, __close, a hidden metatable and typed self") {
  LuaFixture lua;
  push_module(lua.L, test_module());
  lua_setglobal(lua.L, "test");
  CHECK(lua.run("return test.make():value()") == "5");
  CHECK(lua.run("local kept do local thing <close> = test.make() kept = thing end return kept:value()") == "0");
  CHECK(lua.run("return getmetatable(test.make())") == "test.Thing");
  CHECK(lua.fails("test.make().value(5)").message.find("self: expected a test.Thing, got number 5") !=
        std::string::npos);
  CHECK(lua.fails("test.make().value(io.stdout)").message.find("got FILE*") != std::string::npos);
  CHECK(lua.fails("setmetatable(test.make(), {})").code == "LUA_ERROR");
}

TEST_CASE("an object that was collected runs its destructor once") {
  LuaFixture lua;
  push_module(lua.L, test_module());
  lua_pop(lua.L, 1);
  auto held = std::make_shared<int>(1);
  push_object(lua.L, Thing{held});
  lua_pop(lua.L, 1);
  CHECK(held.use_count() == 2);
  lua_gc(lua.L, LUA_GCCOLLECT);
  lua_gc(lua.L, LUA_GCCOLLECT);
  CHECK(held.use_count() == 1);
}

TEST_CASE("a module is found by the name that it has") {
  REQUIRE(all_modules().size() > 10);
  for (const Module* module : all_modules()) CHECK(find_module(module->name) == module);
  CHECK(find_module("no such module") == nullptr);
}

TEST_CASE("help finds the entry of a function") {
  LuaFixture lua;
  push_module(lua.L, test_module());
  lua_getfield(lua.L, -1, "make");
  const Function* found = find_documentation(lua.L, -1);
  REQUIRE(found != nullptr);
  CHECK(found->doc == "Makes one.");
  lua_pushcfunction(lua.L, thing_make);
  CHECK(find_documentation(lua.L, -1) == nullptr);
}

}  // namespace drover::core
