// Bytes that must not be seen: kept out of the swap as far as the system lets us, and wiped when they end.
// There is no way to print one: who needs the bytes asks for view() and wipes what copies it makes.
// Tested by tests/bindings/ssh/key_pair_test.cpp.
#pragma once

#include <string.h>
#include <sys/mman.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace drover::ssh {

class Secret {
 public:
  explicit Secret(size_t capacity) : size_(capacity), bytes_(std::make_unique<char[]>(capacity + 1)) {
    mlock(bytes_.get(), capacity + 1);  // best effort: RLIMIT_MEMLOCK may be small
  }
  explicit Secret(std::string_view text) : Secret(text.size()) { memcpy(bytes_.get(), text.data(), text.size()); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() {
    size_t length = capacity_ + 1;
    explicit_bzero(bytes_.get(), length);
    munlock(bytes_.get(), length);
  }

  char* data() { return bytes_.get(); }
  void set_size(size_t size) {
    size_ = size;
    bytes_[size] = 0;
  }
  std::string_view view() const { return {bytes_.get(), size_}; }
  const char* c_str() const { return bytes_.get(); }

 private:
  size_t size_;
  size_t capacity_ = size_;
  std::unique_ptr<char[]> bytes_;
};

// Wipes a string that had to hold a copy.
inline void wipe(std::string& text) {
  explicit_bzero(text.data(), text.size());
  text.clear();
}

class WipeOnExit {
 public:
  explicit WipeOnExit(std::string& text) : text_(text) {}
  ~WipeOnExit() { wipe(text_); }
  WipeOnExit(const WipeOnExit&) = delete;
  WipeOnExit& operator=(const WipeOnExit&) = delete;

 private:
  std::string& text_;
};

}  // namespace drover::ssh
