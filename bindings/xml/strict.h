// What pugixml forgives and XML does not: the checks of a text before it is parsed, and of names and values before
// they are put into a tree. pugixml 1.13 accepts a second root, text after the root, repeated attributes, unknown
// entities and control characters; libvirt's parser (libxml2) then refuses the result far from its cause.
// Tested by tests/bindings/xml/strict_test.cpp.
#pragma once

#include <string>
#include <string_view>

namespace drover::xml {

inline constexpr size_t most_text_bytes = 16 << 20;
// libvirt's documents are 10 deep; a bound keeps every recursive walk of a tree safe.
inline constexpr int deepest_element = 200;

// Throws BAD_XML with the line and what was expected there. Document type declarations are refused: libvirt writes
// none, and without them there are no entities to expand and no files to fetch.
void check_document_text(std::string_view text);

// Throws BAD_NAME unless name can name an element or an attribute.
void check_name(std::string_view name);

// Throws BAD_TEXT when value holds what no XML text may hold: a control character, or bytes that are not UTF-8.
void check_value(std::string_view value);

}  // namespace drover::xml
