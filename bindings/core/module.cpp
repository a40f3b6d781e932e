#include "bindings/core/module.h"

#include "bindings/core/error_object.h"
#include "bindings/core/object.h"
#include "bindings/core/operation.h"

namespace drover::core {

namespace {

constexpr const char* documentation_key = "drover.documentation";
constexpr const char* wrapper_key = "drover.wrap";

// Upvalues: the C function, its full name. The name is only read when it is needed: this is on the way of every call.
int enter(lua_State* L) { return call_at_edge(L, lua_tocfunction(L, lua_upvalueindex(1)), nullptr); }

// The same for a function that blocks. Its operation fails later, in the hands of whoever waits for it: the errors
// name the function that began it.
int enter_blocking(lua_State* L) {
  int count = enter(L);
  auto* handle = count == 1 ? test_object<OperationHandle>(L, -1) : nullptr;
  if (handle != nullptr) handle->operation->set_origin(lua_tostring(L, lua_upvalueindex(2)));
  return count;
}

int enter_changing(lua_State* L) {
  int count = enter_blocking(L);
  auto* handle = count == 1 ? test_object<OperationHandle>(L, -1) : nullptr;
  if (handle != nullptr) handle->operation->set_changes();
  return count;
}

void push_documentation_table(lua_State* L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, documentation_key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, documentation_key);
}

// Pushes what scripts call: the function behind the edge; awaited when it blocks, recorded when planning.
void push_function(lua_State* L, const std::string& owner, const Function& function, bool is_method) {
  std::string full_name = owner + "." + function.name;
  lua_pushcfunction(L, function.call);
  push(L, full_name);
  bool changes = function.effect == Effect::changes;
  lua_pushcclosure(L, function.blocking == Blocking::no ? enter : changes ? enter_changing : enter_blocking, 2);
  if (function.blocking == Blocking::yes || changes) {
    lua_getfield(L, LUA_REGISTRYINDEX, wrapper_key);
    if (lua_isfunction(L, -1)) {
      lua_insert(L, -2);
      push(L, full_name);
      push(L, function.blocking == Blocking::yes);
      push(L, changes);
      push(L, is_method);
      lua_call(L, 5, 1);
    } else {
      lua_pop(L, 1);  // a state without stdlib, as in unit tests: the operation itself is returned
    }
  }
  push_documentation_table(L);
  lua_pushvalue(L, -2);
  lua_pushlightuserdata(L, const_cast<Function*>(&function));
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

}  // namespace

void register_class(lua_State* L, const Class& type) {
  if (luaL_newmetatable(L, type.name.c_str()) == 0) {
    lua_pop(L, 1);
    return;
  }
  lua_createtable(L, 0, static_cast<int>(type.methods.size()));
  for (const Function& method : type.methods) {
    push_function(L, type.name, method, true);
    const char* meta = method.name == "close"      ? "__close"
                       : method.name == "tostring" ? "__tostring"
                       : method.name == "length"   ? "__len"
                                                   : nullptr;
    if (meta != nullptr) {
      lua_pushvalue(L, -1);
      lua_setfield(L, -4, meta);
    }
    lua_setfield(L, -2, method.name.c_str());
  }
  lua_setfield(L, -2, "__index");
  if (type.destroy != nullptr) {
    lua_pushcfunction(L, type.destroy);
    lua_setfield(L, -2, "__gc");
  }
  push(L, type.name);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

void push_module(lua_State* L, const Module& module) {
  for (const Class& type : module.classes) register_class(L, type);
  lua_createtable(L, 0, static_cast<int>(module.functions.size()));
  for (const Function& function : module.functions) {
    push_function(L, module.name, function, false);
    lua_setfield(L, -2, function.name.c_str());
  }
}

const Function* find_documentation(lua_State* L, int index) {
  index = lua_absindex(L, index);
  push_documentation_table(L);
  lua_pushvalue(L, index);
  lua_rawget(L, -2);
  auto* function = static_cast<const Function*>(lua_touserdata(L, -1));
  lua_pop(L, 2);
  return function;
}

}  // namespace drover::core
