// Shows that jobs that block run together, up to the bound, and that the pool does not wait for one that never ends.
#include "host/base/worker_pool.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <set>
#include <thread>

using drover::WorkerPool;
using namespace std::chrono_literals;

namespace {

void wait_for(const std::function<bool()>& done) {
  auto limit = std::chrono::steady_clock::now() + 10s;
  while (!done() && std::chrono::steady_clock::now() < limit) std::this_thread::sleep_for(1ms);
  REQUIRE(done());
}

}  // namespace

TEST_CASE("fifty jobs that block run together") {
  WorkerPool pool;
  std::atomic<int> done{0};
  auto started = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) {
    pool.submit([&] {
      std::this_thread::sleep_for(200ms);
      ++done;
    });
  }
  wait_for([&] { return done == 50; });
  CHECK(std::chrono::steady_clock::now() - started < 1s);
}

TEST_CASE("no more threads than the bound, and every job still runs") {
  WorkerPool pool(3);
  std::atomic<int> running{0}, most{0}, done{0};
  for (int i = 0; i < 20; ++i) {
    pool.submit([&] {
      int now = ++running;
      int before = most;
      while (now > before && !most.compare_exchange_weak(before, now)) {
      }
      std::this_thread::sleep_for(2ms);
      --running;
      ++done;
    });
  }
  wait_for([&] { return done == 20; });
  CHECK(most == 3);
  wait_for([&] { return pool.pending() == 0; });
}

TEST_CASE("a thread is used again") {
  WorkerPool pool;
  std::atomic<int> done{0};
  std::set<std::thread::id> threads;
  std::mutex mutex;
  for (int i = 0; i < 10; ++i) {
    pool.submit([&] {
      std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
      ++done;
    });
    wait_for([&] { return done == i + 1; });
    std::this_thread::sleep_for(2ms);
  }
  CHECK(threads.size() <= 2);
}

TEST_CASE("the pool ends while a job blocks, and drops what waits") {
  auto release = std::make_shared<std::atomic<bool>>(false);
  auto finished = std::make_shared<std::atomic<bool>>(false);
  auto begun = std::make_shared<std::atomic<bool>>(false);
  auto waited = std::make_shared<int>(0);
  auto started = std::chrono::steady_clock::now();
  {
    WorkerPool pool(1);
    pool.submit([release, finished, begun] {
      *begun = true;
      while (!*release) std::this_thread::sleep_for(1ms);
      *finished = true;
    });
    pool.submit([waited] {});
    wait_for([&] { return begun->load(); });
  }
  CHECK(std::chrono::steady_clock::now() - started < 1s);
  CHECK(waited.use_count() == 1);
  *release = true;
  wait_for([&] { return finished->load(); });
}
