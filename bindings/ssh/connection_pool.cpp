#include "bindings/ssh/connection_pool.h"

#include "bindings/ssh/exec_task.h"

namespace drover::ssh {

namespace {

constexpr auto queue_slice = std::chrono::milliseconds(50);
constexpr auto refusal_pause = std::chrono::milliseconds(200);
constexpr int most_refusals = 50;
constexpr int64_t goodbye_ms = 500;

}  // namespace

// A channel's place in the count, given back at the end.
class ConnectionPool::Lease {
 public:
  Lease(ConnectionPool& pool, EntryRef entry) : pool_(pool), entry_(entry) {}
  ~Lease() { pool_.release(entry_, refused); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  Entry& operator*() const { return *entry_; }
  bool refused = false;

 private:
  ConnectionPool& pool_;
  EntryRef entry_;
};

ConnectionPool::ConnectionPool(HostConfig host, ConnectOptions options)
    : host_(std::move(host)), options_(std::move(options)) {}

ConnectionPool::~ConnectionPool() { close(); }

void ConnectionPool::connect(core::CancelToken& token) { connection(token); }

std::shared_ptr<Connection> ConnectionPool::connection(core::CancelToken& token) {
  std::shared_ptr<Connection> result;
  {
    std::lock_guard lock(mutex_);
    forget_dead_locked();
    result = entries_.empty() ? open_locked()->connection : entries_.front().connection;
  }
  try {
    result->wait_ready(token);
  } catch (const Error&) {
    if (token.cancelled()) result->close();
    throw;
  }
  std::lock_guard lock(mutex_);
  if (!options_.password) options_.password = result->password();
  return result;
}

core::ExecResult ConnectionPool::exec(const core::ExecRequest& request, core::CancelToken& token) {
  auto deadline = Clock::now() + std::chrono::milliseconds(longest_queue_ms);
  for (int attempt = 1;; ++attempt) {
    token.throw_if_cancelled("exec");
    Lease lease(*this, acquire(token, deadline));
    std::shared_ptr<Connection> connection = (*lease).connection;
    try {
      connection->wait_ready(token);
    } catch (const Error&) {
      if (token.cancelled() || !may_retry(*lease)) throw;
      continue;
    }
    auto task = std::make_shared<ExecTask>(request, host_.name);
    token.on_cancel([weak_task = std::weak_ptr(task), weak_connection = std::weak_ptr(connection)] {
      if (auto running = weak_task.lock()) running->cancel();
      if (auto serving = weak_connection.lock()) serving->wake();
    });
    connection->submit(task);
    try {
      return task->wait();
    } catch (const Error&) {
      lease.refused = task->refused();
      if (!lease.refused || attempt >= most_refusals) throw;
    }
  }
}

// A further connection that does not come up (MaxStartups, a limit of the firewall) does not fail the call while
// another one works: the pool stays as small as it is.
bool ConnectionPool::may_retry(const Entry& entry) {
  std::lock_guard lock(mutex_);
  size_t ready = 0;
  for (const Entry& other : entries_) {
    if (&other != &entry && other.connection->state() == Connection::State::ready) ++ready;
  }
  if (ready > 0) limit_ = std::max<size_t>(1, ready);
  return ready > 0 && !closed_;
}

ConnectionPool::EntryRef ConnectionPool::acquire(core::CancelToken& token, Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  while (true) {
    if (closed_) throw Error("ssh", "CLOSED", "the connection to " + host_.name + " was closed").on_host(host_.name);
    token.throw_if_cancelled("exec");
    auto now = Clock::now();
    forget_dead_locked();
    EntryRef entry = find_free(now);
    if (entry == entries_.end() && entries_.size() < limit_) entry = open_locked();
    if (entry != entries_.end()) {
      ++entry->used;
      return entry;
    }
    if (now >= deadline) {
      throw Error("ssh", "TIMEOUT",
                  "no free channel to " + host_.name + " in " + std::to_string(longest_queue_ms / 60000) + " minutes")
          .on_host(host_.name);
    }
    changed_.wait_for(lock, queue_slice);
  }
}

ConnectionPool::EntryRef ConnectionPool::find_free(Clock::time_point now) {
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    bool alive = entry->connection->state() != Connection::State::dead;
    if (alive && entry->used < channels_per_connection && now >= entry->full_until) return entry;
  }
  return entries_.end();
}

ConnectionPool::EntryRef ConnectionPool::open_locked() {
  if (closed_) throw Error("ssh", "CLOSED", "the connection to " + host_.name + " was closed").on_host(host_.name);
  for (const Entry& entry : entries_) {
    if (!options_.password) options_.password = entry.connection->password();
  }
  entries_.push_back(Entry{Connection::start(host_, options_), 0, {}});
  return std::prev(entries_.end());
}

void ConnectionPool::forget_dead_locked() {
  entries_.remove_if(
      [](const Entry& entry) { return entry.used == 0 && entry.connection->state() == Connection::State::dead; });
}

void ConnectionPool::release(EntryRef entry, bool refused) {
  std::lock_guard lock(mutex_);
  --entry->used;
  if (refused) entry->full_until = Clock::now() + refusal_pause;
  changed_.notify_all();
}

size_t ConnectionPool::connection_count() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

void ConnectionPool::close() {
  std::vector<std::shared_ptr<Connection>> connections;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    for (const Entry& entry : entries_) connections.push_back(entry.connection);
    changed_.notify_all();
  }
  for (auto& connection : connections) connection->close();
  // The goodbye is short; one that hangs in a name server is left to itself.
  auto deadline = Clock::now() + std::chrono::milliseconds(goodbye_ms);
  for (auto& connection : connections) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    connection->wait_ended(std::max<int64_t>(0, left));
  }
}

}  // namespace drover::ssh
