// Values of libvirt's typed parameters, carried from a worker to Lua.
// Tested by tests/bindings/virt/job_fields_test.cpp and statistics_test.lua.
#pragma once

#include <libvirt/libvirt.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bindings/core/lua.h"

namespace drover::virt {

using Scalar = std::variant<int64_t, double, bool, std::string>;
using Fields = std::vector<std::pair<std::string, Scalar>>;

// A list of parameters that libvirt allocated.
class TypedParameters {
 public:
  TypedParameters() = default;
  ~TypedParameters() { virTypedParamsFree(list, count); }
  TypedParameters(const TypedParameters&) = delete;
  TypedParameters& operator=(const TypedParameters&) = delete;

  virTypedParameterPtr list = nullptr;
  int count = 0;
  int capacity = 0;  // used by virTypedParamsAdd*
};

Scalar scalar_of(const virTypedParameter& parameter);
Fields fields_of(const virTypedParameter* list, int count);

// libvirt counts memory in units of this many bytes.
constexpr int64_t kib = 1024;

// A number that does not fit Lua's integers (libvirt's "no limit") becomes the largest one.
int64_t to_integer(unsigned long long value);

void push_scalar(lua_State* L, const Scalar& value);
// Sets each as a field of the table on top of the stack.
void set_fields(lua_State* L, const Fields& fields);

}  // namespace drover::virt
