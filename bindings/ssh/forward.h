// Forwarding from the drover process through an SSH connection: a listening socket here, UNIX or TCP, whose
// connections come out on the host. The connection's thread serves it; data waits where the other side is slow, so
// nothing grows without bound. Closing ends it and its connections and removes the socket's file.
// Tested by tests/bindings/ssh/forward_test.cpp.
#pragma once

#include <atomic>
#include <list>

#include "bindings/ssh/ssh_machine.h"

namespace drover::ssh {

struct ForwardTarget {
  std::string remote_path;  // a UNIX socket, or:
  std::string remote_host;
  int remote_port = 0;
};

class ForwardTask : public ChannelTask {
 public:
  struct Status {
    bool open = true;
    int64_t connections = 0;  // that came so far
    int64_t refused = 0;      // that the host did not let through
    std::string last_error;
  };

  // socket_path: removed at the end; "" for TCP.
  ForwardTask(UniqueFd listener, std::string socket_path, ForwardTarget target);
  ~ForwardTask() override;

  // From any thread; takes effect at the next step.
  void close();
  Status status() const;
  bool wait_closed(int64_t timeout_ms);

  bool step(ssh_session session, Clock::time_point now) override;
  void abandon(const Error& error) override;
  std::vector<Interest> interests() const override;

 private:
  struct Link {
    UniqueFd fd;
    ssh_channel channel = nullptr;
    bool open = false;
    std::string to_remote, to_local;
    bool local_ended = false, remote_ended = false;
    bool eof_sent = false, shut = false;
  };

  void accept_new(ssh_session session);
  bool step_link(ssh_session session, Link& link);
  bool open_link(ssh_session session, Link& link);
  bool pump_out(Link& link);
  bool pump_in(Link& link);
  void end_all(const std::string& reason);

  UniqueFd listener_;
  std::string socket_path_;
  ForwardTarget target_;
  std::list<Link> links_;  // the connection thread's own

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool closing_ = false;  // guarded by mutex_
  Status status_;         // guarded by mutex_
};

// What Lua holds.
struct Forward {
  static constexpr const char* lua_name = "ssh.Forward";
  std::shared_ptr<ForwardTask> task;
  std::shared_ptr<Connection> connection;
  std::shared_ptr<SshMachine> machine;  // keeps the connection
  std::string local_address;            // a path, or 127.0.0.1:PORT
  std::shared_ptr<UniqueFd> place;      // of a nameless socket: keeps /proc/self/fd/N valid

  void close();
};

// Throws PATH_BUSY, NO_PERMISSION, BAD_ARGUMENT, and what a connection throws.
Forward forward_unix(std::shared_ptr<SshMachine> machine, const std::string& local_path, ForwardTarget target,
                     core::CancelToken& token);
// Like it, without a name in the file system: only this process can connect, through /proc/self/fd/N, and nothing is
// left whatever becomes of it.
Forward forward_unix_nameless(std::shared_ptr<SshMachine> machine, ForwardTarget target, core::CancelToken& token);
// Listens on 127.0.0.1; local_port 0 takes a free one. Throws PORT_BUSY, NO_PERMISSION.
Forward forward_tcp(std::shared_ptr<SshMachine> machine, int local_port, ForwardTarget target,
                    core::CancelToken& token);

}  // namespace drover::ssh
