// Standard output that never holds up who writes: what a reader does not take at once waits in a queue, and a thread
// hands it on. A person who scrolls in less(1), or stops the terminal with Ctrl-S, must not stop a move's time limit,
// its policy or libvirt's keepalive. Tested by tests/base/output_test.cpp.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>

namespace drover {

class Output {
 public:
  explicit Output(int descriptor) : descriptor_(descriptor) {}
  ~Output();  // only for tests: what waits is dropped
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // In order, at once as far as the reader takes it. False when the reader is gone. It waits only when more than
  // most_waiting_bytes are in the queue.
  bool write(std::string_view text);

  // Waits until all is written, the reader is gone, or an interrupt comes.
  void drain();

  static constexpr size_t most_waiting_bytes = 4 << 20;

 private:
  size_t write_now(std::string_view text);
  void hand_on();
  size_t longest_piece() const;

  int descriptor_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
  bool gone_ = false;
  bool stop_ = false;
  bool has_thread_ = false;
};

// This process' standard output.
Output& standard_output();

}  // namespace drover
