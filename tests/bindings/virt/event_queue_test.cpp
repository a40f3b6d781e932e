// Shows that events wait in order, that the queue is bounded, and that what was dropped is counted.
#include "bindings/virt/event_queue.h"

#include <catch2/catch.hpp>
#include <thread>

using namespace drover;
using namespace drover::virt;

namespace {

Event event_of(const std::string& domain) { return {"lifecycle", domain, "", {}}; }

}  // namespace

TEST_CASE("a full queue drops the oldest events and counts them", "[virt]") {
  EventLoop loop;
  auto queue = std::make_shared<EventQueue>(loop, 2);
  for (const char* name : {"a", "b", "c", "d"}) queue->push(event_of(name));
  CHECK(queue->dropped() == 2);
  CHECK(queue->take()->domain == "c");
  CHECK(queue->take()->domain == "d");
  CHECK_FALSE(queue->take().has_value());
}

TEST_CASE("an event from another thread ends a wait", "[virt]") {
  EventLoop loop;
  auto queue = std::make_shared<EventQueue>(loop, 10);
  auto wait = queue->wait(5000);
  std::thread pusher([&] { queue->push(event_of("a")); });
  while (!wait->ready()) loop.run_once();
  pusher.join();
  CHECK(queue->size() == 0);
}

TEST_CASE("events go to waiters in order, one each", "[virt]") {
  EventLoop loop;
  auto queue = std::make_shared<EventQueue>(loop, 10);
  auto first = queue->wait(std::nullopt);
  auto second = queue->wait(std::nullopt);
  queue->push(event_of("a"));
  loop.run_once();
  CHECK(first->ready());
  CHECK_FALSE(second->ready());
  queue->push(event_of("b"));
  loop.run_once();
  CHECK(second->ready());
}

TEST_CASE("a waiter that was cancelled takes no event from the next one", "[virt]") {
  EventLoop loop;
  auto queue = std::make_shared<EventQueue>(loop, 10);
  auto first = queue->wait(5000);
  auto second = queue->wait(std::nullopt);
  first->cancel();
  CHECK(first->ready());
  queue->push(event_of("a"));
  loop.run_once();
  CHECK(second->ready());
}

TEST_CASE("what is queued is still given after the end, then the reason", "[virt]") {
  EventLoop loop;
  auto queue = std::make_shared<EventQueue>(loop, 10);
  queue->push(event_of("a"));
  queue->end(Error("virt", "CONNECTION_LOST", "gone"));
  queue->push(event_of("late"));
  CHECK(queue->take()->domain == "a");
  try {
    queue->take();
    FAIL("no end");
  } catch (const Error& error) {
    CHECK(error.code == "CONNECTION_LOST");
  }
}

TEST_CASE("the end of a stream wakes its waiters", "[virt]") {
  EventLoop loop;
  auto queue = std::make_shared<EventQueue>(loop, 10);
  auto wait = queue->wait(std::nullopt);
  queue->end(Error("virt", "STREAM_CLOSED", "closed"));
  loop.run_once();
  REQUIRE(wait->ready());
  CHECK_THROWS_AS(wait->push_result(nullptr), Error);
}
