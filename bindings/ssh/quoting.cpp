#include "bindings/ssh/quoting.h"

#include "host/base/error.h"

namespace drover::ssh {

namespace {

bool is_plain(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
         std::string_view("_-./:@%+,").find(letter) != std::string_view::npos;
}

bool is_variable_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == name.npos;
}

}  // namespace

std::string quote_for_shell(std::string_view word) {
  if (word.find('\0') != word.npos) throw Error("ssh", "BAD_ARGUMENT", "an argument of a program holds a NUL byte");
  bool plain = !word.empty();
  for (char letter : word) plain = plain && is_plain(letter);
  if (plain) return std::string(word);
  // The backslash stands outside the quotes like the quote itself: fish reads it as an escape inside them.
  std::string text = "'";
  for (char letter : word) {
    if (letter == '\'' || letter == '\\') {
      text += "'\\";
      text += letter;
      text += '\'';
    } else {
      text += letter;
    }
  }
  return text + "'";
}

std::string command_line(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment) {
  if (argv.empty() || argv.front().empty()) throw Error("ssh", "BAD_ARGUMENT", "no program to run was given");
  std::string text = "exec";
  if (!environment.empty()) text += " env";
  for (const auto& [name, value] : environment) {
    if (!is_variable_name(name)) throw Error("ssh", "BAD_ARGUMENT", "'" + name + "' is no name of a variable");
    text += " " + name + "=" + quote_for_shell(value);
  }
  for (const std::string& argument : argv) text += " " + quote_for_shell(argument);
  return text;
}

}  // namespace drover::ssh
