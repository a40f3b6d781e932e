// Shows that timers fire in order, that other threads can leave work, and that the loop may end before they do.
#include "host/base/event_loop.h"

#include <catch2/catch.hpp>
#include <thread>

using drover::EventLoop;

TEST_CASE("timers fire in the order of their time, once each") {
  EventLoop loop;
  std::vector<int> fired;
  loop.start_timer(20, [&] { fired.push_back(2); });
  loop.start_timer(1, [&] { fired.push_back(1); });
  while (fired.size() < 2) loop.run_once();
  loop.poll();
  CHECK(fired == std::vector<int>{1, 2});
}

TEST_CASE("a stopped timer does not fire, and stopping twice is harmless") {
  EventLoop loop;
  bool fired = false, other = false;
  auto id = loop.start_timer(1, [&] { fired = true; });
  loop.stop_timer(id);
  loop.stop_timer(id);
  loop.start_timer(10, [&] { other = true; });
  while (!other) loop.run_once();
  CHECK_FALSE(fired);
}

TEST_CASE("a timer may start and stop others while it fires") {
  EventLoop loop;
  bool second = false, victim_fired = false;
  auto victim = loop.start_timer(30, [&] { victim_fired = true; });
  loop.start_timer(1, [&] {
    loop.stop_timer(victim);
    loop.start_timer(40, [&] { second = true; });
  });
  while (!second) loop.run_once();
  CHECK_FALSE(victim_fired);
}

TEST_CASE("work posted by many threads all runs on the thread of the loop") {
  EventLoop loop;
  const auto own = std::this_thread::get_id();
  int ran = 0;
  bool elsewhere = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 100; ++n) {
        loop.post([&] {
          ++ran;
          elsewhere = elsewhere || std::this_thread::get_id() != own;
        });
      }
    });
  }
  while (ran < 800) loop.run_once();
  for (auto& thread : threads) thread.join();
  CHECK(ran == 800);
  CHECK_FALSE(elsewhere);
}

TEST_CASE("wake ends a wait") {
  EventLoop loop;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    loop.wake();
  });
  loop.run_once();  // would wait for ever
  other.join();
  SUCCEED();
}

TEST_CASE("what is posted after the loop's end is dropped") {
  auto loop = std::make_unique<EventLoop>();
  auto mailbox = loop->mailbox();
  auto held = std::make_shared<int>(1);
  loop->post([held] {});
  loop.reset();
  CHECK(held.use_count() == 1);
  mailbox->post([held] {});
  CHECK(held.use_count() == 1);
}
