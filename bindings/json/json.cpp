#include "bindings/json/json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "bindings/core/args.h"

namespace drover::json {

namespace {

using core::Args;
using Json = nlohmann::ordered_json;

constexpr int deepest = 100;
constexpr const char* array_metatable = "json.array";

void push_null(lua_State* L) { lua_pushlightuserdata(L, nullptr); }

bool is_marked_array(lua_State* L, int index) {
  if (lua_getmetatable(L, index) == 0) return false;
  luaL_getmetatable(L, array_metatable);
  bool same = lua_rawequal(L, -1, -2) != 0;
  lua_pop(L, 2);
  return same;
}

Json read_at_depth(lua_State* L, int index, int depth);

// A list with names, or with holes, has no form in JSON; to leave a part out in silence would be worse than an error.
void refuse_other_keys(lua_State* L, int index, size_t length) {
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    lua_pop(L, 1);
    bool is_item = lua_isinteger(L, -1) != 0 && lua_tointeger(L, -1) >= 1 &&
                   lua_tointeger(L, -1) <= static_cast<lua_Integer>(length);
    if (!is_item) throw Error("json", "BAD_ARGUMENT", "json: a list has the key " + core::describe_value(L, -1));
  }
}

Json read_table(lua_State* L, int index, int depth) {
  if (depth > deepest) throw Error("json", "BAD_ARGUMENT", "json: the table is nested too deeply, or in a cycle");
  size_t length = lua_rawlen(L, index);
  if (length > 0 || is_marked_array(L, index)) {
    refuse_other_keys(L, index, length);
    Json array = Json::array();
    for (size_t i = 1; i <= length; ++i) {
      lua_rawgeti(L, index, static_cast<lua_Integer>(i));
      array.push_back(read_at_depth(L, -1, depth + 1));
      lua_pop(L, 1);
    }
    return array;
  }
  // Names are sorted, so that the same table always gives the same text.
  std::vector<std::pair<std::string, Json>> fields;
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    if (lua_type(L, -2) != LUA_TSTRING) {
      throw Error("json", "BAD_ARGUMENT", "json: a table has the key " + core::describe_value(L, -2));
    }
    fields.emplace_back(lua_tostring(L, -2), read_at_depth(L, -1, depth + 1));
    lua_pop(L, 1);
  }
  std::sort(fields.begin(), fields.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  Json object = Json::object();
  for (auto& [name, value] : fields) object[name] = std::move(value);
  return object;
}

Json read_at_depth(lua_State* L, int index, int depth) {
  luaL_checkstack(L, 6, "json");
  index = lua_absindex(L, index);
  switch (lua_type(L, index)) {
    case LUA_TNIL:
      return nullptr;
    case LUA_TBOOLEAN:
      return lua_toboolean(L, index) != 0;
    case LUA_TNUMBER:
      if (lua_isinteger(L, index) != 0) return lua_tointeger(L, index);
      return lua_tonumber(L, index);
    case LUA_TSTRING: {
      size_t size = 0;
      const char* text = lua_tolstring(L, index, &size);
      return std::string(text, size);
    }
    case LUA_TTABLE:
      return read_table(L, index, depth);
    case LUA_TLIGHTUSERDATA:
      if (lua_touserdata(L, index) == nullptr) return nullptr;
      [[fallthrough]];
    default:
      throw Error("json", "BAD_ARGUMENT", "json: cannot write " + core::describe_value(L, index));
  }
}

int encode(lua_State* L) {
  Args args(L, "json.encode");
  auto indent = args.optional_integer(2, "indent", 0, 8);
  luaL_checkany(L, 1);
  Json value = read_json(L, 1);
  core::push(L, text_of(value, indent ? static_cast<int>(*indent) : -1));
  return 1;
}

int decode(lua_State* L) {
  Args args(L, "json.decode");
  std::string text = args.text(1, "text");
  Json value;
  try {
    value = Json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    throw Error("json", "BAD_JSON", "not JSON: at byte " + std::to_string(error.byte)).with_native(error.what());
  }
  push_json(L, value);
  return 1;
}

int array(lua_State* L) {
  Args(L, "json.array").table(1, "list");
  lua_settop(L, 1);
  luaL_newmetatable(L, array_metatable);
  lua_setmetatable(L, 1);
  return 1;
}

int null(lua_State* L) {
  push_null(L);
  return 1;
}

}  // namespace

namespace {

void push_at_depth(lua_State* L, const Json& value, int depth) {
  // What is decoded may come from a guest: its depth must not become ours on the stack.
  if (depth > deepest) throw Error("json", "BAD_JSON", "json: nested more than " + std::to_string(deepest) + " deep");
  luaL_checkstack(L, 6, "json");
  switch (value.type()) {
    case Json::value_t::object:
      lua_createtable(L, 0, static_cast<int>(value.size()));
      for (const auto& [name, item] : value.items()) {
        core::push(L, name);
        push_at_depth(L, item, depth + 1);
        lua_rawset(L, -3);
      }
      return;
    case Json::value_t::array: {
      lua_createtable(L, static_cast<int>(value.size()), 0);
      luaL_newmetatable(L, array_metatable);
      lua_setmetatable(L, -2);
      lua_Integer index = 0;
      for (const Json& item : value) {
        push_at_depth(L, item, depth + 1);
        lua_rawseti(L, -2, ++index);
      }
      return;
    }
    case Json::value_t::string:
      core::push(L, value.get_ref<const std::string&>());
      return;
    case Json::value_t::boolean:
      core::push(L, value.get<bool>());
      return;
    case Json::value_t::number_integer:
      core::push(L, value.get<int64_t>());
      return;
    case Json::value_t::number_unsigned:
      // Above the integers of Lua: as a float, and not as a negative number.
      if (value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
        core::push(L, static_cast<double>(value.get<uint64_t>()));
      } else {
        core::push(L, value.get<int64_t>());
      }
      return;
    case Json::value_t::number_float:
      core::push(L, value.get<double>());
      return;
    default:
      push_null(L);
  }
}

}  // namespace

void push_json(lua_State* L, const Json& value) { push_at_depth(L, value, 0); }

std::string text_of(const Json& value, int indent) {
  // Bytes that are not UTF-8 are replaced, not an error: a host's output may hold anything.
  std::string dumped = value.dump(indent, ' ', false, Json::error_handler_t::replace), text;
  text.reserve(dumped.size());
  for (size_t at = 0; at < dumped.size(); ++at) {
    auto byte = static_cast<unsigned char>(dumped[at]);
    auto next = static_cast<unsigned char>(at + 1 < dumped.size() ? dumped[at + 1] : 0);
    bool is_c1 = byte == 0xc2 && next < 0xa0;
    if (byte != 0x7f && !is_c1) {
      text += dumped[at];
      continue;
    }
    // Dump escapes the control characters below the space alone, and a terminal obeys these too. Only strings hold any.
    constexpr const char* digits = "0123456789abcdef";
    unsigned char code = is_c1 ? next : byte;
    text += {'\\', 'u', '0', '0', digits[code >> 4U], digits[code & 15U]};
    if (is_c1) ++at;
  }
  return text;
}

Json read_json(lua_State* L, int index) { return read_at_depth(L, index, 0); }

const core::Module& module() {
  static const core::Module definition{
      "json",
      "JSON text to Lua values and back.",
      {
          {"encode",
           encode,
           "A value as JSON. Names are in order, so equal tables give equal text.",
           {{"value", "any", "A string, number, boolean, table or json.null()."},
            {"indent?", "integer", "Spaces per level; one line without."}},
           {{"text", "string", ""}},
           "BAD_ARGUMENT"},
          {"decode",
           decode,
           "The value of a JSON text. null becomes json.null().",
           {{"text", "string", "One JSON value."}},
           {{"value", "any", ""}},
           "BAD_JSON"},
          {"array",
           array,
           "Marks a table as a list, so that an empty one is written as [].",
           {{"list", "table", "A list, which may be empty."}},
           {{"list", "table", ""}},
           "BAD_ARGUMENT"},
          {"null", null, "JSON's null as a value.", {}, {{"null", "lightuserdata", ""}}},
      },
      {}};
  return definition;
}

}  // namespace drover::json
