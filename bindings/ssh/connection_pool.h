// The connections to one host. A server allows ten sessions per connection (MaxSessions, sshd_config(5)); one stays
// free to end a program of the others. A further connection is opened only when the nine are busy, up to
// most_connections; beyond that callers wait their turn. A lost connection is replaced at the next call: a run of hours
// outlives a restart of sshd. Tested by tests/bindings/ssh/connection_test.cpp.
#pragma once

#include <list>

#include "bindings/core/machine.h"
#include "bindings/ssh/connection.h"

namespace drover::ssh {

class ConnectionPool : public std::enable_shared_from_this<ConnectionPool> {
 public:
  static constexpr int channels_per_connection = 9;
  static constexpr size_t most_connections = 8;
  static constexpr int64_t longest_queue_ms = 15 * 60 * 1000;

  ConnectionPool(HostConfig host, ConnectOptions options);
  ~ConnectionPool();

  // Opens the first connection. Throws what a login throws.
  void connect(core::CancelToken& token);
  core::ExecResult exec(const core::ExecRequest& request, core::CancelToken& token);
  // A connection for something that lasts, like a forwarding; it takes none of the sessions.
  std::shared_ptr<Connection> connection(core::CancelToken& token);
  // Ends all connections; calls after it throw CLOSED.
  void close();

  const HostConfig& host() const { return host_; }
  size_t connection_count() const;

 private:
  struct Entry {
    std::shared_ptr<Connection> connection;
    int used = 0;
    Clock::time_point full_until{};  // the server refused a channel: it has fewer than we think
  };
  using EntryRef = std::list<Entry>::iterator;
  class Lease;

  EntryRef acquire(core::CancelToken& token, Clock::time_point deadline);
  EntryRef find_free(Clock::time_point now);
  EntryRef open_locked();
  void forget_dead_locked();
  void release(EntryRef entry, bool refused);
  bool may_retry(const Entry& entry);

  HostConfig host_;
  ConnectOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Entry> entries_;         // guarded by mutex_
  size_t limit_ = most_connections;  // guarded by mutex_
  bool closed_ = false;              // guarded by mutex_
};

}  // namespace drover::ssh
