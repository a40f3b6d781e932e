#include "host/lua/documentation.h"

#include "bindings/core/module.h"

namespace drover {

namespace {

// list[n] = value for each item; push_item leaves one value.
template <class List, class PushItem>
void push_list(lua_State* L, const List& list, PushItem push_item) {
  lua_newtable(L);
  lua_Integer index = 0;
  for (const auto& item : list) {
    push_item(item);
    lua_rawseti(L, -2, ++index);
  }
}

void push_values(lua_State* L, const std::vector<core::Value>& values) {
  push_list(L, values, [L](const core::Value& value) {
    lua_newtable(L);
    core::set_field(L, "name", value.name);
    core::set_field(L, "type", value.type);
    core::set_field(L, "doc", value.doc);
  });
}

void push_function(lua_State* L, const core::Function& function) {
  lua_newtable(L);
  core::set_field(L, "name", function.name);
  core::set_field(L, "doc", function.doc);
  core::set_field(L, "errors", function.errors);
  core::set_field(L, "blocking", function.blocking == core::Blocking::yes);
  core::set_field(L, "changes", function.effect == core::Effect::changes);
  push_values(L, function.params);
  lua_setfield(L, -2, "params");
  push_values(L, function.returns);
  lua_setfield(L, -2, "returns");
}

// The table on top gets name and doc of owner, and its functions under `field`.
template <class Owner>
void set_owner(lua_State* L, const Owner& owner, const char* field, const std::vector<core::Function>& functions) {
  core::set_field(L, "name", owner.name);
  core::set_field(L, "doc", owner.doc);
  push_list(L, functions, [L](const core::Function& function) { push_function(L, function); });
  lua_setfield(L, -2, field);
}

// Sets owner (the module, or the class of a method) and is_method in the table on top of the stack.
void push_owner(lua_State* L, const core::Function* function) {
  auto holds = [function](const std::vector<core::Function>& functions) {
    return !functions.empty() && function >= &functions.front() && function <= &functions.back();
  };
  for (const core::Module* module : core::all_modules()) {
    if (holds(module->functions)) core::set_field(L, "owner", module->name);
    for (const core::Class& type : module->classes) {
      if (!holds(type.methods)) continue;
      core::set_field(L, "owner", type.name);
      core::set_field(L, "is_method", true);
    }
  }
}

}  // namespace

int push_documentation(lua_State* L) {
  const core::Function* function = core::find_documentation(L, 1);
  if (function == nullptr) return 0;
  push_function(L, *function);
  push_owner(L, function);
  return 1;
}

int push_modules(lua_State* L) {
  push_list(L, core::all_modules(), [L](const core::Module* module) {
    lua_newtable(L);
    set_owner(L, *module, "functions", module->functions);
    push_list(L, module->classes, [L](const core::Class& type) {
      lua_newtable(L);
      set_owner(L, type, "methods", type.methods);
    });
    lua_setfield(L, -2, "classes");
  });
  return 1;
}

}  // namespace drover
