#include "bindings/virt/scalar.h"

#include <limits>

namespace drover::virt {

int64_t to_integer(unsigned long long value) {
  constexpr auto largest = std::numeric_limits<int64_t>::max();
  return value > static_cast<unsigned long long>(largest) ? largest : static_cast<int64_t>(value);
}

Scalar scalar_of(const virTypedParameter& parameter) {
  switch (parameter.type) {
    case VIR_TYPED_PARAM_INT:
      return static_cast<int64_t>(parameter.value.i);
    case VIR_TYPED_PARAM_UINT:
      return static_cast<int64_t>(parameter.value.ui);
    case VIR_TYPED_PARAM_LLONG:
      return static_cast<int64_t>(parameter.value.l);
    case VIR_TYPED_PARAM_ULLONG:
      return to_integer(parameter.value.ul);
    case VIR_TYPED_PARAM_DOUBLE:
      return parameter.value.d;
    case VIR_TYPED_PARAM_BOOLEAN:
      return parameter.value.b != 0;
    default:
      return std::string(parameter.value.s != nullptr ? parameter.value.s : "");
  }
}

Fields fields_of(const virTypedParameter* list, int count) {
  Fields fields;
  fields.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) fields.emplace_back(list[i].field, scalar_of(list[i]));
  return fields;
}

void push_scalar(lua_State* L, const Scalar& value) {
  std::visit([L](const auto& held) { core::push(L, held); }, value);
}

void set_fields(lua_State* L, const Fields& fields) {
  for (const auto& [name, value] : fields) {
    push_scalar(L, value);
    lua_setfield(L, -2, name.c_str());
  }
}

}  // namespace drover::virt
