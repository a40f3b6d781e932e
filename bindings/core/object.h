// Userdata that holds a C++ value. A type is bound by giving it `static constexpr const char* lua_name`
// and a core::Class of that name in its module (bindings/core/module.h). Tested by tests/bindings/core/module_test.cpp.
#pragma once

#include <new>
#include <utility>

#include "bindings/core/args.h"

namespace drover::core {

template <class T>
T& push_object(lua_State* L, T value) {
  void* memory = lua_newuserdatauv(L, sizeof(T), 1);
  T* object = new (memory) T(std::move(value));
  luaL_setmetatable(L, T::lua_name);
  return *object;
}

template <class T>
T* test_object(lua_State* L, int index) {
  return static_cast<T*>(luaL_testudata(L, index, T::lua_name));
}

// The object at index, or an error that names the function and the argument.
template <class T>
T& check_object(lua_State* L, int index, const char* function, const char* name = "self") {
  T* object = test_object<T>(L, index);
  if (object == nullptr) Args(L, function).fail(index, name, std::string("a ") + T::lua_name);
  return *object;
}

// __gc: frees memory and nothing else; what a type must end on a host it ends in close().
template <class T>
int destroy_object(lua_State* L) {
  if (T* object = test_object<T>(L, 1)) {
    object->~T();
    lua_pushnil(L);
    lua_setmetatable(L, 1);
  }
  return 0;
}

}  // namespace drover::core
