// The event loop of the main thread, over libuv: timers, descriptors, and work posted from other threads.
// Everything but post(), wake() and the mailbox belongs to the main thread. It is made on first use, so a script that
// never waits never pays for it. Tested by tests/base/event_loop_test.cpp.
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

  // Where other threads leave work for the main thread. It may outlive the loop, as a thread inside a call that nobody
  // can end does: what is left there then is dropped.
  class Mailbox {
   public:
    // Runs callback on the main thread, soon; never when the loop is gone.
    void post(Callback callback);

   private:
    friend class EventLoop;
    std::mutex mutex_;
    std::vector<Callback> posted_;  // guarded by mutex_
    uv_async_t* bell_ = nullptr;    // guarded by mutex_; nullptr when the loop is gone
  };

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // For a thread that may outlive the loop.
  std::shared_ptr<Mailbox> mailbox() const { return mailbox_; }
  void post(Callback callback) { mailbox_->post(std::move(callback)); }

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
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::map<TimerId, Timer*> timers_;
  TimerId next_timer_ = 1;
};

}  // namespace drover
