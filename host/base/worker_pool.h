// Threads for calls that block (libvirt, libssh, files). It grows with need up to a bound, because fifty
// hosts that each answer after a second must take one second together, and no thread is made before its use.
// Tested by tests/base/worker_pool_test.cpp.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace drover {

class WorkerPool {
 public:
  using Job = std::function<void()>;

  explicit WorkerPool(size_t most_threads = 128);
  ~WorkerPool();  // Lets running jobs go: a thread inside a blocking call cannot be ended, and is not waited for.
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Runs job on a thread of the pool. The job must not throw. When the system gives no thread, the job waits for one
  // that is there; std::system_error when there is none at all.
  void submit(Job job);

  // Jobs that run or wait.
  size_t pending() const;

 private:
  struct State;  // shared with the threads, which may outlive the pool
  static void work(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
};

}  // namespace drover
