#include "bindings/xml/document.h"

#include <algorithm>
#include <sstream>

#include "bindings/xml/strict.h"
#include "host/base/error.h"

namespace drover::xml {

Handle::~Handle() { document->handles_.erase(node.internal_object()); }

std::shared_ptr<Document> Document::parse(std::string_view text) {
  check_document_text(text);
  auto document = std::make_shared<Document>();
  // The encoding is said and not guessed, so that no declaration can change how the bytes are read.
  auto result = document->tree_.load_buffer(text.data(), text.size(), pugi::parse_default | pugi::parse_comments,
                                            pugi::encoding_utf8);
  if (!result || !document->root()) {
    throw Error("xml", "BAD_XML", std::string("not XML: ") + result.description()).with_native("pugixml");
  }
  return document;
}

std::shared_ptr<Document> Document::copy_of(pugi::xml_node element) {
  auto document = std::make_shared<Document>();
  document->tree_.append_copy(element);
  return document;
}

std::shared_ptr<Handle> Document::handle(pugi::xml_node element) {
  auto& known = handles_[element.internal_object()];
  auto handle = known.lock();
  if (!handle) {
    handle = std::make_shared<Handle>(shared_from_this(), element);
    known = handle;
  }
  return handle;
}

void Document::remove(pugi::xml_node element) {
  rescue_handles(element);
  element.parent().remove_child(element);
}

void Document::clear(pugi::xml_node element) {
  for (pugi::xml_node child : element.children()) rescue_handles(child);
  element.remove_children();
}

void Document::rescue_handles(pugi::xml_node element) {
  if (!has_handles(element)) return;
  auto keep_alive = shared_from_this();
  auto refuge = copy_of(element);
  follow(element, refuge->tree_.first_child(), refuge);
}

bool Document::has_handles(pugi::xml_node element) const {
  if (handles_.contains(element.internal_object())) return true;
  auto children = element.children();
  return std::any_of(children.begin(), children.end(), [this](pugi::xml_node child) { return has_handles(child); });
}

void Document::follow(pugi::xml_node element, pugi::xml_node copy, const std::shared_ptr<Document>& refuge) {
  if (auto known = handles_.find(element.internal_object()); known != handles_.end()) {
    if (auto handle = known->second.lock()) {
      refuge->handles_[copy.internal_object()] = handle;
      handle->document = refuge;
      handle->node = copy;
    }
    handles_.erase(known);
  }
  auto twin = copy.first_child();
  for (pugi::xml_node child : element.children()) {
    follow(child, twin, refuge);
    twin = twin.next_sibling();
  }
}

std::string text_of(pugi::xml_node element) {
  std::string text;
  for (pugi::xml_node child : element.children()) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) text += child.value();
  }
  return text;
}

std::string serialise(pugi::xml_node element, int indent) {
  std::ostringstream out;
  std::string spaces(static_cast<size_t>(indent), ' ');
  element.print(out, spaces.c_str(),
                (indent > 0 ? pugi::format_indent : pugi::format_raw) | pugi::format_no_declaration,
                pugi::encoding_utf8);
  return out.str();
}

int height_of(pugi::xml_node element) {
  int height = 0;
  for (pugi::xml_node child : element.children()) height = std::max(height, height_of(child));
  return height + (element.type() == pugi::node_element ? 1 : 0);
}

int depth_of(pugi::xml_node element) {
  int depth = 0;
  for (; element.type() == pugi::node_element; element = element.parent()) ++depth;
  return depth;
}

}  // namespace drover::xml
