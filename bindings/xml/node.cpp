#include "bindings/xml/node.h"

#include "bindings/xml/strict.h"

namespace drover::xml {

namespace {

using core::Args;
using core::Options;

bool is_element(pugi::xml_node node) { return node.type() == pugi::node_element; }

// What the method was called on, for the methods that give it back.
int push_self(lua_State* L) {
  lua_pushvalue(L, 1);
  return 1;
}

int name(lua_State* L) {
  core::push(L, check_node(L, 1, "Node.name").node.name());
  return 1;
}

int text(lua_State* L) {
  core::push(L, text_of(check_node(L, 1, "Node.text").node));
  return 1;
}

int set_text(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.set_text");
  std::string value = Args(L, "Node.set_text").text(2, "text");
  replace_text(*self.document, self.node, value);
  return push_self(L);
}

int attribute(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.attribute");
  std::string wanted = Args(L, "Node.attribute").text(2, "name");
  pugi::xml_attribute found = self.node.attribute(wanted.c_str());
  core::push(L, found ? std::optional<std::string>(found.value()) : std::nullopt);
  return 1;
}

int set_attribute(lua_State* L) {
  Args args(L, "Node.set_attribute");
  Handle& self = check_node(L, 1, "Node.set_attribute");
  std::string wanted = args.text(2, "name");
  std::optional<std::string> value =
      lua_isinteger(L, 3) != 0 ? std::to_string(lua_tointeger(L, 3)) : args.optional_text(3, "value");
  check_name(wanted);
  if (!value) {
    self.node.remove_attribute(wanted.c_str());
    return push_self(L);
  }
  check_value(*value);
  pugi::xml_attribute found = self.node.attribute(wanted.c_str());
  if (!found) found = self.node.append_attribute(wanted.c_str());
  found.set_value(value->c_str());
  return push_self(L);
}

int attributes(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.attributes");
  lua_newtable(L);
  for (pugi::xml_attribute one : self.node.attributes()) core::set_field(L, one.name(), one.value());
  return 1;
}

int parent(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.parent");
  pugi::xml_node above = self.node.parent();
  push_node(L, self.document, is_element(above) ? above : pugi::xml_node());
  return 1;
}

int root(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.root");
  push_node(L, self.document, self.document->root());
  return 1;
}

int children(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.children");
  auto wanted = Args(L, "Node.children").optional_text(2, "name");
  lua_newtable(L);
  lua_Integer count = 0;
  for (pugi::xml_node one : self.node.children()) {
    if (!is_element(one) || (wanted && *wanted != one.name())) continue;
    push_node(L, self.document, one);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

int child(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.child");
  std::string wanted = Args(L, "Node.child").text(2, "name");
  push_node(L, self.document, self.node.child(wanted.c_str()));
  return 1;
}

// The element to put in, and the refusal of a tree that would grow too deep.
Source check_insertion(lua_State* L, const char* function, pugi::xml_node above) {
  if (!is_element(above)) {
    throw Error("xml", "IS_ROOT", std::string(function) + ": the root element has nothing beside it");
  }
  Source source = check_source(L, 2, function, "element");
  if (depth_of(above) + height_of(source.element) > deepest_element) {
    throw Error("xml", "TOO_DEEP",
                std::string(function) + ": elements would be nested deeper than " + std::to_string(deepest_element));
  }
  return source;
}

int append(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.append");
  Source source = check_insertion(L, "Node.append", self.node);
  push_node(L, self.document, self.node.append_copy(source.element));
  return 1;
}

int insert_before(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.insert_before");
  Source source = check_insertion(L, "Node.insert_before", self.node.parent());
  push_node(L, self.document, self.node.parent().insert_copy_before(source.element, self.node));
  return 1;
}

int insert_after(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.insert_after");
  Source source = check_insertion(L, "Node.insert_after", self.node.parent());
  push_node(L, self.document, self.node.parent().insert_copy_after(source.element, self.node));
  return 1;
}

int replace_with(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.replace_with");
  Source source = check_insertion(L, "Node.replace_with", self.node.parent());
  std::shared_ptr<Document> document = self.document;  // removing gives self a document of its own
  pugi::xml_node made = self.node.parent().insert_copy_before(source.element, self.node);
  document->remove(self.node);
  push_node(L, document, made);
  return 1;
}

int remove(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.remove");
  if (!is_element(self.node.parent())) throw Error("xml", "IS_ROOT", "Node.remove: the root element cannot be removed");
  std::shared_ptr<Document> document = self.document;
  document->remove(self.node);
  return push_self(L);
}

int clone(lua_State* L) {
  auto copy = Document::copy_of(check_node(L, 1, "Node.clone").node);
  push_node(L, copy, copy->root());
  return 1;
}

int to_text(lua_State* L) {
  Handle& self = check_node(L, 1, "Node.to_text");
  Options options(L, 2, "Node.to_text");
  int indent = static_cast<int>(options.integer("indent", 0, 16).value_or(2));
  options.finish();
  core::push(L, serialise(self.node, indent));
  return 1;
}

int to_string(lua_State* L) {
  core::push(L, "xml.Node <" + std::string(check_node(L, 1, "Node.tostring").node.name()) + ">");
  return 1;
}

}  // namespace

void push_node(lua_State* L, const std::shared_ptr<Document>& document, pugi::xml_node element) {
  if (!element) {
    lua_pushnil(L);
    return;
  }
  core::push_object(L, Node{document->handle(element)});
}

Handle& check_node(lua_State* L, int index, const char* function, const char* name) {
  return *core::check_object<Node>(L, index, function, name).handle;
}

void replace_text(Document& document, pugi::xml_node element, const std::string& text) {
  check_value(text);
  document.clear(element);
  if (!text.empty()) element.append_child(pugi::node_pcdata).set_value(text.c_str());
}

std::vector<core::Function> node_functions() {
  const std::vector<core::Value> element{
      {"element", "table|xml.Node", "In the form of xml.build, or a node, of which a copy is put in."}};
  const std::vector<core::Value> made{{"node", "xml.Node", "The new element, in its place."}};
  const std::vector<core::Value> self{{"node", "xml.Node", "This element."}};
  const std::string insertion_errors = "BAD_ARGUMENT, BAD_NAME, BAD_TEXT, TOO_DEEP, IS_ROOT";
  return {
      {"name", name, "The name of the element, with its prefix: \"disk\", \"qemu:arg\".", {}, {{"name", "string", ""}}},
      {"text", text, "The text directly in the element, \"\" without any.", {}, {{"text", "string", ""}}},
      {"set_text",
       set_text,
       "Replaces all that is in the element by a text.",
       {{"text", "string", "The new text."}},
       self,
       "BAD_ARGUMENT, BAD_TEXT"},
      {"attribute",
       attribute,
       "The value of an attribute, nil when it is not there.",
       {{"name", "string", "The name of the attribute."}},
       {{"value", "string|nil", ""}},
       "BAD_ARGUMENT"},
      {"set_attribute",
       set_attribute,
       "Sets an attribute; nil takes it away.",
       {{"name", "string", "The name of the attribute."},
        {"value?", "string|integer", "The new value; nil takes the attribute away."}},
       self,
       "BAD_ARGUMENT, BAD_NAME, BAD_TEXT"},
      {"attributes", attributes, "All attributes by name. The table is a copy.", {}, {{"attributes", "table", ""}}},
      {"parent", parent, "The element that this one is in, nil for the root.", {}, {{"node", "xml.Node|nil", ""}}},
      {"root", root, "The root element of the document.", {}, {{"node", "xml.Node", ""}}},
      {"children",
       children,
       "The elements directly in this one, in order; only those of the name when it is given.",
       {{"name?", "string", "Only the elements of that name."}},
       {{"nodes", "xml.Node[]", ""}},
       "BAD_ARGUMENT"},
      {"child",
       child,
       "The first element of that name directly in this one, nil when there is none.",
       {{"name", "string", "The name of the element."}},
       {{"node", "xml.Node|nil", ""}},
       "BAD_ARGUMENT"},
      {"append", append, "Puts an element in as the last one.", element, made,
       "BAD_ARGUMENT, BAD_NAME, BAD_TEXT, TOO_DEEP"},
      {"insert_before", insert_before, "Puts an element in front of this one.", element, made, insertion_errors},
      {"insert_after", insert_after, "Puts an element after this one.", element, made, insertion_errors},
      {"replace_with", replace_with, "Puts an element in the place of this one, which becomes a document of its own.",
       element, made, insertion_errors},
      {"remove",
       remove,
       "Takes the element out. It stays usable as a document of its own, and may be put in elsewhere.",
       {},
       self,
       "IS_ROOT"},
      {"clone",
       clone,
       "A copy of the element and all below it, as a document of its own.",
       {},
       {{"node", "xml.Node", ""}}},
      {"to_text",
       to_text,
       "The element as XML text. Ends in a newline unless indent is 0.",
       {{"options?", "table", "indent: spaces a level (default 2); 0 gives one line."}},
       {{"text", "string", ""}},
       "BAD_ARGUMENT"},
      {"tostring", to_string, "What print shows of it.", {}, {{"text", "string", ""}}},
  };
}

}  // namespace drover::xml
