// The registration table. One Module is the source of the functions in Lua, of help(f), of the stub in stdlib/meta,
// of the reference, and of the test that nothing is undocumented. Tested by tests/bindings/core/module_test.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bindings/core/lua.h"

namespace drover::core {

// name may end in "?" for an optional one. type is a LuaCATS type: string, integer, boolean, string[], virt.Domain,
// table.
struct Value {
  std::string name;
  std::string type;
  std::string doc;
};

enum class Effect {
  reads,    // looks only
  changes,  // changes something on a host: while planning it is recorded instead of called
};

enum class Blocking { no, yes };  // yes: the C function returns an Operation, and Lua gets it awaited

struct Function {
  std::string name;
  lua_CFunction call;
  std::string doc;            // a sentence; more after it for units, facts and their source
  std::vector<Value> params;  // without self
  std::vector<Value> returns;
  std::string errors = "";  // codes that it raises, comma-separated
  Blocking blocking = Blocking::no;
  Effect effect = Effect::reads;
};

struct Class {
  std::string name;  // as the C++ type's lua_name: "virt.Domain"
  std::string doc;
  std::vector<Function> methods;
  lua_CFunction destroy = nullptr;  // destroy_object<T>
};

struct Module {
  std::string name;
  std::string doc;
  std::vector<Function> functions;
  std::vector<Class> classes;
};

// Registers the class' metatable. Methods "close", "tostring" and "length" also serve __close, __tostring and __len.
void register_class(lua_State* L, const Class& type);

// Pushes the module's table with all its functions and classes registered. The Module must live as long as the state.
void push_module(lua_State* L, const Module& module);

// The documentation of the function at index, or nullptr.
const Function* find_documentation(lua_State* L, int index);

// All modules of this build, in order of name (bindings/core/modules.cpp lists them).
const std::vector<const Module*>& all_modules();

// The module of that name, or nullptr. No other is made.
const Module* find_module(std::string_view name);

}  // namespace drover::core
