#include "bindings/core/error_object.h"

#include <cctype>
#include <cstring>

namespace drover::core {

namespace {

// Chunks of stdlib are loaded under this name, so that errors can blame the playbook and not the library.
constexpr const char* own_chunk_prefix = "@stdlib/";

void set_text(lua_State* L, const char* name, const std::string& text) {
  if (!text.empty()) set_field(L, name, text);
}

std::string get_text(lua_State* L, int index, const char* name) {
  std::string text;
  lua_pushstring(L, name);
  lua_rawget(L, index);
  if (lua_type(L, -1) == LUA_TSTRING) text = lua_tostring(L, -1);
  lua_pop(L, 1);
  return text;
}

bool is_of_a_name(char letter) {
  return std::isalnum(static_cast<unsigned char>(letter)) != 0 || std::strchr("-_./", letter) != nullptr;
}

// Whether the text names the host by itself. As a part of a word or of a path it does not: "a" is in "cannot", and
// "/images/kvm1.raw" says nothing about kvm1.
bool names(const std::string& text, const std::string& host) {
  for (size_t at = text.find(host); at != std::string::npos; at = text.find(host, at + 1)) {
    size_t end = at + host.size();
    // A stop that ends a sentence is no part of a name.
    bool goes_on = end < text.size() && is_of_a_name(text[end]) &&
                   !(text[end] == '.' && (end + 1 == text.size() || !is_of_a_name(text[end + 1])));
    if ((at == 0 || !is_of_a_name(text[at - 1])) && !goes_on) return true;
  }
  return false;
}

// One line for a person: [place: ][host: ]what failed.
std::string one_line(lua_State* L, int index) {
  std::string text = get_text(L, index, "message");
  std::string host = get_text(L, index, "host");
  if (!host.empty() && !names(text, host)) text = host + ": " + text;
  std::string where = get_text(L, index, "where");
  if (!where.empty()) text = where + ": " + text;
  return text;
}

// error { code = "X", message = "..." } by a script that does not know errors.raise: a table that says nothing by
// itself.
bool is_table_of_fields(lua_State* L, int index) {
  if (lua_type(L, index) != LUA_TTABLE) return false;
  if (luaL_getmetafield(L, index, "__tostring") == LUA_TNIL) return true;
  lua_pop(L, 1);
  return false;
}

// Replaces such a table on the top of the stack by a copy that has a domain, a code and a message.
void copy_fields(lua_State* L) {
  lua_createtable(L, 0, 8);
  lua_pushnil(L);
  while (lua_next(L, -3) != 0) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_remove(L, -2);
  int index = lua_gettop(L);
  if (get_text(L, index, "domain").empty()) set_field(L, "domain", "playbook");
  std::string code = get_text(L, index, "code");
  if (get_text(L, index, "message").empty()) {
    set_field(L, "message", code.empty() ? "an error without a message: a table with neither message nor code" : code);
  }
  if (code.empty()) set_field(L, "code", "FAILED");
}

int error_to_string(lua_State* L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  push(L, one_line(L, 1));
  return 1;
}

const char* name_of(lua_State* L, const char* name) {
  return name != nullptr ? name : lua_tostring(L, lua_upvalueindex(2));
}

}  // namespace

void open_errors(lua_State* L) {
  luaL_newmetatable(L, error_metatable);
  lua_pushcfunction(L, error_to_string);
  lua_setfield(L, -2, "__tostring");
  lua_pushstring(L, error_metatable);
  lua_setfield(L, -2, "__name");
  lua_pop(L, 1);
}

std::string with_whole_path(const std::string& message, const std::string& chunk_name) {
  constexpr size_t dots = 3;
  size_t colon = message.find(':');
  if (chunk_name.rfind('@', 0) != 0 || message.rfind("...", 0) != 0 || colon == std::string::npos) return message;
  std::string path = chunk_name.substr(1);
  std::string end = message.substr(dots, colon - dots);
  bool is_of_it = path.size() >= end.size() && path.compare(path.size() - end.size(), end.size(), end) == 0;
  return is_of_it ? path + message.substr(colon) : message;
}

namespace {

// A message that Lua put a place in front of, which is in one of the functions that run.
std::string with_whole_path_of_frame(lua_State* thread, const std::string& message) {
  lua_Debug frame;
  for (int level = 0; message.rfind("...", 0) == 0 && lua_getstack(thread, level, &frame) != 0; ++level) {
    lua_getinfo(thread, "S", &frame);
    std::string whole = with_whole_path(message, frame.source);
    if (whole != message) return whole;
  }
  return message;
}

}  // namespace

std::string caller_place(lua_State* L) {
  lua_Debug frame;
  for (int level = 0; lua_getstack(L, level, &frame) != 0; ++level) {
    lua_getinfo(L, "Sl", &frame);
    if (frame.currentline <= 0) continue;
    if (std::strncmp(frame.source, own_chunk_prefix, std::strlen(own_chunk_prefix)) == 0) continue;
    const char* file = frame.source[0] == '@' ? frame.source + 1 : frame.short_src;
    return std::string(file) + ":" + std::to_string(frame.currentline);
  }
  return "";
}

void push_error(lua_State* L, const Error& error) {
  luaL_checkstack(L, 8, "error object");
  lua_createtable(L, 0, 10);
  set_text(L, "domain", error.domain);
  set_text(L, "code", error.code);
  set_text(L, "message", error.message);
  set_text(L, "native", error.native);
  set_text(L, "op", error.op);
  set_text(L, "host", error.host);
  set_text(L, "object", error.object);
  set_text(L, "hint", error.hint);
  set_text(L, "where", caller_place(L));
  if (error.cause) {
    push_error(L, *error.cause);
    lua_pushnil(L);  // the place is the error's own
    lua_setfield(L, -2, "where");
    lua_setfield(L, -2, "cause");
  }
  luaL_traceback(L, L, nullptr, 1);
  lua_setfield(L, -2, "traceback");
  luaL_setmetatable(L, error_metatable);
}

void raise_error(lua_State* L, const Error& error) {
  push_error(L, error);
  lua_error(L);
  __builtin_unreachable();
}

bool is_error_object(lua_State* L, int index) {
  if (lua_type(L, index) != LUA_TTABLE || lua_getmetatable(L, index) == 0) return false;
  luaL_getmetatable(L, error_metatable);
  bool same = lua_rawequal(L, -1, -2) != 0;
  lua_pop(L, 2);
  return same;
}

void complete_error(lua_State* L, lua_State* thread) {
  if (!is_error_object(L, -1)) {
    if (is_table_of_fields(L, -1)) {
      copy_fields(L);
    } else {
      // An error made by error("...") or by Lua itself: its text has the place in front already.
      std::string text = with_whole_path_of_frame(thread, luaL_tolstring(L, -1, nullptr));
      lua_pop(L, 2);
      lua_createtable(L, 0, 4);
      set_field(L, "domain", "lua");
      set_field(L, "code", "LUA_ERROR");
      set_field(L, "message", text);
    }
    luaL_setmetatable(L, error_metatable);
  }
  int index = lua_gettop(L);
  if (get_text(L, index, "traceback").empty()) {
    luaL_traceback(L, thread, nullptr, 0);
    lua_setfield(L, index, "traceback");
  }
}

Error to_error(lua_State* L, int index) {
  index = lua_absindex(L, index);
  if (!is_error_object(L, index) && !is_table_of_fields(L, index)) {
    std::string text = luaL_tolstring(L, index, nullptr);
    lua_pop(L, 1);
    return Error("lua", "LUA_ERROR", text);
  }
  Error error(get_text(L, index, "domain"), get_text(L, index, "code"), one_line(L, index));
  error.native = get_text(L, index, "native");
  error.op = get_text(L, index, "op");
  error.host = get_text(L, index, "host");
  error.object = get_text(L, index, "object");
  error.hint = get_text(L, index, "hint");
  return error;
}

int call_at_edge(lua_State* L, lua_CFunction function, const char* name) {
  // The exception is dead before Lua's own is thrown; nothing of C++ is alive across lua_error.
  {
    bool failed = false;
    try {
      return function(L);
    } catch (Error& error) {
      if (error.op.empty()) error.op = name_of(L, name);
      push_error(L, error);
      failed = true;
    } catch (const std::exception& error) {
      std::string full_name = name_of(L, name);
      push_error(L, Error("drover", "INTERNAL", full_name + ": " + error.what()).during(full_name));
      failed = true;
    }
    if (!failed) return 0;
  }
  return lua_error(L);
}

}  // namespace drover::core
