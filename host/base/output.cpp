#include "host/base/output.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <thread>

#include "host/base/interrupts.h"

namespace drover {

namespace {

constexpr auto look_up = std::chrono::milliseconds(50);

enum class Room { yes, no, gone };

// POLLERR: nobody reads the pipe any more.
Room room_in(int descriptor, int timeout_ms) {
  pollfd wanted{descriptor, POLLOUT, 0};
  if (poll(&wanted, 1, timeout_ms) <= 0) return Room::no;
  if ((wanted.revents & (POLLERR | POLLNVAL)) != 0) return Room::gone;
  return (wanted.revents & POLLOUT) != 0 ? Room::yes : Room::no;
}

bool is_passing(int error) { return error == EINTR || error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

Output::~Output() {
  std::unique_lock lock(mutex_);
  stop_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return !has_thread_; });
}

// A pipe that says it is ready takes PIPE_BUF bytes without blocking [pipe(7)]; a terminal at least a few.
size_t Output::longest_piece() const { return isatty(descriptor_) == 1 ? 256 : PIPE_BUF; }

// Writes what the reader takes at once; gives how much that was. Under the lock, and with nothing waiting.
size_t Output::write_now(std::string_view text) {
  size_t written = 0;
  const size_t longest = longest_piece();
  while (written < text.size() && !gone_) {
    Room room = room_in(descriptor_, 0);
    if (room == Room::no) break;
    ssize_t count =
        room == Room::gone ? -1 : ::write(descriptor_, text.data() + written, std::min(longest, text.size() - written));
    if (count > 0) {
      written += static_cast<size_t>(count);
    } else if (room == Room::gone || !is_passing(errno)) {
      gone_ = true;
    } else {
      break;
    }
  }
  return written;
}

bool Output::write(std::string_view text) {
  std::unique_lock lock(mutex_);
  if (waiting_.empty()) text.remove_prefix(write_now(text));
  if (text.empty() || gone_) return !gone_;
  changed_.wait(lock, [this] { return waiting_.size() < most_waiting_bytes || gone_; });
  waiting_ += text;
  if (!has_thread_) {
    has_thread_ = true;
    std::thread(&Output::hand_on, this).detach();
  }
  changed_.notify_all();
  return !gone_;
}

// The thread: takes from the front of the queue what the reader has room for, and ends when nothing waits.
void Output::hand_on() {
  std::unique_lock lock(mutex_);
  while (!waiting_.empty() && !gone_ && !stop_) {
    std::string piece = waiting_.substr(0, longest_piece());
    lock.unlock();
    Room room = room_in(descriptor_, static_cast<int>(look_up.count()));
    ssize_t count = 0;
    if (room == Room::yes) count = ::write(descriptor_, piece.data(), piece.size());
    bool broken = room == Room::gone || (count < 0 && !is_passing(errno));
    lock.lock();
    if (count > 0) waiting_.erase(0, static_cast<size_t>(count));
    if (broken) {
      gone_ = true;
      waiting_.clear();
    }
    changed_.notify_all();
  }
  has_thread_ = false;
  changed_.notify_all();
}

void Output::drain() {
  std::unique_lock lock(mutex_);
  while (has_thread_ && !interrupts().pending()) changed_.wait_for(lock, look_up);
}

Output& standard_output() {
  static auto* output = new Output(STDOUT_FILENO);  // never destroyed: its thread may be in the middle of a write
  return *output;
}

}  // namespace drover
