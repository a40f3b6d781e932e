// A checksum of a row's fields: FNV-1a of 64 bits over each field and its length. Each of its steps is a bijection, so
// that two rows which differ in one byte never have the same.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace drover::journal {

class Checksum {
 public:
  Checksum& add(std::string_view field) {
    add_bytes(std::to_string(field.size()));
    add_bytes(":");
    add_bytes(field);
    return *this;
  }
  Checksum& add(int64_t number) { return add(std::to_string(number)); }

  int64_t value() const { return static_cast<int64_t>(hash_); }

 private:
  void add_bytes(std::string_view bytes) {
    for (unsigned char byte : bytes) hash_ = (hash_ ^ byte) * 0x100000001b3U;
  }

  uint64_t hash_ = 0xcbf29ce484222325U;
};

}  // namespace drover::journal
