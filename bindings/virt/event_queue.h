// Events of libvirt on their way to Lua: pushed by libvirt's event thread, taken by tasks that wait.
//
// Bounded: when nobody takes them the oldest are dropped and counted. push() and the two ends may come from any thread;
// everything else belongs to the main thread. Tested by tests/bindings/virt/event_queue_test.cpp.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "bindings/core/operation.h"
#include "bindings/virt/scalar.h"
#include "host/base/event_loop.h"

namespace drover::virt {

struct Event {
  std::string kind;
  std::string domain;
  std::string uuid;
  Fields fields;
};

int push_event(lua_State* L, const Event& event);

class EventQueue : public std::enable_shared_from_this<EventQueue> {
 public:
  EventQueue(EventLoop& loop, size_t most_events) : loop_(&loop), most_events_(most_events) {}

  void push(Event event);
  // No event will come any more: waiters get this error, once what is queued was taken. The first reason stays.
  void end(const Error& reason);
  // Lua let it go: the loop is not touched any more.
  void detach();

  // The event that is there, or nothing. Throws the reason of the end when the queue is empty and ended.
  std::optional<Event> take();
  // An operation that gives the next event, or nil after timeout_ms.
  std::shared_ptr<core::Operation> wait(std::optional<uint64_t> timeout_ms);

  uint64_t dropped() const;
  size_t size() const;

 private:
  class Waiter;
  void wake();
  void serve();

  mutable std::mutex mutex_;
  EventLoop* loop_;  // guarded by mutex_
  size_t most_events_;
  std::deque<Event> events_;    // guarded by mutex_
  uint64_t dropped_ = 0;        // guarded by mutex_
  std::optional<Error> ended_;  // guarded by mutex_
  std::deque<std::weak_ptr<Waiter>> waiters_;
};

}  // namespace drover::virt
