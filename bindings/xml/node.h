// What Lua holds of an element: xml.Node. Its methods are in node.cpp (reading and editing), query.cpp (XPath) and
// build.cpp (tables to elements); they are listed for registration by the functions below.
// Tested by tests/bindings/xml/{node,query,build}_test.lua.
#pragma once

#include "bindings/core/module.h"
#include "bindings/core/object.h"
#include "bindings/xml/document.h"

namespace drover::xml {

struct Node {
  static constexpr const char* lua_name = "xml.Node";
  std::shared_ptr<Handle> handle;
};

// Pushes the element, or nil when there is none.
void push_node(lua_State* L, const std::shared_ptr<Document>& document, pugi::xml_node element);

Handle& check_node(lua_State* L, int index, const char* function, const char* name = "self");

// An element that is put into a tree: a document made of the table at index (the form of xml.build), or the one of
// the node there. Throws BAD_ARGUMENT, BAD_NAME, BAD_TEXT.
struct Source {
  std::shared_ptr<Document> document;
  pugi::xml_node element;
};
Source check_source(lua_State* L, int index, const char* function, const char* name);

// Replaces all that is in the element by the text.
void replace_text(Document& document, pugi::xml_node element, const std::string& text);

int build(lua_State* L);

std::vector<core::Function> node_functions();
std::vector<core::Function> query_functions();

}  // namespace drover::xml
