// An SSH connection as an actor: one thread owns the libssh session and drives many channels without blocking; others
// hand it tasks. A dead peer is found by keepalive@openssh.com (no packet for dead_after_ms), an ended one at once.
// Invariant: nobody but the thread touches libssh. Tested by tests/bindings/ssh/connection_test.cpp.
#pragma once

#include <libssh/libssh.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "bindings/core/cancel_token.h"
#include "bindings/ssh/host_config.h"
#include "bindings/ssh/session.h"
#include "host/base/error.h"
#include "host/base/unique_fd.h"

namespace drover::ssh {

using Clock = std::chrono::steady_clock;

// A piece of work on one or more channels. All members are called on the connection's thread.
class ChannelTask {
 public:
  virtual ~ChannelTask() = default;
  // Goes as far as it can without waiting. True when it is over and has let its channels go.
  virtual bool step(ssh_session session, Clock::time_point now) = 0;
  // The session is gone, or never came up. Called at most once, and nothing after it.
  virtual void abandon(const Error& error) = 0;
  // When step wants to be called although nothing happened.
  virtual Clock::time_point next_step() const { return Clock::time_point::max(); }
  // A descriptor of its own to wait for; fd -1 for none.
  struct Interest {
    int fd = -1;
    short events = 0;
  };
  virtual std::vector<Interest> interests() const { return {}; }
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Starts the thread, which connects and logs in.
  static std::shared_ptr<Connection> start(HostConfig host, ConnectOptions options);
  ~Connection();

  // From any thread. The task is abandoned when the connection fails or is closed.
  void submit(std::shared_ptr<ChannelTask> task);
  void wake();
  // Asks the thread to end; tasks are abandoned with CLOSED.
  void close();

  enum class State { connecting, ready, dead };
  State state() const;
  // Waits until it is logged in. Throws what the login threw, and CANCELLED.
  void wait_ready(core::CancelToken& token);
  // Waits until the thread let the session go.
  bool wait_ended(int64_t timeout_ms);
  // Why it is dead.
  std::optional<Error> failure() const;
  // The password that the person typed for this connection; others to the same host need not ask again.
  std::shared_ptr<Secret> password() const;
  PublicKey host_key() const;

 private:
  Connection(HostConfig host, ConnectOptions options);

  void run();
  void serve(const Session& session);
  void take_submitted();
  void step_tasks(ssh_session session);
  void wait_for_events(ssh_session session);
  void check_alive(ssh_session session);
  Error lost_error(ssh_session session) const;
  void end(const Error& error);

  HostConfig host_;
  ConnectOptions options_;
  core::CancelToken cancel_;
  UniqueFd wakeup_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::connecting;                      // guarded by mutex_
  bool closing_ = false;                                 // guarded by mutex_
  bool ended_ = false;                                   // guarded by mutex_
  std::optional<Error> failure_;                         // guarded by mutex_
  std::vector<std::shared_ptr<ChannelTask>> submitted_;  // guarded by mutex_
  std::shared_ptr<Secret> password_;                     // guarded by mutex_
  PublicKey host_key_;                                   // guarded by mutex_

  // The thread's own.
  std::vector<std::shared_ptr<ChannelTask>> tasks_;
  ssh_counter_struct traffic_{};
  uint64_t packets_seen_ = 0;
  Clock::time_point heard_;
  Clock::time_point asked_;
};

}  // namespace drover::ssh
