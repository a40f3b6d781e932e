#include "bindings/ssh/exec_task.h"

#include <signal.h>

#include <random>

#include "bindings/ssh/quoting.h"

namespace drover::ssh {

namespace {

constexpr uint32_t chunk_bytes = 32768;
constexpr int64_t kill_retry_ms = 20;

// Says the process id that the program will have, and becomes the program.
constexpr const char* start_script = R"sh(echo "drover-pid:$1:$$" >&2; shift; exec "$@")sh";

// Goes on by itself when the connection is gone. The whole group: a shell's children too.
constexpr const char* kill_script = R"sh(kill -s TERM -- "-$1" 2>/dev/null
round=0
while kill -s 0 -- "-$1" 2>/dev/null && [ "$round" -lt 8 ]; do sleep 0.05; round=$((round + 1)); done
kill -s KILL -- "-$1" 2>/dev/null
)sh";

std::string make_nonce() {
  std::random_device source;
  return std::to_string(source()) + std::to_string(source());
}

std::vector<std::string> started(const std::vector<std::string>& argv, const std::string& nonce) {
  if (argv.empty() || argv.front().empty()) throw Error("ssh", "BAD_ARGUMENT", "no program to run was given");
  std::vector<std::string> result{"sh", "-c", start_script, "drover", nonce};
  result.insert(result.end(), argv.begin(), argv.end());
  return result;
}

// The names of RFC 4254, section 6.10.
int signal_number(const std::string& name) {
  static const std::map<std::string, int> numbers{
      {"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"FPE", SIGFPE},   {"HUP", SIGHUP},   {"ILL", SIGILL},
      {"INT", SIGINT},   {"KILL", SIGKILL}, {"PIPE", SIGPIPE}, {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV},
      {"TERM", SIGTERM}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}};
  auto found = numbers.find(name);
  return found != numbers.end() ? found->second : 0;
}

auto milliseconds(int64_t count) { return std::chrono::milliseconds(count); }

}  // namespace

ExecTask::ExecTask(const core::ExecRequest& request, std::string host_name)
    : nonce_(make_nonce()),
      command_(command_line(started(request.argv, nonce_), request.environment)),
      program_(request.argv.front()),
      input_(request.input),
      timeout_ms_(request.timeout_ms),
      most_output_bytes_(request.most_output_bytes),
      host_name_(std::move(host_name)) {
  if (timeout_ms_ <= 0) throw Error("ssh", "BAD_ARGUMENT", "a program needs a time limit").on_host(host_name_);
  deadline_ = Clock::now() + milliseconds(timeout_ms_);
}

ExecTask::~ExecTask() {
  wipe(input_);  // programs get passwords and keys on their standard input
}

core::ExecResult ExecTask::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return done_; });
  if (error_) throw *error_;
  return std::move(result_);
}

void ExecTask::cancel() {
  std::lock_guard lock(mutex_);
  cancelled_ = true;
}

bool ExecTask::refused() const {
  std::lock_guard lock(mutex_);
  return refused_;
}

bool ExecTask::step(ssh_session session, Clock::time_point now) {
  enforce_limits(now);
  if (phase_ == Phase::opening && !open(session)) return phase_ == Phase::over;
  if (phase_ == Phase::requesting && !request(session)) return phase_ == Phase::over;
  if (phase_ == Phase::running) {
    if (ending_ && !killed_ && !closed_) killed_ = kill_program(session);
    write_input();
    if (closed_) return finish();
  }
  return phase_ == Phase::over;
}

bool ExecTask::open(ssh_session session) {
  if (channel_ == nullptr) channel_ = ssh_channel_new(session);
  int result = ssh_channel_open_session(channel_);
  if (result == SSH_AGAIN) return false;
  if (result != SSH_OK) {
    if (ssh_get_status(session) & (SSH_CLOSED | SSH_CLOSED_ERROR)) return false;  // the connection abandons us
    {
      std::lock_guard lock(mutex_);
      refused_ = true;
    }
    fail(Error("ssh", "NO_CHANNEL", "the SSH server of " + host_name_ + " opens no further session")
             .with_native(ssh_get_error(session))
             .with_hint("see MaxSessions in its sshd_config"));
    return false;
  }
  ssh_callbacks_init(&callbacks_);
  callbacks_.userdata = this;
  callbacks_.channel_data_function = [](ssh_session, ssh_channel, void* data, uint32_t size, int errors, void* self) {
    static_cast<ExecTask*>(self)->collect(data, size, errors != 0);
    return static_cast<int>(size);
  };
  callbacks_.channel_close_function = [](ssh_session, ssh_channel, void* self) {
    static_cast<ExecTask*>(self)->closed_ = true;
  };
  callbacks_.channel_exit_status_function = [](ssh_session, ssh_channel, int status, void* self) {
    static_cast<ExecTask*>(self)->result_.exit_code = status;
    static_cast<ExecTask*>(self)->has_status_ = true;
  };
  callbacks_.channel_exit_signal_function = [](ssh_session, ssh_channel, const char* signal, int, const char*,
                                               const char*, void* self) {
    auto* task = static_cast<ExecTask*>(self);
    task->result_.signal = signal;
    task->result_.exit_code = 128 + signal_number(signal);
    task->has_status_ = true;
  };
  ssh_add_channel_callbacks(channel_, &callbacks_);
  phase_ = Phase::requesting;
  return true;
}

bool ExecTask::request(ssh_session session) {
  int result = ssh_channel_request_exec(channel_, command_.c_str());
  if (result == SSH_AGAIN) return false;
  if (result != SSH_OK) {
    if (ssh_get_status(session) & (SSH_CLOSED | SSH_CLOSED_ERROR)) return false;
    fail(Error("ssh", "REFUSED", host_name_ + " refuses to run " + program_)
             .with_native(ssh_get_error(session))
             .with_hint("is the login restricted to a forced command or to files?"));
    return false;
  }
  phase_ = Phase::running;
  return true;
}

void ExecTask::write_input() {
  while (!input_ended_ && !closed_ && input_sent_ < input_.size()) {
    uint32_t size = static_cast<uint32_t>(std::min<size_t>(chunk_bytes, input_.size() - input_sent_));
    size = std::min(size, ssh_channel_window_size(channel_));
    int written = size > 0 ? ssh_channel_write(channel_, input_.data() + input_sent_, size) : 0;
    if (written < 0) input_ended_ = true;  // the program does not read any more
    if (written <= 0) return;
    input_sent_ += static_cast<size_t>(written);
  }
  if (!input_ended_ && !closed_ && input_sent_ == input_.size()) {
    ssh_channel_send_eof(channel_);
    input_ended_ = true;
  }
}

void ExecTask::collect(const void* data, size_t size, bool errors) {
  if (ending_ && !errors) return;
  if (result_.output.size() + result_.errors.size() + size > most_output_bytes_) {
    too_large_ = true;
    return;
  }
  (errors ? result_.errors : result_.output).append(static_cast<const char*>(data), size);
  if (errors && process_id_.empty()) take_process_id();
}

void ExecTask::take_process_id() {
  std::string mark = "drover-pid:" + nonce_ + ":";
  size_t begin = result_.errors.find(mark);
  size_t end = begin != std::string::npos ? result_.errors.find('\n', begin) : begin;
  if (end == std::string::npos) return;
  process_id_ = result_.errors.substr(begin + mark.size(), end - begin - mark.size());
  result_.errors.erase(begin, end + 1 - begin);
}

// True when the host has started to kill it, or there is nothing to try.
bool ExecTask::kill_program(ssh_session session) {
  if (process_id_.empty() || process_id_.find_first_not_of("0123456789") != std::string::npos) return false;
  if (kill_channel_ == nullptr) kill_channel_ = ssh_channel_new(session);
  int result = ssh_channel_is_open(kill_channel_) ? SSH_OK : ssh_channel_open_session(kill_channel_);
  if (result == SSH_AGAIN) return false;
  if (result == SSH_OK) {
    result = ssh_channel_request_exec(kill_channel_,
                                      command_line({"sh", "-c", kill_script, "drover", process_id_}, {}).c_str());
    if (result == SSH_AGAIN) return false;
  }
  // Refused means that all sessions are taken: another try until the time is over.
  ssh_channel_free(kill_channel_);
  kill_channel_ = nullptr;
  return result == SSH_OK;
}

void ExecTask::enforce_limits(Clock::time_point now) {
  bool cancelled;
  {
    std::lock_guard lock(mutex_);
    cancelled = cancelled_;
  }
  if (!ending_) {
    if (cancelled)
      end_program(cancelled_error("exec " + program_), now);
    else if (too_large_)
      end_program(Error("ssh", "OUTPUT_TOO_LARGE",
                        program_ + " wrote more than " + std::to_string(most_output_bytes_) + " bytes"),
                  now);
    else if (now >= deadline_)
      end_program(Error("ssh", "TIMEOUT", program_ + " did not end in " + std::to_string(timeout_ms_) + " ms")
                      .with_hint("it was ended; look at what it did before running it again"),
                  now);
    return;
  }
  if (phase_ != Phase::over && now >= give_up_at_) fail(*ending_);
}

void ExecTask::end_program(const Error& reason, Clock::time_point now) {
  ending_ = reason;
  give_up_at_ = now + milliseconds(give_up_after_ms);
  input_ended_ = true;
}

Clock::time_point ExecTask::next_step() const {
  if (!ending_) return too_large_ ? Clock::time_point::min() : deadline_;
  if (phase_ != Phase::running || killed_) return give_up_at_;
  return std::min(give_up_at_, Clock::now() + milliseconds(kill_retry_ms));
}

bool ExecTask::finish() {
  if (ending_) {
    fail(*ending_);
    return true;
  }
  if (too_large_) return false;  // the next step says so
  if (!has_status_) {
    fail(Error("ssh", "CONNECTION_LOST", host_name_ + " ended " + program_ + " without an exit status"));
    return true;
  }
  release_channel();
  std::lock_guard lock(mutex_);
  done_ = true;
  changed_.notify_all();
  return true;
}

void ExecTask::fail(const Error& error) {
  release_channel();
  std::lock_guard lock(mutex_);
  error_ = error;
  error_->on_host(host_name_);
  if (error_->object.empty()) error_->on_object(program_);
  done_ = true;
  changed_.notify_all();
}

void ExecTask::abandon(const Error& error) { fail(error); }

void ExecTask::release_channel() {
  phase_ = Phase::over;
  if (kill_channel_ != nullptr) ssh_channel_free(kill_channel_);
  kill_channel_ = nullptr;
  if (channel_ == nullptr) return;
  // libssh keeps a closed channel until the peer has closed it too: it must not call into us after this.
  if (callbacks_.size != 0) ssh_remove_channel_callbacks(channel_, &callbacks_);
  ssh_channel_free(channel_);
  channel_ = nullptr;
}

}  // namespace drover::ssh
