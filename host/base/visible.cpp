#include "host/base/visible.h"

namespace drover {

namespace {

unsigned char byte_at(std::string_view text, size_t at) { return static_cast<unsigned char>(text[at]); }

// The bytes of the UTF-8 character that begins there; 0 when none does: cut off, too long a form, a surrogate, too high
// [RFC 3629, 4].
size_t character_size(std::string_view text, size_t at) {
  unsigned char first = byte_at(text, at);
  if (first < 0x80) return 1;
  size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + size > text.size()) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte_at(text, at + i) & 0xc0) != 0x80) return 0;
  }
  unsigned char second = byte_at(text, at + 1);
  bool wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
               (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return wrong ? 0 : size;
}

bool is_control(std::string_view text, size_t at, size_t size) {
  unsigned char first = byte_at(text, at);
  if (size == 1) return (first < ' ' && first != '\n' && first != '\t') || first == 0x7f;
  return first == 0xc2 && byte_at(text, at + 1) < 0xa0;  // U+0080 to U+009F
}

}  // namespace

std::string visible(std::string_view text) {
  constexpr const char* digits = "0123456789abcdef";
  std::string shown;
  shown.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    size_t size = character_size(text, at);
    bool is_shown = size > 0 && !is_control(text, at, size);
    if (size == 0) size = 1;
    for (size_t end = at + size; at < end; ++at) {
      unsigned char byte = byte_at(text, at);
      if (is_shown) {
        shown += text[at];
      } else {
        shown += {'\\', 'x', digits[byte >> 4U], digits[byte & 15U]};
      }
    }
  }
  return shown;
}

}  // namespace drover
