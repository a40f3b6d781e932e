// Tables to elements: {"disk", type = "file", {"source", file = path}, "text"}. No value can end up as markup.
#include "bindings/xml/node.h"
#include "bindings/xml/strict.h"

namespace drover::xml {

namespace {

[[noreturn]] void fail(const std::string& function, const std::string& place, const std::string& expected,
                       const std::string& got) {
  throw Error("usage", "BAD_ARGUMENT", function + ": " + place + ": expected " + expected + ", got " + got);
}

// Reads one table into a document. Fields of the table: [1] the name, other integers the content in order,
// names the attributes. false stands for nothing, so that `condition and {...}` can be written in place.
class Builder {
 public:
  Builder(lua_State* L, const char* function) : L_(L), function_(function) {}

  void element(int index, pugi::xml_node parent, const std::string& place, int depth) {
    luaL_checkstack(L_, 8, function_.c_str());
    if (depth > deepest_element) fail(function_, place, "a table without a cycle", "one nested too deeply");
    index = lua_absindex(L_, index);
    lua_rawgeti(L_, index, 1);
    if (lua_type(L_, -1) != LUA_TSTRING) {
      fail(function_, place + "[1]", "the name of an element", core::describe_value(L_, -1));
    }
    std::string name = text_at(-1);
    lua_pop(L_, 1);
    check_name(name);
    pugi::xml_node made = parent.append_child(name.c_str());

    std::vector<lua_Integer> positions;
    std::vector<std::string> attributes;
    list_fields(index, name, positions, attributes);
    for (const std::string& attribute : attributes) add_attribute(index, made, attribute);
    for (lua_Integer position : positions) add_content(index, made, position, depth);
  }

 private:
  std::string text_at(int index) const {
    size_t size = 0;
    const char* text = lua_tolstring(L_, index, &size);
    return {text, size};
  }

  // Attributes are sorted, so that the same table always gives the same text.
  void list_fields(int index, const std::string& name, std::vector<lua_Integer>& positions,
                   std::vector<std::string>& attributes) const {
    lua_pushnil(L_);
    while (lua_next(L_, index) != 0) {
      if (lua_isinteger(L_, -2) != 0) {
        if (lua_tointeger(L_, -2) != 1) positions.push_back(lua_tointeger(L_, -2));
      } else if (lua_type(L_, -2) == LUA_TSTRING) {
        attributes.push_back(text_at(-2));
      } else {
        fail(function_, name, "names of attributes and a list", "the key " + core::describe_value(L_, -2));
      }
      lua_pop(L_, 1);
    }
    std::sort(positions.begin(), positions.end());
    std::sort(attributes.begin(), attributes.end());
  }

  bool is_nothing() const { return lua_type(L_, -1) == LUA_TBOOLEAN && lua_toboolean(L_, -1) == 0; }

  // A string or an integer on the top of the stack as text.
  bool read_text(std::string& text) const {
    if (lua_type(L_, -1) != LUA_TSTRING && lua_isinteger(L_, -1) == 0) return false;
    lua_pushvalue(L_, -1);
    text = text_at(-1);
    lua_pop(L_, 1);
    check_value(text);
    return true;
  }

  void add_attribute(int index, pugi::xml_node made, const std::string& attribute) {
    lua_getfield(L_, index, attribute.c_str());
    std::string text;
    if (!is_nothing()) {
      if (!read_text(text)) {
        fail(function_, std::string(made.name()) + "." + attribute, "a string or an integer (\"yes\", not true)",
             core::describe_value(L_, -1));
      }
      check_name(attribute);
      made.append_attribute(attribute.c_str()).set_value(text.c_str());
    }
    lua_pop(L_, 1);
  }

  void add_content(int index, pugi::xml_node made, lua_Integer position, int depth) {
    std::string place = std::string(made.name()) + "[" + std::to_string(position) + "]";
    lua_rawgeti(L_, index, position);
    std::string text;
    if (is_nothing()) {
      // left out
    } else if (read_text(text)) {
      made.append_child(pugi::node_pcdata).set_value(text.c_str());
    } else if (Node* node = core::test_object<Node>(L_, -1)) {
      made.append_copy(node->handle->node);
    } else if (lua_type(L_, -1) == LUA_TTABLE) {
      element(lua_gettop(L_), made, place, depth + 1);
    } else {
      fail(function_, place, "an element (a table or a node), a text or false", core::describe_value(L_, -1));
    }
    lua_pop(L_, 1);
  }

  lua_State* L_;
  std::string function_;
};

}  // namespace

Source check_source(lua_State* L, int index, const char* function, const char* name) {
  if (Node* node = core::test_object<Node>(L, index)) return {node->handle->document, node->handle->node};
  if (lua_type(L, index) != LUA_TTABLE) {
    core::Args(L, function).fail(index, name, "a table like {\"disk\", type = \"file\"} or an xml.Node");
  }
  auto document = std::make_shared<Document>();
  Builder(L, function).element(index, document->tree(), name, 1);
  if (height_of(document->root()) > deepest_element) {
    fail(function, name, "at most " + std::to_string(deepest_element) + " elements in each other", "more");
  }
  return {document, document->root()};
}

int build(lua_State* L) {
  core::Args(L, "xml.build").table(1, "element");
  Source made = check_source(L, 1, "xml.build", "element");
  push_node(L, made.document, made.element);
  return 1;
}

}  // namespace drover::xml
