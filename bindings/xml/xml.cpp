#include "bindings/xml/xml.h"

#include "bindings/xml/diff.h"
#include "bindings/xml/node.h"

namespace drover::xml {

namespace {

using core::Args;

int parse(lua_State* L) {
  std::string text = Args(L, "xml.parse").text(1, "text");
  auto document = Document::parse(text);
  push_node(L, document, document->root());
  return 1;
}

// A node, or the root of the text at index.
Source check_side(lua_State* L, int index, const char* name) {
  if (lua_type(L, index) == LUA_TSTRING) {
    auto document = Document::parse(Args(L, "xml.diff").text(index, name));
    return {document, document->root()};
  }
  Handle& node = check_node(L, index, "xml.diff", name);
  return {node.document, node.node};
}

int diff_nodes(lua_State* L) {
  Source old_side = check_side(L, 1, "old");
  Source new_side = check_side(L, 2, "new");
  auto changes = diff(old_side.element, new_side.element);
  lua_createtable(L, static_cast<int>(changes.size()), 0);
  lua_Integer index = 0;
  for (const Change& change : changes) {
    lua_createtable(L, 0, 4);
    core::set_field(L, "path", change.path);
    core::set_field(L, "kind", change.kind);
    core::set_field(L, "old", change.old_value);
    core::set_field(L, "new", change.new_value);
    lua_rawseti(L, -2, ++index);
  }
  return 1;
}

int format_changes(lua_State* L) {
  Args args(L, "xml.format_diff");
  args.table(1, "changes");
  std::vector<Change> changes;
  auto length = static_cast<lua_Integer>(lua_rawlen(L, 1));
  for (lua_Integer i = 1; i <= length; ++i) {
    lua_rawgeti(L, 1, i);
    core::Options fields(L, lua_gettop(L), "xml.format_diff");
    Change change;
    change.path = fields.text("path").value_or("");
    change.kind = fields.choice("kind", {"added", "removed", "changed"}).value_or("changed");
    change.old_value = fields.text("old");
    change.new_value = fields.text("new");
    fields.finish();
    changes.push_back(std::move(change));
    lua_pop(L, 1);
  }
  core::push(L, format_diff(changes));
  return 1;
}

}  // namespace

const core::Module& module() {
  static const core::Module definition = [] {
    std::vector<core::Function> methods = node_functions();
    for (core::Function& function : query_functions()) methods.push_back(std::move(function));
    return core::Module{
        "xml",
        "XML: parse, XPath, edit, compare, write. Values can never become markup.",
        {
            {"parse",
             parse,
             "The root element of an XML text of at most 16 MiB in UTF-8. Document type declarations are refused, so "
             "there is no entity to expand and no file to read. Comments are kept, white space between elements is "
             "not.",
             {{"text", "string", "An XML document."}},
             {{"root", "xml.Node", ""}},
             "BAD_ARGUMENT, BAD_XML"},
            {"build",
             build,
             "An element made of a table: xml.build{\"disk\", type = \"file\", {\"source\", file = path}, {\"target\", "
             "dev = \"vda\"}}. First the name; named fields are attributes; further items are elements (tables or "
             "nodes) and texts in order. Strings and integers are values; false is left out.",
             {{"element", "table", "The table described above."}},
             {{"root", "xml.Node", "The root of a document of its own."}},
             "BAD_ARGUMENT, BAD_NAME, BAD_TEXT"},
            {"diff",
             diff_nodes,
             "What differs: a list of {path, kind, old, new} with the kinds added, removed and changed; empty when "
             "nothing does. The order of attributes, white space and comments do not count; disks, interfaces and all "
             "else that has a name among its siblings are paired by it.",
             {{"old", "xml.Node|string", "The XML before."}, {"new", "xml.Node|string", "The XML after."}},
             {{"changes", "table", ""}},
             "BAD_ARGUMENT, BAD_XML"},
            {"format_diff",
             format_changes,
             "The changes as lines for a person: \"~ path: old -> new\", \"+ path: new\", \"- path: old\".",
             {{"changes", "table", "From xml.diff."}},
             {{"text", "string", "\"\" without changes."}},
             "BAD_ARGUMENT"},
        },
        {{Node::lua_name, "An element of an XML document; it keeps the document alive.", std::move(methods),
          core::destroy_object<Node>}}};
  }();
  return definition;
}

}  // namespace drover::xml
