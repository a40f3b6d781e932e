#include "bindings/ssh/connection.h"

#include <libssh/server.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <thread>

namespace drover::ssh {

namespace {

constexpr int64_t longest_wait_ms = 1000;

// Signals are the main thread's; a write to a closed socket must be EPIPE here and not end the program.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

struct EventDeleter {
  void operator()(ssh_event event) const { ssh_event_free(event); }
};

int64_t milliseconds(Clock::duration span) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
}

}  // namespace

Connection::Connection(HostConfig host, ConnectOptions options)
    : host_(std::move(host)), options_(std::move(options)), wakeup_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Connection::~Connection() = default;

std::shared_ptr<Connection> Connection::start(HostConfig host, ConnectOptions options) {
  std::shared_ptr<Connection> connection(new Connection(std::move(host), std::move(options)));
  // Not joined: a name server that does not answer must not hold the program. close() and wait_ended() bound the rest.
  std::thread([connection] { connection->run(); }).detach();
  return connection;
}

void Connection::submit(std::shared_ptr<ChannelTask> task) {
  std::optional<Error> failed;
  {
    std::lock_guard lock(mutex_);
    if (state_ == State::dead) {
      failed = failure_;
    } else {
      submitted_.push_back(task);
    }
  }
  if (failed) {
    task->abandon(*failed);
  } else {
    wake();
  }
}

void Connection::wake() {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(wakeup_.get(), &one, sizeof one);  // full means that it is awake anyway
}

void Connection::close() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  cancel_.cancel();
  wake();
}

Connection::State Connection::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

std::optional<Error> Connection::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

std::shared_ptr<Secret> Connection::password() const {
  std::lock_guard lock(mutex_);
  return password_;
}

PublicKey Connection::host_key() const {
  std::lock_guard lock(mutex_);
  return host_key_;
}

void Connection::wait_ready(core::CancelToken& token) {
  std::weak_ptr<Connection> self = weak_from_this();
  token.on_cancel([self] {
    if (auto connection = self.lock()) {
      std::lock_guard lock(connection->mutex_);
      connection->changed_.notify_all();
    }
  });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return state_ != State::connecting || token.cancelled(); });
  if (state_ == State::dead) throw *failure_;
  if (state_ == State::connecting) throw cancelled_error("ssh.connect");
}

bool Connection::wait_ended(int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return ended_; });
}

void Connection::run() {
  block_signals();
  Session session;  // outlives end(): tasks give their channels back to it
  try {
    session = open_session(host_, options_, cancel_);
    prove_host_key(session, host_, options_);
    PublicKey shown = shown_host_key(session);
    authenticate(session, host_, options_, cancel_);
    {
      std::lock_guard lock(mutex_);
      state_ = State::ready;
      password_ = options_.password;
      host_key_ = shown;
      changed_.notify_all();
    }
    serve(session);
  } catch (const Error& error) {
    end(error);
  } catch (const std::exception& problem) {
    end(Error("ssh", "FAILED", std::string("the connection to ") + host_.name + " failed: " + problem.what()));
  }
  session = Session();
  std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

// Ends every task, so that nobody waits for a connection that is gone.
void Connection::end(const Error& error) {
  std::vector<std::shared_ptr<ChannelTask>> left;
  {
    std::lock_guard lock(mutex_);
    failure_ = closing_ ? Error("ssh", "CLOSED", "the connection to " + host_.name + " was closed").on_host(host_.name)
                        : error;
    state_ = State::dead;
    left.swap(submitted_);
    changed_.notify_all();
  }
  left.insert(left.end(), tasks_.begin(), tasks_.end());
  tasks_.clear();
  for (auto& task : left) task->abandon(*failure_);
}

void Connection::serve(const Session& session) {
  ssh_set_counters(session.get(), nullptr, &traffic_);
  std::unique_ptr<ssh_event_struct, EventDeleter> event(ssh_event_new());
  ssh_event_add_session(event.get(), session.get());
  heard_ = Clock::now();
  while (true) {
    {
      std::lock_guard lock(mutex_);
      if (closing_) break;
    }
    take_submitted();
    // A step of one task may read packets that another one waits for: go on until nothing more comes.
    uint64_t packets_before;
    do {
      packets_before = traffic_.in_packets;
      ssh_event_dopoll(event.get(), 0);
      step_tasks(session.get());
    } while (traffic_.in_packets != packets_before);
    check_alive(session.get());
    wait_for_events(session.get());
  }
  end(Error("ssh", "CLOSED", "the connection to " + host_.name + " was closed").on_host(host_.name));
  ssh_event_remove_session(event.get(), session.get());
}

void Connection::take_submitted() {
  std::lock_guard lock(mutex_);
  tasks_.insert(tasks_.end(), submitted_.begin(), submitted_.end());
  submitted_.clear();
}

void Connection::step_tasks(ssh_session session) {
  auto now = Clock::now();
  for (size_t i = 0; i < tasks_.size();) {
    if (tasks_[i]->step(session, now)) {
      tasks_.erase(tasks_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
}

void Connection::wait_for_events(ssh_session session) {
  auto now = Clock::now();
  auto until = now + std::chrono::milliseconds(std::min(longest_wait_ms, options_.keepalive_ms));
  std::vector<pollfd> wanted{
      {ssh_get_fd(session),
       static_cast<short>((ssh_get_poll_flags(session) & SSH_WRITE_PENDING) ? POLLIN | POLLOUT : POLLIN), 0},
      {wakeup_.get(), POLLIN, 0}};
  for (const auto& task : tasks_) {
    until = std::min(until, task->next_step());
    for (const auto& interest : task->interests()) wanted.push_back({interest.fd, interest.events, 0});
  }
  int64_t wait_ms = until > now ? milliseconds(until - now) + 1 : 0;
  poll(wanted.data(), wanted.size(), static_cast<int>(wait_ms));
  uint64_t count;
  [[maybe_unused]] ssize_t size = read(wakeup_.get(), &count, sizeof count);
}

void Connection::check_alive(ssh_session session) {
  if (ssh_get_status(session) & (SSH_CLOSED | SSH_CLOSED_ERROR)) throw lost_error(session);
  auto now = Clock::now();
  if (traffic_.in_packets != packets_seen_) {
    packets_seen_ = traffic_.in_packets;
    heard_ = now;
  }
  int64_t quiet_ms = milliseconds(now - heard_);
  if (quiet_ms >= options_.dead_after_ms) {
    throw Error("ssh", "CONNECTION_LOST",
                host_.name + " has not answered for " + std::to_string(quiet_ms / 1000) + " s")
        .on_host(host_.name)
        .with_hint("what ran there may still run: look before doing it again");
  }
  if (quiet_ms >= options_.keepalive_ms && milliseconds(now - asked_) >= options_.keepalive_ms) {
    asked_ = now;
    // A request that was answered meanwhile is only taken note of by the first call [libssh ssh_global_request].
    ssh_send_keepalive(session);
    ssh_send_keepalive(session);
  }
}

Error Connection::lost_error(ssh_session session) const {
  return Error("ssh", "CONNECTION_LOST", "the connection to " + host_.name + " was lost")
      .on_host(host_.name)
      .with_native(ssh_get_error(session))
      .with_hint("what ran there may still run: look before doing it again");
}

}  // namespace drover::ssh
