#include "bindings/core/args.h"

#include "host/base/text.h"

namespace drover::core {

namespace {

std::string range_text(int64_t least, int64_t most) {
  if (least == Args::lowest && most == Args::highest) return "an integer";
  if (most == Args::highest) return "an integer of at least " + std::to_string(least);
  return "an integer from " + std::to_string(least) + " to " + std::to_string(most);
}

// The list at the top of the stack; nothing when it is not a list of strings.
std::optional<std::vector<std::string>> read_text_list(lua_State* L, int index) {
  std::vector<std::string> list;
  index = lua_absindex(L, index);
  lua_Integer length = static_cast<lua_Integer>(lua_rawlen(L, index));
  for (lua_Integer i = 1; i <= length; ++i) {
    lua_rawgeti(L, index, i);
    if (lua_type(L, -1) != LUA_TSTRING) {
      lua_pop(L, 1);
      return std::nullopt;
    }
    size_t size = 0;
    const char* text = lua_tolstring(L, -1, &size);
    list.emplace_back(text, size);
    lua_pop(L, 1);
  }
  return list;
}

}  // namespace

std::string describe_value(lua_State* L, int index) {
  switch (lua_type(L, index)) {
    case LUA_TNONE:
      return "nothing";
    case LUA_TNIL:
      return "nil";
    case LUA_TBOOLEAN:
      return lua_toboolean(L, index) != 0 ? "true" : "false";
    case LUA_TNUMBER: {
      std::string text = luaL_tolstring(L, index, nullptr);
      lua_pop(L, 1);
      return "number " + text;
    }
    case LUA_TSTRING: {
      std::string text = lua_tostring(L, index);
      if (text.size() > 40) text = text.substr(0, 37) + "...";
      return "string '" + text + "'";
    }
    case LUA_TUSERDATA:
      if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING) {
        std::string name = lua_tostring(L, -1);
        lua_pop(L, 1);
        return name;
      }
      return "userdata";
    default:
      return luaL_typename(L, index);
  }
}

void Args::fail(int index, const char* name, const std::string& expected) const {
  throw Error("lua", "BAD_ARGUMENT",
              std::string(function_) + ": " + name + ": expected " + expected + ", got " + describe_value(L_, index));
}

std::string Args::text(int index, const char* name) const {
  if (lua_type(L_, index) != LUA_TSTRING) fail(index, name, "a string");
  size_t size = 0;
  const char* value = lua_tolstring(L_, index, &size);
  return {value, size};
}

std::optional<std::string> Args::optional_text(int index, const char* name) const {
  if (absent(index)) return std::nullopt;
  return text(index, name);
}

int64_t Args::integer(int index, const char* name, int64_t least, int64_t most) const {
  int exact = 0;
  lua_Integer value = lua_type(L_, index) == LUA_TNUMBER ? lua_tointegerx(L_, index, &exact) : 0;
  if (exact == 0 || value < least || value > most) fail(index, name, range_text(least, most));
  return value;
}

std::optional<int64_t> Args::optional_integer(int index, const char* name, int64_t least, int64_t most) const {
  if (absent(index)) return std::nullopt;
  return integer(index, name, least, most);
}

bool Args::boolean(int index, const char* name) const {
  if (lua_type(L_, index) != LUA_TBOOLEAN) fail(index, name, "true or false");
  return lua_toboolean(L_, index) != 0;
}

bool Args::optional_boolean(int index, const char* name, bool otherwise) const {
  return absent(index) ? otherwise : boolean(index, name);
}

std::vector<std::string> Args::text_list(int index, const char* name) const {
  if (lua_type(L_, index) != LUA_TTABLE) fail(index, name, "a list of strings");
  auto list = read_text_list(L_, index);
  if (!list) fail(index, name, "a list of strings only");
  return *list;
}

void Args::function(int index, const char* name) const {
  if (lua_type(L_, index) != LUA_TFUNCTION) fail(index, name, "a function");
}

void Args::table(int index, const char* name) const {
  if (lua_type(L_, index) != LUA_TTABLE) fail(index, name, "a table");
}

std::string Args::choice(int index, const char* name, const std::vector<std::string>& choices) const {
  std::string value = text(index, name);
  for (const std::string& one : choices) {
    if (one == value) return value;
  }
  fail(index, name, "one of " + join(choices, ", "));
}

Options::Options(lua_State* L, int index, const char* function)
    : L_(L),
      index_(index < 0 ? lua_absindex(L, index) : index),
      present_(!lua_isnoneornil(L, index)),
      function_(function) {
  if (present_ && lua_type(L, index) != LUA_TTABLE) {
    throw Error("lua", "BAD_ARGUMENT",
                std::string(function) + ": options: expected a table, got " + describe_value(L, index));
  }
}

void Options::fail(const char* name, const std::string& expected, const std::string& got) const {
  throw Error("lua", "BAD_ARGUMENT",
              std::string(function_) + ": option '" + name + "': expected " + expected + ", got " + got);
}

bool Options::push_field(const char* name) {
  known_.insert(name);
  if (!present_) return false;
  lua_getfield(L_, index_, name);
  if (!lua_isnil(L_, -1)) return true;
  lua_pop(L_, 1);
  return false;
}

bool Options::get(const char* name, int type, const char* expected) {
  if (!push_field(name)) return false;
  if (lua_type(L_, -1) != type) fail(name, expected, describe_value(L_, -1));
  return true;
}

std::optional<std::string> Options::text(const char* name) {
  if (!get(name, LUA_TSTRING, "a string")) return std::nullopt;
  size_t size = 0;
  const char* value = lua_tolstring(L_, -1, &size);
  std::string text(value, size);
  lua_pop(L_, 1);
  return text;
}

std::optional<int64_t> Options::integer(const char* name, int64_t least, int64_t most) {
  if (!push_field(name)) return std::nullopt;
  int exact = 0;
  lua_Integer value = lua_type(L_, -1) == LUA_TNUMBER ? lua_tointegerx(L_, -1, &exact) : 0;
  if (exact == 0 || value < least || value > most) fail(name, range_text(least, most), describe_value(L_, -1));
  lua_pop(L_, 1);
  return value;
}

std::optional<bool> Options::boolean(const char* name) {
  if (!get(name, LUA_TBOOLEAN, "true or false")) return std::nullopt;
  bool value = lua_toboolean(L_, -1) != 0;
  lua_pop(L_, 1);
  return value;
}

std::optional<std::vector<std::string>> Options::text_list(const char* name) {
  if (!get(name, LUA_TTABLE, "a list of strings")) return std::nullopt;
  auto list = read_text_list(L_, -1);
  if (!list) fail(name, "a list of strings only", "another value in it");
  lua_pop(L_, 1);
  return list;
}

std::optional<std::map<std::string, std::string>> Options::text_map(const char* name) {
  if (!get(name, LUA_TTABLE, "a table of strings")) return std::nullopt;
  std::map<std::string, std::string> map;
  lua_pushnil(L_);
  while (lua_next(L_, -2) != 0) {
    if (lua_type(L_, -2) != LUA_TSTRING || lua_type(L_, -1) != LUA_TSTRING) {
      fail(name, "names with strings", describe_value(L_, -2) + " = " + describe_value(L_, -1));
    }
    size_t name_size = 0, value_size = 0;
    const char* key = lua_tolstring(L_, -2, &name_size);
    const char* value = lua_tolstring(L_, -1, &value_size);
    map[std::string(key, name_size)] = std::string(value, value_size);  // a NUL byte does not end them
    lua_pop(L_, 1);
  }
  lua_pop(L_, 1);
  return map;
}

std::optional<std::string> Options::choice(const char* name, const std::vector<std::string>& choices) {
  auto value = text(name);
  if (!value) return value;
  for (const std::string& one : choices) {
    if (one == *value) return value;
  }
  fail(name, "one of " + join(choices, ", "), "'" + *value + "'");
}

void Options::finish() const {
  if (!present_) return;
  lua_pushnil(L_);
  while (lua_next(L_, index_) != 0) {
    lua_pop(L_, 1);
    if (lua_type(L_, -1) == LUA_TSTRING && known_.count(lua_tostring(L_, -1)) > 0) continue;
    std::vector<std::string> names(known_.begin(), known_.end());
    std::string name = lua_type(L_, -1) == LUA_TSTRING ? lua_tostring(L_, -1) : describe_value(L_, -1);
    std::string hint = did_you_mean(name, names);
    throw Error("lua", "UNKNOWN_OPTION", std::string(function_) + ": unknown option '" + name + "'")
        .with_hint(hint.empty() ? "it knows " + join(names, ", ") : hint);
  }
}

}  // namespace drover::core
