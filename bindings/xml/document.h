// A tree of pugixml, and the handles that Lua holds to its elements.
//
// Invariant: a handle never dangles. A handle keeps its document alive; an element that leaves its document while
// handles point into it becomes a document of its own, and those handles follow it there. So a script may keep what
// it removed and put it in elsewhere. All on the main thread. Tested by tests/bindings/xml/document_test.cpp.
#pragma once

#include <map>
#include <memory>
#include <pugixml.hpp>
#include <string>
#include <string_view>

namespace drover::xml {

class Document;

struct Handle {
  Handle(std::shared_ptr<Document> owner, pugi::xml_node element) : document(std::move(owner)), node(element) {}
  ~Handle();
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  std::shared_ptr<Document> document;
  pugi::xml_node node;
};

class Document : public std::enable_shared_from_this<Document> {
 public:
  // Throws BAD_XML. Comments are kept; white space between elements, the declaration and instructions are not.
  static std::shared_ptr<Document> parse(std::string_view text);
  static std::shared_ptr<Document> copy_of(pugi::xml_node element);

  pugi::xml_document& tree() { return tree_; }
  pugi::xml_node root() const { return tree_.document_element(); }

  // The one handle of the element: equal elements, equal handles.
  std::shared_ptr<Handle> handle(pugi::xml_node element);

  // Takes the element and all below it out of the tree.
  void remove(pugi::xml_node element);
  // Takes out all children, of every kind.
  void clear(pugi::xml_node element);

 private:
  friend struct Handle;
  void rescue_handles(pugi::xml_node element);
  bool has_handles(pugi::xml_node element) const;
  void follow(pugi::xml_node element, pugi::xml_node copy, const std::shared_ptr<Document>& refuge);

  pugi::xml_document tree_;
  std::map<pugi::xml_node_struct*, std::weak_ptr<Handle>> handles_;
};

// The text directly in the element, without that of the elements in it.
std::string text_of(pugi::xml_node element);

// indent 0: one line.
std::string serialise(pugi::xml_node element, int indent);

// Elements on the longest way down, with this one.
int height_of(pugi::xml_node element);
// Elements on the way up, with this one.
int depth_of(pugi::xml_node element);

}  // namespace drover::xml
