// Names for libvirt's numbers. A number that this build does not know becomes "unknown-7": a newer daemon may send it.
// Tested by tests/bindings/virt/domain_names_test.cpp.
#pragma once

#include <string>
#include <vector>

#include "host/base/error.h"

namespace drover::virt {

template <class Number = int>
struct EnumName {
  Number number;
  const char* name;
};

template <class Table>
std::string enum_name(const Table& table, int number) {
  for (const auto& entry : table) {
    if (static_cast<int>(entry.number) == number) return entry.name;
  }
  return "unknown-" + std::to_string(number);
}

// All names, for core::Args::choice and Options::choice.
template <class Table>
std::vector<std::string> enum_names(const Table& table) {
  std::vector<std::string> names;
  for (const auto& entry : table) names.push_back(entry.name);
  return names;
}

// The number of a name that was checked by choice() before.
template <class Table>
int enum_number(const Table& table, const std::string& name) {
  for (const auto& entry : table) {
    if (name == entry.name) return static_cast<int>(entry.number);
  }
  throw Error("virt", "BAD_ARGUMENT", "unknown name '" + name + "'");
}

}  // namespace drover::virt
