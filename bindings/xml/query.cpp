// XPath 1.0 on elements. Values go in as variables ($dev), never into the text of the query.
// A prefix is a part of the name here ("qemu:arg"); namespaces are not resolved (pugixml).
#include "bindings/xml/node.h"
#include "bindings/xml/strict.h"

namespace drover::xml {

namespace {

using core::Args;

constexpr size_t longest_query = 4096;

// The query of argument 2 with the variables of argument 3.
class Query {
 public:
  Query(lua_State* L, const char* function, int variables_index = 3) : function_(function) {
    text_ = Args(L, function).text(2, "xpath");
    if (text_.size() > longest_query) fail("longer than " + std::to_string(longest_query) + " bytes", 0);
    read_variables(L, variables_index);
    try {
      query_ = pugi::xpath_query(text_.c_str(), &variables_);
    } catch (const pugi::xpath_exception& error) {
      fail(error.result().description(), error.result().offset);
    }
  }

  // Elements in the order of the document.
  std::vector<pugi::xml_node> elements(pugi::xml_node from) const {
    if (query_.return_type() != pugi::xpath_type_node_set) fail("it gives no elements; value() reads it", 0);
    pugi::xpath_node_set found = query_.evaluate_node_set(from);
    found.sort();
    std::vector<pugi::xml_node> list;
    list.reserve(found.size());
    for (const pugi::xpath_node& one : found) {
      if (one.attribute() || one.node().type() != pugi::node_element) {
        fail("it selects attributes or text and not elements; value() reads them", 0);
      }
      list.push_back(one.node());
    }
    return list;
  }

  std::optional<std::string> value(pugi::xml_node from) const {
    if (query_.return_type() != pugi::xpath_type_node_set) return query_.evaluate_string(from);
    pugi::xpath_node first = query_.evaluate_node(from);
    if (!first) return std::nullopt;
    if (first.attribute()) return first.attribute().value();
    return first.node().type() == pugi::node_element ? text_of(first.node()) : first.node().value();
  }

  size_t count(pugi::xml_node from) const {
    if (query_.return_type() != pugi::xpath_type_node_set) fail("it gives no list to count", 0);
    return query_.evaluate_node_set(from).size();
  }

  pugi::xpath_node first(pugi::xml_node from) const {
    if (query_.return_type() != pugi::xpath_type_node_set) fail("it gives no element", 0);
    return query_.evaluate_node(from);
  }

  const std::string& text() const { return text_; }

  [[noreturn]] void fail(const std::string& reason, ptrdiff_t offset) const {
    std::string place = offset > 0 ? ", at its character " + std::to_string(offset + 1) : "";
    std::string shown = text_.size() > 200 ? text_.substr(0, 200) + "..." : text_;
    throw Error("xml", "BAD_XPATH", function_ + ": '" + shown + "': " + reason + place);
  }

 private:
  void read_variables(lua_State* L, int index) {
    if (lua_isnoneornil(L, index)) return;
    Args(L, function_.c_str()).table(index, "variables");
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
      if (lua_type(L, -2) != LUA_TSTRING) fail_variable("a variable", "a name", core::describe_value(L, -2));
      std::string name = lua_tostring(L, -2);
      if (!set_variable(L, name)) {
        fail_variable("$" + name, "a string, a number or a boolean", core::describe_value(L, -1));
      }
      lua_pop(L, 1);
    }
  }

  [[noreturn]] void fail_variable(const std::string& what, const std::string& expected, const std::string& got) const {
    throw Error("usage", "BAD_ARGUMENT",
                function_ + ": variables: " + what + ": expected " + expected + ", got " + got);
  }

  bool set_variable(lua_State* L, const std::string& name) {
    switch (lua_type(L, -1)) {
      case LUA_TBOOLEAN:
        return variables_.set(name.c_str(), lua_toboolean(L, -1) != 0);
      case LUA_TNUMBER:
        return variables_.set(name.c_str(), lua_tonumber(L, -1));
      case LUA_TSTRING: {
        size_t size = 0;
        const char* text = lua_tolstring(L, -1, &size);
        check_value({text, size});
        return variables_.set(name.c_str(), text);
      }
      default:
        return false;
    }
  }

  std::string function_;
  std::string text_;
  pugi::xpath_variable_set variables_;
  pugi::xpath_query query_;
};

int find(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.find");
  auto found = Query(L, "Node.find").elements(self.node);
  push_node(L, self.document, found.empty() ? pugi::xml_node() : found.front());
  return 1;
}

int find_all(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.find_all");
  auto found = Query(L, "Node.find_all").elements(self.node);
  lua_createtable(L, static_cast<int>(found.size()), 0);
  for (size_t i = 0; i < found.size(); ++i) {
    push_node(L, self.document, found[i]);
    lua_rawseti(L, -2, static_cast<lua_Integer>(i + 1));
  }
  return 1;
}

int value(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.value");
  core::push(L, Query(L, "Node.value").value(self.node));
  return 1;
}

int count(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.count");
  core::push(L, Query(L, "Node.count").count(self.node));
  return 1;
}

int set_value(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.set_value");
  std::string text = Args(L, "Node.set_value").text(3, "text");
  check_value(text);
  Query query(L, "Node.set_value", 4);
  pugi::xpath_node target = query.first(self.node);
  if (!target) {
    throw Error("xml", "NO_NODE", "'" + query.text() + "' matches nothing in <" + self.node.name() + ">");
  }
  if (target.attribute()) {
    target.attribute().set_value(text.c_str());
  } else if (target.node().type() == pugi::node_element) {
    replace_text(*self.document, target.node(), text);
  } else {
    target.node().set_value(text.c_str());
  }
  lua_pushvalue(L, 1);
  return 1;
}

int remove_all(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.remove_all");
  Query query(L, "Node.remove_all");
  std::shared_ptr<Document> document = self.document;  // self may be among those that leave it
  auto found = query.elements(self.node);
  for (pugi::xml_node one : found) {
    if (one == document->root()) throw Error("xml", "IS_ROOT", "Node.remove_all: the root element cannot be removed");
  }
  // From the last to the first: what is inside another goes before it.
  for (auto one = found.rbegin(); one != found.rend(); ++one) document->remove(*one);
  core::push(L, found.size());
  return 1;
}

}  // namespace

std::vector<core::Function> query_functions() {
  const core::Value xpath{"xpath", "string", "XPath 1.0; relative to this element, or from the root with a leading /."};
  const core::Value variables{"variables?", "table", "Values of its variables: {dev = \"vda\"} for $dev."};
  const std::string errors = "BAD_ARGUMENT, BAD_XPATH, BAD_TEXT";
  return {
      {"find",
       find,
       "The first element that matches, nil when none does. find(\"devices/disk[target/@dev=$dev]\", {dev=dev})",
       {xpath, variables},
       {{"node", "xml.Node|nil", ""}},
       errors},
      {"find_all",
       find_all,
       "All elements that match, in the order of the document.",
       {xpath, variables},
       {{"nodes", "xml.Node[]", ""}},
       errors},
      {"value",
       value,
       "The value of the first match: of an attribute, the text of an element, or the result of an "
       "expression like count(disk). nil when nothing matches.",
       {xpath, variables},
       {{"value", "string|nil", ""}},
       errors},
      {"count",
       count,
       "How many elements, attributes or texts match.",
       {xpath, variables},
       {{"count", "integer", ""}},
       errors},
      {"set_value",
       set_value,
       "Sets the first match, an attribute or the text of an element; it must be there.",
       {xpath, {"text", "string", "The new value."}, variables},
       {{"node", "xml.Node", "This element."}},
       errors + ", NO_NODE"},
      {"remove_all",
       remove_all,
       "Takes out all elements that match, and says how many.",
       {xpath, variables},
       {{"count", "integer", ""}},
       errors + ", IS_ROOT"},
  };
}

}  // namespace drover::xml
