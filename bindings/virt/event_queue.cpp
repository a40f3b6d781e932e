#include "bindings/virt/event_queue.h"

namespace drover::virt {

int push_event(lua_State* L, const Event& event) {
  lua_createtable(L, 0, static_cast<int>(event.fields.size()) + 3);
  set_fields(L, event.fields);
  core::set_field(L, "kind", event.kind);
  core::set_field(L, "domain", event.domain);
  core::set_field(L, "uuid", event.uuid);
  return 1;
}

class EventQueue::Waiter : public core::Operation {
 public:
  explicit Waiter(EventLoop& loop) : Operation("next event"), loop_(loop) {}

  void start(std::optional<uint64_t> timeout_ms) {
    if (!timeout_ms) return;
    auto self = std::static_pointer_cast<Waiter>(shared_from_this());
    timer_ = loop_.start_timer(*timeout_ms, [self] {
      self->timer_.reset();
      self->finish([](lua_State* L) {
        lua_pushnil(L);
        return 1;
      });
    });
  }

  void deliver(Event event) {
    stop_timer();
    finish([event = std::move(event)](lua_State* L) { return push_event(L, event); });
  }

  void refuse(const Error& reason) {
    stop_timer();
    fail(reason);
  }

  void cancel() override {
    if (ready()) return;
    auto self = shared_from_this();
    refuse(cancelled_error(description()));
  }

 private:
  void stop_timer() {
    if (timer_) loop_.stop_timer(*timer_);
    timer_.reset();
  }

  EventLoop& loop_;
  std::optional<EventLoop::TimerId> timer_;
};

void EventQueue::push(Event event) {
  {
    std::lock_guard lock(mutex_);
    if (loop_ == nullptr || ended_) return;
    if (events_.size() >= most_events_) {
      events_.pop_front();
      ++dropped_;
    }
    events_.push_back(std::move(event));
  }
  wake();
}

void EventQueue::end(const Error& reason) {
  {
    std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = reason;
  }
  wake();
}

void EventQueue::wake() {
  std::lock_guard lock(mutex_);
  if (loop_ == nullptr) return;
  loop_->post([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->serve();
  });
}

void EventQueue::detach() {
  std::lock_guard lock(mutex_);
  loop_ = nullptr;
}

std::optional<Event> EventQueue::take() {
  std::lock_guard lock(mutex_);
  if (events_.empty()) {
    if (ended_) throw Error(*ended_);
    return std::nullopt;
  }
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void EventQueue::serve() {
  // A delivery may run a task that waits again or closes the stream: nothing is held over it.
  while (!waiters_.empty()) {
    auto waiter = waiters_.front().lock();
    if (waiter == nullptr || waiter->ready()) {
      waiters_.pop_front();
      continue;
    }
    try {
      auto event = take();
      if (!event) return;
      waiters_.pop_front();
      waiter->deliver(std::move(*event));
    } catch (const Error& reason) {
      waiters_.pop_front();
      waiter->refuse(reason);
    }
  }
}

std::shared_ptr<core::Operation> EventQueue::wait(std::optional<uint64_t> timeout_ms) {
  std::lock_guard lock(mutex_);
  auto waiter = std::make_shared<Waiter>(*loop_);
  waiter->start(timeout_ms);
  waiters_.push_back(waiter);
  return waiter;
}

uint64_t EventQueue::dropped() const {
  std::lock_guard lock(mutex_);
  return dropped_;
}

size_t EventQueue::size() const {
  std::lock_guard lock(mutex_);
  return events_.size();
}

}  // namespace drover::virt
