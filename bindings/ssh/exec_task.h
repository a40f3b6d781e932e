// One program on a channel: its input goes out as the window allows, its two streams come in separately, bounded.
// A cancel or a timeout ends the program's process group by TERM and KILL. SSH's own signal request does not do:
// OpenSSH refuses it where the user is root ("session signalling requires privilege separation", session.c), so the
// program's first line on standard error is its process id (taken out again), and a second channel runs kill.
// Tested by tests/bindings/ssh/connection_test.cpp.
#pragma once

#include <libssh/callbacks.h>

#include "bindings/core/machine.h"
#include "bindings/ssh/connection.h"

namespace drover::ssh {

class ExecTask : public ChannelTask {
 public:
  static constexpr int64_t give_up_after_ms = 800;

  ExecTask(const core::ExecRequest& request, std::string host_name);
  ~ExecTask() override;

  // For the caller's thread: waits for the end. Throws TIMEOUT, CANCELLED, OUTPUT_TOO_LARGE, CONNECTION_LOST, CLOSED.
  core::ExecResult wait();
  // From any thread; takes effect at the task's next step.
  void cancel();
  // The server would not open a channel: the program did not start, and may be tried elsewhere.
  bool refused() const;

  bool step(ssh_session session, Clock::time_point now) override;
  void abandon(const Error& error) override;
  Clock::time_point next_step() const override;

 private:
  enum class Phase { opening, requesting, running, over };

  bool open(ssh_session session);
  bool request(ssh_session session);
  void write_input();
  void collect(const void* data, size_t size, bool errors);
  void end_program(const Error& reason, Clock::time_point now);
  void enforce_limits(Clock::time_point now);
  void take_process_id();
  bool kill_program(ssh_session session);
  bool finish();
  void fail(const Error& error);
  void release_channel();

  const std::string nonce_;
  const std::string command_;
  const std::string program_;
  std::string input_;
  const int64_t timeout_ms_;
  const size_t most_output_bytes_;
  const std::string host_name_;

  // The connection thread's own.
  Phase phase_ = Phase::opening;
  ssh_channel channel_ = nullptr;
  ssh_channel_callbacks_struct callbacks_{};
  size_t input_sent_ = 0;
  bool input_ended_ = false;
  bool closed_ = false;
  bool has_status_ = false;
  bool too_large_ = false;
  core::ExecResult result_;
  Clock::time_point deadline_;
  std::optional<Error> ending_;  // why the program is being ended
  std::string process_id_;       // of the program, and of its process group
  ssh_channel kill_channel_ = nullptr;
  bool killed_ = false;
  Clock::time_point give_up_at_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool cancelled_ = false;      // guarded by mutex_
  bool done_ = false;           // guarded by mutex_
  bool refused_ = false;        // guarded by mutex_
  std::optional<Error> error_;  // guarded by mutex_
};

}  // namespace drover::ssh
