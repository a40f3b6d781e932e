#include "host/base/worker_pool.h"

#include <system_error>
#include <thread>

namespace drover {

struct WorkerPool::State {
  mutable std::mutex mutex;
  std::condition_variable wakeup;
  std::deque<Job> queue;
  size_t threads = 0;
  size_t idle = 0;
  size_t running = 0;
  size_t most_threads = 0;
  bool stopping = false;
};

WorkerPool::WorkerPool(size_t most_threads) : state_(std::make_shared<State>()) { state_->most_threads = most_threads; }

WorkerPool::~WorkerPool() {
  std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  state_->queue.clear();
  state_->wakeup.notify_all();
}

void WorkerPool::submit(Job job) {
  std::lock_guard lock(state_->mutex);
  state_->queue.push_back(std::move(job));
  if (state_->idle >= state_->queue.size() || state_->threads >= state_->most_threads) {
    state_->wakeup.notify_one();
    return;
  }
  try {
    std::thread([state = state_] { work(state); }).detach();
    ++state_->threads;  // the new thread waits for the lock that is held here
  } catch (const std::system_error&) {
    if (state_->threads > 0) return;
    state_->queue.pop_back();
    throw;
  }
}

size_t WorkerPool::pending() const {
  std::lock_guard lock(state_->mutex);
  return state_->running + state_->queue.size();
}

void WorkerPool::work(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  while (true) {
    while (state->queue.empty() && !state->stopping) {
      ++state->idle;
      state->wakeup.wait(lock);
      --state->idle;
    }
    if (state->stopping) break;
    {
      Job job = std::move(state->queue.front());
      state->queue.pop_front();
      ++state->running;
      lock.unlock();
      job();
    }  // the job's captures end here, outside the lock
    lock.lock();
    --state->running;
  }
  --state->threads;
}

}  // namespace drover
