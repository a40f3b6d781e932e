// What differs between two elements, as a person sees it: the order of attributes, white space between elements and
// comments do not count; disks, interfaces and the like are paired by what names them and not by their place. Passwords
// of displays are compared and not shown.
// Tested by tests/bindings/xml/diff_test.cpp.
#pragma once

#include <optional>
#include <pugixml.hpp>
#include <string>
#include <vector>

namespace drover::xml {

struct Change {
  // An XPath: in the new element for what was added, in the old one else.
  std::string path;
  std::string kind;  // added, removed, changed
  std::optional<std::string> old_value;
  std::optional<std::string> new_value;
};

std::vector<Change> diff(pugi::xml_node old_element, pugi::xml_node new_element);

// One line a change: "~ path: old -> new", "+ path: new", "- path: old"; elements follow indented. "" without changes.
std::string format_diff(const std::vector<Change>& changes);

}  // namespace drover::xml
