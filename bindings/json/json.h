// Module "json": text to values and back. Tested by tests/bindings/json/json_test.lua.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bindings/core/module.h"

namespace drover::json {

const core::Module& module();

// Pushes a JSON value; null becomes json.null (a light userdata), so that a key with null is not lost.
void push_json(lua_State* L, const nlohmann::ordered_json& value);

// The value at index as JSON. A table is an array when its keys are 1..n (an empty one is an object unless it is
// json.array{}). Throws BAD_ARGUMENT for functions, for tables in a cycle and for mixed keys.
nlohmann::ordered_json read_json(lua_State* L, int index);

// The text of a value, in one line or indented. It may be shown on a terminal: it holds no control characters.
std::string text_of(const nlohmann::ordered_json& value, int indent = -1);

}  // namespace drover::json
