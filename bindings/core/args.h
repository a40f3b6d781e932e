// Reading the arguments of a bound function, strictly: a wrong type, an unknown option and a number out of range
// are errors that name the function, the field, what was expected and what came. Strings are not numbers.
// Tested by tests/bindings/core/args_test.cpp.
#pragma once

#include <limits>
#include <set>

#include "bindings/core/lua.h"
#include "host/base/error.h"

namespace drover::core {

// "number 5", "string 'x'", "table": what a person sees of a wrong value. Long strings are cut.
std::string describe_value(lua_State* L, int index);

// Positional arguments. For a method, index 1 is the object.
class Args {
 public:
  static constexpr int64_t lowest = std::numeric_limits<int64_t>::min();
  static constexpr int64_t highest = std::numeric_limits<int64_t>::max();

  Args(lua_State* L, const char* function) : L_(L), function_(function) {}

  bool absent(int index) const { return lua_isnoneornil(L_, index); }
  std::string text(int index, const char* name) const;
  std::optional<std::string> optional_text(int index, const char* name) const;
  int64_t integer(int index, const char* name, int64_t least = lowest, int64_t most = highest) const;
  std::optional<int64_t> optional_integer(int index, const char* name, int64_t least = lowest,
                                          int64_t most = highest) const;
  bool boolean(int index, const char* name) const;
  bool optional_boolean(int index, const char* name, bool otherwise) const;
  std::vector<std::string> text_list(int index, const char* name) const;
  void function(int index, const char* name) const;
  void table(int index, const char* name) const;
  // One of the choices, or an error that lists them.
  std::string choice(int index, const char* name, const std::vector<std::string>& choices) const;

  [[noreturn]] void fail(int index, const char* name, const std::string& expected) const;

 private:
  lua_State* L_;
  const char* function_;
};

// An options table: each reader notes its field, finish() refuses any other.
class Options {
 public:
  // The value at index is a table or nil.
  Options(lua_State* L, int index, const char* function);

  std::optional<std::string> text(const char* name);
  std::optional<int64_t> integer(const char* name, int64_t least = Args::lowest, int64_t most = Args::highest);
  std::optional<bool> boolean(const char* name);
  bool flag(const char* name) { return boolean(name).value_or(false); }
  std::optional<std::vector<std::string>> text_list(const char* name);
  std::optional<std::map<std::string, std::string>> text_map(const char* name);
  std::optional<std::string> choice(const char* name, const std::vector<std::string>& choices);
  // Pushes the field for a reader of its own; false and nothing pushed when it is absent.
  bool push_field(const char* name);

  // Call after the last reader: an unknown field is an error with the nearest name.
  void finish() const;

  [[noreturn]] void fail(const char* name, const std::string& expected, const std::string& got) const;

 private:
  bool get(const char* name, int type, const char* expected);

  lua_State* L_;
  int index_;
  bool present_;
  const char* function_;
  std::set<std::string> known_;
};

}  // namespace drover::core
