// Shows how a move is stopped: before its job began, while it runs, and when nothing stops it.
#include "bindings/virt/cancellable_move.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "host/base/error.h"

using namespace drover;
using namespace drover::virt;
using namespace std::chrono_literals;

namespace {

// Longer than any machine is busy: who waits so long waits for what does not come.
constexpr auto patience = 20s;

// A daemon whose move takes until abort() finds a job; the job exists only after `jobless` aborts. It answers no abort
// while it is stalled.
struct FakeDaemon {
  std::mutex mutex;
  std::condition_variable changed;
  int aborts = 0;
  int jobless = 0;
  bool aborted = false;
  bool stalled = false;
  bool stalled_too_long = false;

  void move() {
    std::unique_lock lock(mutex);
    if (!changed.wait_for(lock, patience, [&] { return aborted; })) return;
    throw Error("virt", "OPERATION_ABORTED", "migration out: canceled by client");
  }
  void abort() {
    std::unique_lock lock(mutex);
    if (!changed.wait_for(lock, patience / 2, [&] { return !stalled; })) stalled_too_long = true;
    if (++aborts <= jobless) throw Error("virt", "OPERATION_INVALID", "no job is active on the domain");
    aborted = true;
    changed.notify_all();
  }
};

std::string code_of_move(const MoveSteps& steps, core::CancelToken& token, MoveLimits limits = {}) {
  try {
    run_cancellable_move(steps, token, limits);
  } catch (const Error& error) {
    return error.code;
  }
  return "";
}

MoveSteps steps_of(const std::shared_ptr<FakeDaemon>& daemon) {
  return {[daemon] { daemon->move(); }, [daemon] { daemon->abort(); }, "move of domain 'web'", "kvm1"};
}

}  // namespace

TEST_CASE("a move that nobody cancels gives its own result or error", "[virt]") {
  core::CancelToken token;
  CHECK(code_of_move({[] {}, [] {}, "move", "a"}, token) == "");
  CHECK(code_of_move({[] { throw Error("virt", "NO_SPACE", "full"); }, [] {}, "move", "a"}, token) == "NO_SPACE");
  CHECK(code_of_move({[] { throw std::runtime_error("?"); }, [] {}, "move", "a"}, token) == "INTERNAL");
}

TEST_CASE("a cancel before the job exists aborts again until it does", "[virt]") {
  auto daemon = std::make_shared<FakeDaemon>();
  daemon->jobless = 3;
  core::CancelToken token;
  std::thread canceller([&] {
    std::this_thread::sleep_for(20ms);
    token.cancel();
  });
  CHECK(code_of_move(steps_of(daemon), token, {5ms, patience}) == "CANCELLED");
  canceller.join();
  CHECK(daemon->aborted);
  CHECK(daemon->aborts >= 4);  // more, when the call takes its time to end after the abort that was taken
}

TEST_CASE("a cancel does not wait for the daemon: it comes from drover's main thread", "[virt]") {
  auto daemon = std::make_shared<FakeDaemon>();
  daemon->stalled = true;
  core::CancelToken token;
  std::thread canceller([&] {
    token.cancel();
    std::lock_guard lock(daemon->mutex);
    daemon->stalled = false;
    daemon->changed.notify_all();
  });
  CHECK(code_of_move(steps_of(daemon), token, {5ms, patience}) == "CANCELLED");
  canceller.join();
  CHECK_FALSE(daemon->stalled_too_long);
}

TEST_CASE("a cancel that came before the move started is not lost", "[virt]") {
  auto daemon = std::make_shared<FakeDaemon>();
  core::CancelToken token;
  token.cancel();
  CHECK(code_of_move(steps_of(daemon), token, {5ms, patience}) == "CANCELLED");
  CHECK(daemon->aborted);
}

TEST_CASE("a cancel that came too late says that the move ended well", "[virt]") {
  core::CancelToken token;
  MoveSteps steps{[&] { token.cancel(); }, [] {}, "move of domain 'web'", "kvm1"};
  try {
    run_cancellable_move(steps, token);
    FAIL("the cancel was lost");
  } catch (const Error& error) {
    CHECK(error.code == "CANCELLED");
    CHECK(error.message.find("ended well") != std::string::npos);
  }
}

TEST_CASE("a daemon that never answers is left after the bound, even when the abort hangs", "[virt]") {
  core::CancelToken token;
  auto hang = std::make_shared<std::atomic<bool>>(true);
  auto wait = [hang] {
    auto began = std::chrono::steady_clock::now();
    while (*hang && std::chrono::steady_clock::now() - began < patience) std::this_thread::sleep_for(5ms);
  };
  token.cancel();
  auto started = std::chrono::steady_clock::now();
  try {
    run_cancellable_move({wait, wait, "move of domain 'web'", "kvm1"}, token, {5ms, 100ms});
    FAIL("it ended well");
  } catch (const Error& error) {
    CHECK(error.code == "CANCELLED");
    CHECK(error.host == "kvm1");
    CHECK(error.hint.find("ask both hosts") != std::string::npos);
  }
  CHECK(std::chrono::steady_clock::now() - started < patience / 2);
  *hang = false;
}
