// How work on another thread learns that nobody wants its result any more.
// cancel() may come from any thread, at any time; handlers run at most once each.
// Tested by tests/bindings/core/operation_test.cpp.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "host/base/error.h"

namespace drover::core {

class CancelToken {
 public:
  bool cancelled() const { return cancelled_.load(); }

  void cancel() {
    std::vector<std::function<void()>> handlers;
    {
      std::lock_guard lock(mutex_);
      if (cancelled_.exchange(true)) return;
      handlers.swap(handlers_);
    }
    for (auto& handler : handlers) handler();
  }

  // Runs handler on the cancelling thread when cancelled, at once when it is already. It must not block long:
  // an abort of a job or a write to a pipe, not a wait.
  void on_cancel(std::function<void()> handler) {
    {
      std::lock_guard lock(mutex_);
      if (!cancelled_.load()) {
        handlers_.push_back(std::move(handler));
        return;
      }
    }
    handler();
  }

  void throw_if_cancelled(const std::string& operation) const {
    if (cancelled()) throw cancelled_error(operation);
  }

 private:
  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> handlers_;
};

}  // namespace drover::core
