#include "bindings/xml/diff.h"

#include <algorithm>
#include <map>
#include <set>

#include "bindings/xml/document.h"
#include "host/base/text.h"

namespace drover::xml {

namespace {

using Nodes = std::vector<pugi::xml_node>;
using Pairs = std::vector<std::pair<size_t, size_t>>;

// Beyond this many comparisons elements are paired by place: a bound, not a quality that a domain meets.
constexpr size_t most_comparisons = 4'000'000;

// What names an element among its siblings, best first. [libvirt docs/formatdomain.rst]
// An interface goes by its address: its target is made up by libvirt at each start.
constexpr const char* naming_queries[] = {"mac/@address", "target/@dev", "@index", "alias/@name",
                                          "@name",        "@uuid",       "@id",    "@uri"};

// The text that counts: without the white space around it.
std::string content_of(pugi::xml_node element) { return std::string(trim(text_of(element))); }

Nodes elements_in(pugi::xml_node parent, const std::string& name) {
  Nodes list;
  for (pugi::xml_node child : parent.children(name.c_str())) list.push_back(child);
  return list;
}

bool is_equal(pugi::xml_node left, pugi::xml_node right);

size_t count_attributes(pugi::xml_node element) {
  auto range = element.attributes();
  return static_cast<size_t>(std::distance(range.begin(), range.end()));
}

bool has_equal_attributes(pugi::xml_node left, pugi::xml_node right) {
  if (count_attributes(left) != count_attributes(right)) return false;
  auto range = left.attributes();
  return std::all_of(range.begin(), range.end(), [&](pugi::xml_attribute one) {
    pugi::xml_attribute other = right.attribute(one.name());
    return other && std::string_view(other.value()) == one.value();
  });
}

// One identity for the element, "" when nothing names it.
std::string naming_value(pugi::xml_node element) {
  for (const char* query : naming_queries) {
    pugi::xpath_node found = element.select_node(query);
    if (!found) continue;
    std::string value = std::string(query) + "=" + found.attribute().value();
    // Controllers of all types count from 0.
    return std::string(element.name()) == "controller" ? value + element.attribute("type").value() : value;
  }
  return "";
}

// Pairs of equal elements that keep both orders: the longest common subsequence.
Pairs pair_in_order(const Nodes& left, const Nodes& right) {
  if (left.size() * right.size() > most_comparisons) return {};
  std::vector<std::vector<size_t>> best(left.size() + 1, std::vector<size_t>(right.size() + 1, 0));
  std::vector<std::vector<bool>> equal(left.size(), std::vector<bool>(right.size()));
  for (size_t i = left.size(); i-- > 0;) {
    for (size_t j = right.size(); j-- > 0;) {
      equal[i][j] = is_equal(left[i], right[j]);
      best[i][j] = equal[i][j] ? best[i + 1][j + 1] + 1 : std::max(best[i + 1][j], best[i][j + 1]);
    }
  }
  Pairs pairs;
  for (size_t i = 0, j = 0; i < left.size() && j < right.size();) {
    if (equal[i][j]) {
      pairs.emplace_back(i++, j++);
    } else if (best[i + 1][j] >= best[i][j + 1]) {
      ++i;
    } else {
      ++j;
    }
  }
  return pairs;
}

// Pairs by name when every element of both sides has one of its own; nothing else.
std::optional<Pairs> pair_by_name(const Nodes& left, const Nodes& right) {
  std::map<std::string, size_t> places;
  for (size_t j = 0; j < right.size(); ++j) {
    std::string name = naming_value(right[j]);
    if (name.empty() || !places.emplace(name, j).second) return std::nullopt;
  }
  std::set<std::string> seen;
  Pairs pairs;
  for (size_t i = 0; i < left.size(); ++i) {
    std::string name = naming_value(left[i]);
    if (name.empty() || !seen.insert(name).second) return std::nullopt;
    if (auto found = places.find(name); found != places.end()) pairs.emplace_back(i, found->second);
  }
  return pairs;
}

// Equal ones first; what is left over between two of them is paired in order, as changed elements.
Pairs pair_elements(const Nodes& left, const Nodes& right) {
  if (auto pairs = pair_by_name(left, right)) return *pairs;
  Pairs equal = pair_in_order(left, right);
  equal.emplace_back(left.size(), right.size());  // the end, so that the last gap is like the others
  Pairs pairs;
  size_t i = 0, j = 0;
  for (auto [next_i, next_j] : equal) {
    while (i < next_i && j < next_j) pairs.emplace_back(i++, j++);
    if (next_i < left.size()) pairs.emplace_back(next_i, next_j);
    i = next_i + 1;
    j = next_j + 1;
  }
  return pairs;
}

// Names of the child elements of both, in the order of the first and then of the second.
std::vector<std::string> child_names(pugi::xml_node left, pugi::xml_node right) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (pugi::xml_node parent : {left, right}) {
    for (pugi::xml_node child : parent.children()) {
      if (child.type() == pugi::node_element && seen.insert(child.name()).second) names.emplace_back(child.name());
    }
  }
  return names;
}

bool is_equal(pugi::xml_node left, pugi::xml_node right) {
  if (std::string_view(left.name()) != right.name() || !has_equal_attributes(left, right)) return false;
  if (content_of(left) != content_of(right)) return false;
  for (const std::string& name : child_names(left, right)) {
    Nodes left_nodes = elements_in(left, name);
    Nodes right_nodes = elements_in(right, name);
    if (left_nodes.size() != right_nodes.size()) return false;
    if (auto pairs = pair_by_name(left_nodes, right_nodes)) {
      if (pairs->size() != left_nodes.size()) return false;
      for (auto [i, j] : *pairs) {
        if (!is_equal(left_nodes[i], right_nodes[j])) return false;
      }
    } else {
      for (size_t i = 0; i < left_nodes.size(); ++i) {
        if (!is_equal(left_nodes[i], right_nodes[i])) return false;
      }
    }
  }
  return true;
}

std::string step_path(const std::string& path, const Nodes& siblings, size_t index) {
  std::string place = siblings.size() > 1 ? "[" + std::to_string(index + 1) + "]" : "";
  return path + "/" + siblings[index].name() + place;
}

// Differences are shown in plans and errors. The password of a display is the one secret that libvirt's documents hold
// [libvirt docs/formatdomain.rst, graphics]; that it changed may be seen.
constexpr const char* secret_attribute = "passwd";
constexpr const char* hidden = "***";

std::string shown_value(pugi::xml_attribute one) {
  return std::string_view(one.name()) == secret_attribute ? hidden : one.value();
}

void hide_secrets(pugi::xml_node element) {
  if (pugi::xml_attribute secret = element.attribute(secret_attribute)) secret.set_value(hidden);
  for (pugi::xml_node child : element.children()) hide_secrets(child);
}

std::string whole_text(pugi::xml_node element) {
  pugi::xml_document copy;
  pugi::xml_node shown = copy.append_copy(element);
  hide_secrets(shown);
  return std::string(trim(serialise(shown, 2)));
}

class Differ {
 public:
  void compare(pugi::xml_node left, pugi::xml_node right, const std::string& path) {
    compare_attributes(left, right, path);
    std::string old_text = content_of(left);
    std::string new_text = content_of(right);
    if (old_text != new_text) changes_.push_back({path, "changed", old_text, new_text});
    for (const std::string& name : child_names(left, right)) {
      compare_children(elements_in(left, name), elements_in(right, name), path);
    }
  }

  std::vector<Change> changes_;

 private:
  void compare_attributes(pugi::xml_node left, pugi::xml_node right, const std::string& path) {
    for (pugi::xml_attribute one : left.attributes()) {
      std::string place = path + "/@" + one.name();
      pugi::xml_attribute other = right.attribute(one.name());
      if (!other) {
        changes_.push_back({place, "removed", shown_value(one), std::nullopt});
      } else if (std::string_view(other.value()) != one.value()) {
        changes_.push_back({place, "changed", shown_value(one), shown_value(other)});
      }
    }
    for (pugi::xml_attribute one : right.attributes()) {
      if (!left.attribute(one.name())) {
        changes_.push_back({path + "/@" + one.name(), "added", std::nullopt, shown_value(one)});
      }
    }
  }

  void compare_children(const Nodes& left, const Nodes& right, const std::string& path) {
    std::map<size_t, size_t> partners;
    std::set<size_t> taken;
    for (auto [i, j] : pair_elements(left, right)) {
      partners[i] = j;
      taken.insert(j);
    }
    for (size_t i = 0; i < left.size(); ++i) {
      if (auto partner = partners.find(i); partner != partners.end()) {
        compare(left[i], right[partner->second], step_path(path, left, i));
      } else {
        changes_.push_back({step_path(path, left, i), "removed", whole_text(left[i]), std::nullopt});
      }
    }
    for (size_t j = 0; j < right.size(); ++j) {
      if (!taken.contains(j)) {
        changes_.push_back({step_path(path, right, j), "added", std::nullopt, whole_text(right[j])});
      }
    }
  }
};

std::string side_text(const std::string& sign, const std::string& path, const std::string& value) {
  if (!value.starts_with('<')) return sign + " " + path + ": " + value + "\n";
  std::string text = sign + " " + path + "\n";
  for (const std::string& line : split(value, '\n')) text += sign + "     " + line + "\n";
  return text;
}

std::string shown(const std::string& value) { return value.empty() ? "(empty)" : value; }

}  // namespace

std::vector<Change> diff(pugi::xml_node old_element, pugi::xml_node new_element) {
  std::string path = std::string("/") + old_element.name();
  if (std::string_view(old_element.name()) != new_element.name()) {
    return {{path, "changed", whole_text(old_element), whole_text(new_element)}};
  }
  Differ differ;
  differ.compare(old_element, new_element, path);
  return std::move(differ.changes_);
}

std::string format_diff(const std::vector<Change>& changes) {
  std::string text;
  for (const Change& change : changes) {
    std::string old_value = shown(change.old_value.value_or(""));
    std::string new_value = shown(change.new_value.value_or(""));
    if (change.kind == "added") {
      text += side_text("+", change.path, new_value);
    } else if (change.kind == "removed") {
      text += side_text("-", change.path, old_value);
    } else if (old_value.starts_with('<')) {
      text += side_text("-", change.path, old_value) + side_text("+", change.path, new_value);
    } else {
      text += "~ " + change.path + ": " + old_value + " -> " + new_value + "\n";
    }
  }
  return text;
}

}  // namespace drover::xml
