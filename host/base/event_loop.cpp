#include "host/base/event_loop.h"

#include <stdexcept>
#include <string>

namespace drover {

struct EventLoop::Timer {
  uv_timer_t handle;
  EventLoop* owner;
  TimerId id;
  Callback callback;
};

EventLoop::EventLoop() {
  int result = uv_loop_init(&loop_);
  if (result != 0) throw std::runtime_error(std::string("cannot make an event loop: ") + uv_strerror(result));
  async_.data = this;
  result = uv_async_init(&loop_, &async_, [](uv_async_t* handle) { static_cast<EventLoop*>(handle->data)->drain(); });
  if (result != 0) {
    uv_loop_close(&loop_);
    throw std::runtime_error(std::string("cannot make an event loop: ") + uv_strerror(result));
  }
  mailbox_->bell_ = &async_;
}

EventLoop::~EventLoop() {
  std::vector<Callback> dropped;
  {
    std::lock_guard lock(mailbox_->mutex_);
    mailbox_->bell_ = nullptr;
    dropped.swap(mailbox_->posted_);
  }
  while (!timers_.empty()) stop_timer(timers_.begin()->first);
  uv_close(reinterpret_cast<uv_handle_t*>(&async_), nullptr);
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_loop_close(&loop_);
}

void EventLoop::Mailbox::post(Callback callback) {
  std::lock_guard lock(mutex_);
  if (bell_ == nullptr) return;
  posted_.push_back(std::move(callback));
  uv_async_send(bell_);
}

void EventLoop::wake() noexcept { uv_async_send(&async_); }

void EventLoop::drain() {
  std::vector<Callback> due;
  {
    std::lock_guard lock(mailbox_->mutex_);
    due.swap(mailbox_->posted_);
  }
  for (Callback& callback : due) callback();
}

EventLoop::TimerId EventLoop::start_timer(uint64_t delay_ms, Callback callback) {
  auto* timer = new Timer{{}, this, next_timer_++, std::move(callback)};
  timer->handle.data = timer;
  timers_[timer->id] = timer;
  uv_timer_init(&loop_, &timer->handle);
  uv_update_time(&loop_);
  uv_timer_start(
      &timer->handle,
      [](uv_timer_t* handle) {
        auto* fired = static_cast<Timer*>(handle->data);
        Callback due = std::move(fired->callback);
        fired->owner->stop_timer(fired->id);
        due();
      },
      delay_ms, 0);
  return timer->id;
}

void EventLoop::stop_timer(TimerId id) {
  auto found = timers_.find(id);
  if (found == timers_.end()) return;
  Timer* timer = found->second;
  timers_.erase(found);
  // The handle lives until libuv is done with it.
  uv_close(reinterpret_cast<uv_handle_t*>(&timer->handle),
           [](uv_handle_t* handle) { delete static_cast<Timer*>(handle->data); });
}

void EventLoop::run_once() { uv_run(&loop_, UV_RUN_ONCE); }

void EventLoop::poll() { uv_run(&loop_, UV_RUN_NOWAIT); }

}  // namespace drover
