// Whose run it is, and whether that process still lives. Tested by tests/bindings/journal/owner_test.cpp.
#pragma once

#include <cstdint>
#include <string>

namespace drover::journal {

// The process that a run belongs to. Three facts, because a pid alone is reused.
struct Owner {
  std::string machine_id;
  std::string boot_id;
  int64_t pid = 0;
  int64_t pid_started = 0;  // clock ticks after boot, field 22 of /proc/PID/stat

  bool operator==(const Owner&) const = default;
};

Owner this_process();

// Whether that process may still be at work. A killed one that its parent did not reap yet is not. Another machine's is
// taken for alive, for its death cannot be seen from here.
bool is_alive(const Owner& owner);

}  // namespace drover::journal
