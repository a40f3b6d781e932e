#include "bindings/xml/strict.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "host/base/error.h"

namespace drover::xml {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
         static_cast<unsigned char>(c) >= 128;
}

bool continues_name(char c) { return starts_name(c) || (c >= '0' && c <= '9') || c == '-' || c == '.'; }

// XML 1.0, production Char.
bool is_xml_character(uint32_t code) {
  if (code < 0x20) return code == '\t' || code == '\n' || code == '\r';
  return code <= 0xD7FF || (code >= 0xE000 && code <= 0xFFFD) || (code >= 0x10000 && code <= 0x10FFFF);
}

struct Fault {
  size_t offset;
  std::string what;
};

// The first byte that no XML text may hold.
std::optional<Fault> find_bad_character(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    auto first = static_cast<unsigned char>(text[at]);
    size_t length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    uint32_t code = length == 1 ? first : first & (0xFFu >> (length + 1));
    bool whole = first < 0x80 || (first >= 0xC2 && first <= 0xF4 && at + length <= text.size());
    for (size_t i = 1; whole && i < length; ++i) {
      auto next = static_cast<unsigned char>(text[at + i]);
      whole = (next & 0xC0) == 0x80;
      code = (code << 6) | (next & 0x3F);
    }
    bool shortest = length < 3 || (length == 3 ? code >= 0x800 : code >= 0x10000);
    if (!whole || !shortest) return Fault{at, "expected UTF-8, found the byte " + std::to_string(first)};
    if (!is_xml_character(code)) {
      return Fault{at, "found the character " + std::to_string(code) + ", which XML cannot hold"};
    }
    at += length;
  }
  return std::nullopt;
}

// Reads the markup once, from left to right. Positions are byte offsets.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  void scan() {
    if (auto fault = find_bad_character(text_)) fail(fault->offset, fault->what);
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    while (at_ < text_.size()) {
      if (text_[at_] != '<') {
        scan_text();
      } else if (next_is("<!--")) {
        scan_comment();
      } else if (next_is("<![CDATA[")) {
        if (open_.empty()) fail(at_, "expected the root element, found CDATA");
        skip_past("]]>", "CDATA");
      } else if (next_is("<!DOCTYPE")) {
        fail(at_, "a document type declaration is not accepted");
      } else if (next_is("<!")) {
        fail(at_, "expected <!-- or <![CDATA[");
      } else if (next_is("<?")) {
        skip_past("?>", "the processing instruction");
      } else if (next_is("</")) {
        scan_end_tag();
      } else {
        scan_start_tag();
      }
    }
    if (!open_.empty()) fail(text_.size(), expected_end() + ", found the end of the text");
    if (!root_seen_) fail(text_.size(), "expected an element, found the end of the text");
  }

 private:
  struct Open {
    std::string_view name;
    size_t line;
  };

  size_t line_of(size_t offset) const {
    return 1 + static_cast<size_t>(std::count(text_.begin(), text_.begin() + static_cast<ptrdiff_t>(offset), '\n'));
  }

  [[noreturn]] void fail(size_t offset, const std::string& what) const {
    throw Error("xml", "BAD_XML", "not XML: line " + std::to_string(line_of(offset)) + ": " + what);
  }

  bool next_is(std::string_view mark) const { return text_.substr(at_).starts_with(mark); }

  std::string expected_end() const {
    return "expected </" + std::string(open_.back().name) + ">, which line " + std::to_string(open_.back().line) +
           " opens";
  }

  // What stands at the position, for a message: one character, or the end.
  std::string found() const {
    if (at_ >= text_.size()) return "the end of the text";
    if (text_[at_] == '\n') return "the end of the line";
    return "'" + std::string(text_.substr(at_, 1)) + "'";
  }

  void skip_spaces() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  void skip_past(std::string_view mark, const std::string& what) {
    size_t end = text_.find(mark, at_);
    if (end == std::string_view::npos) fail(at_, "expected " + std::string(mark) + " at the end of " + what);
    at_ = end + mark.size();
  }

  void scan_comment() {
    size_t dashes = text_.find("--", at_ + 4);
    if (dashes == std::string_view::npos) fail(at_, "expected --> at the end of the comment");
    if (!text_.substr(dashes).starts_with("-->")) fail(dashes, "a comment cannot hold --");
    at_ = dashes + 3;
  }

  void scan_text() {
    size_t end = std::min(text_.find('<', at_), text_.size());
    std::string_view part = text_.substr(at_, end - at_);
    if (open_.empty()) {
      auto stray = std::find_if_not(part.begin(), part.end(), is_space);
      if (stray != part.end()) {
        fail(at_ + static_cast<size_t>(stray - part.begin()),
             root_seen_ ? "expected nothing after the root element, found text" : "expected an element, found text");
      }
    }
    if (size_t mark = part.find("]]>"); mark != std::string_view::npos) fail(at_ + mark, "text cannot hold ]]>");
    check_references(part);
    at_ = end;
  }

  void check_references(std::string_view part) const {
    for (size_t mark = part.find('&'); mark != std::string_view::npos; mark = part.find('&', mark + 1)) {
      size_t offset = at_ + mark;
      size_t end = part.find(';', mark);
      if (end == std::string_view::npos || end - mark > 12) fail(offset, "expected &amp; for a plain &");
      std::string_view name = part.substr(mark + 1, end - mark - 1);
      if (name.starts_with('#')) {
        check_character_reference(name, offset);
      } else if (name != "amp" && name != "lt" && name != "gt" && name != "quot" && name != "apos") {
        fail(offset, "expected &amp; for a plain &, found the unknown entity &" + std::string(name) + ";");
      }
    }
  }

  void check_character_reference(std::string_view name, size_t offset) const {
    bool hexadecimal = name.starts_with("#x");
    std::string_view digits = name.substr(hexadecimal ? 2 : 1);
    uint32_t code = 0;
    auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), code, hexadecimal ? 16 : 10);
    if (status != std::errc() || end != digits.data() + digits.size() || !is_xml_character(code)) {
      fail(offset, "&" + std::string(name) + "; is no character that XML can hold");
    }
  }

  std::string_view scan_name(const char* what) {
    size_t start = at_;
    if (at_ >= text_.size() || !starts_name(text_[at_]))
      fail(at_, std::string("expected ") + what + ", found " + found());
    while (at_ < text_.size() && continues_name(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }

  void scan_end_tag() {
    size_t start = at_;
    at_ += 2;
    std::string_view name = scan_name("the name of an element");
    if (open_.empty()) fail(start, "found </" + std::string(name) + ">, which nothing opens");
    if (open_.back().name != name) fail(start, expected_end() + ", found </" + std::string(name) + ">");
    skip_spaces();
    if (!next_is(">")) fail(at_, "expected > after </" + std::string(name) + ", found " + found());
    ++at_;
    open_.pop_back();
  }

  void scan_start_tag() {
    size_t start = at_++;
    std::string_view name = scan_name("the name of an element");
    if (open_.empty() && root_seen_) {
      fail(start, "expected nothing after the root element, found <" + std::string(name) + ">");
    }
    root_seen_ = true;
    scan_attributes(name);
    if (next_is("/>")) {
      at_ += 2;
      return;
    }
    ++at_;  // the '>' that scan_attributes stopped at
    open_.push_back({name, line_of_start(start)});
    if (open_.size() > deepest_element) {
      fail(start, "elements are nested deeper than " + std::to_string(deepest_element));
    }
  }

  // Counted on from the last start tag: counting from the top for each would take time in the square of the size.
  size_t line_of_start(size_t offset) {
    last_line_ += static_cast<size_t>(std::count(text_.begin() + static_cast<ptrdiff_t>(last_offset_),
                                                 text_.begin() + static_cast<ptrdiff_t>(offset), '\n'));
    last_offset_ = offset;
    return last_line_;
  }

  void scan_attributes(std::string_view element) {
    std::vector<std::string_view> names;
    while (true) {
      bool separated = at_ < text_.size() && is_space(text_[at_]);
      skip_spaces();
      if (next_is(">") || next_is("/>")) return;
      if (!separated) fail(at_, "expected a space, > or /> in <" + std::string(element) + ">, found " + found());
      size_t start = at_;
      std::string_view name = scan_name("an attribute, > or />");
      if (std::find(names.begin(), names.end(), name) != names.end()) {
        fail(start, "the attribute '" + std::string(name) + "' of <" + std::string(element) + "> is there twice");
      }
      names.push_back(name);
      scan_attribute_value(name);
    }
  }

  void scan_attribute_value(std::string_view name) {
    skip_spaces();
    if (!next_is("=")) fail(at_, "expected = after the attribute '" + std::string(name) + "', found " + found());
    ++at_;
    skip_spaces();
    if (!next_is("\"") && !next_is("'")) {
      fail(at_, "expected the value of '" + std::string(name) + "' in quotes, found " + found());
    }
    size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos)
      fail(at_, "expected a quote at the end of the value of '" + std::string(name) + "'");
    ++at_;
    std::string_view value = text_.substr(at_, end - at_);
    if (size_t mark = value.find('<'); mark != std::string_view::npos) {
      fail(at_ + mark, "expected &lt; for a < in the value of '" + std::string(name) + "'");
    }
    check_references(value);
    at_ = end + 1;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<Open> open_;
  bool root_seen_ = false;
  size_t last_offset_ = 0;
  size_t last_line_ = 1;
};

}  // namespace

void check_document_text(std::string_view text) {
  if (text.size() > most_text_bytes) {
    throw Error("xml", "BAD_XML",
                "the text has " + std::to_string(text.size()) + " bytes; at most " + std::to_string(most_text_bytes) +
                    " are read");
  }
  Scanner(text).scan();
}

void check_name(std::string_view name) {
  bool good = !name.empty() && starts_name(name.front()) && std::all_of(name.begin(), name.end(), continues_name) &&
              !find_bad_character(name);
  if (!good) throw Error("xml", "BAD_NAME", "'" + std::string(name) + "' cannot name an element or an attribute");
}

void check_value(std::string_view value) {
  if (auto fault = find_bad_character(value)) {
    throw Error("xml", "BAD_TEXT", "no XML text: byte " + std::to_string(fault->offset) + ": " + fault->what);
  }
}

}  // namespace drover::xml
