// The event loop of the main thread, over libuv: timers, descriptors, and work posted from other threads.
// Everything but post() belongs to the main thread. It is made on first use, so a script that never waits
// never pays for it. Tested by tests/base/event_loop_test.cpp.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace drover {

class EventLoop {
 public:
  using Callback = std::function<void()>;
  using TimerId = uint64_t;

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs callback on the main thread, soon. From any thread.
  void post(Callback callback);

  // Wakes a waiting run_once(). Safe in a signal handler (uv_async_send is, by its documentation).
  void wake() noexcept;

  // Runs callback once after delay_ms.
  TimerId start_timer(uint64_t delay_ms, Callback callback);
  void stop_timer(TimerId id);

  // Waits until something happened, and runs its callbacks.
  void run_once();
  // Runs what is due without waiting.
  void poll();

  uv_loop_t* native() { return &loop_; }

 private:
  struct Timer;
  void drain();

  uv_loop_t loop_;
  uv_async_t async_;
  std::mutex mutex_;
  std::vector<Callback> posted_;  // guarded by mutex_
  std::map<TimerId, Timer*> timers_;
  TimerId next_timer_ = 1;
};

}  // namespace drover
