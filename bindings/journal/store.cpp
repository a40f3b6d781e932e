#include "bindings/journal/store.h"

#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "host/base/error.h"
#include "host/base/text.h"

namespace drover::journal {

namespace {

constexpr int schema_version = 1;
constexpr int busy_timeout_ms = 10000;

constexpr const char* schema = R"(
create table runs (
  id text primary key, playbook text not null, playbook_file text not null, playbook_text text not null,
  parameters text not null, state text not null, error text not null default '', object text not null default '',
  kept text not null default '', machine_id text not null, boot_id text not null, pid integer not null,
  pid_started integer not null, started_ms integer not null, ended_ms integer not null default 0
) strict;
create table entries (
  run text not null references runs(id), sequence integer not null, type text not null, kind text not null,
  label text not null, arguments text not null, result text not null default '', state text not null,
  error text not null default '', created_ms integer not null, updated_ms integer not null,
  primary key (run, sequence)
) strict;
create table events (
  run text not null references runs(id), at_ms integer not null, type text not null, data text not null
) strict;
create index events_of_run on events(run);
pragma user_version = 1;
)";

int64_t now_ms() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::string first_line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Field 22 of /proc/PID/stat, counted after the last ')' because a program's name may hold spaces; 0 when gone.
int64_t start_ticks(int64_t pid) {
  std::string line = first_line_of("/proc/" + std::to_string(pid) + "/stat");
  size_t end_of_name = line.rfind(')');
  if (end_of_name == std::string::npos) return 0;
  std::istringstream fields(line.substr(end_of_name + 1));
  std::string field;
  for (int number = 3; fields >> field; ++number) {
    if (number == 22) return std::stoll(field);
  }
  return 0;
}

}  // namespace

Owner this_process() {
  Owner owner;
  owner.machine_id = first_line_of("/etc/machine-id");
  owner.boot_id = first_line_of("/proc/sys/kernel/random/boot_id");
  owner.pid = getpid();
  owner.pid_started = start_ticks(owner.pid);
  return owner;
}

bool is_alive(const Owner& owner) {
  Owner self = this_process();
  if (owner.boot_id != self.boot_id) return false;
  return start_ticks(owner.pid) == owner.pid_started && owner.pid_started != 0;
}

class Store::Statement {
 public:
  Statement(Store& store, const char* sql) : store_(store) {
    if (sqlite3_prepare_v2(store.database_, sql, -1, &statement_, nullptr) != SQLITE_OK) store.fail("read");
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(const std::string& text) {
    sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    return *this;
  }
  Statement& bind(int64_t number) {
    sqlite3_bind_int64(statement_, ++bound_, number);
    return *this;
  }
  bool next() {
    int result = sqlite3_step(statement_);
    if (result == SQLITE_ROW) {
      column_ = 0;
      return true;
    }
    if (result != SQLITE_DONE) store_.fail("write");
    return false;
  }
  void run() {
    while (next()) {
    }
  }
  std::string text() {
    int column = column_++;
    const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return data == nullptr ? "" : std::string(data, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
  }
  int64_t number() { return sqlite3_column_int64(statement_, column_++); }

 private:
  Store& store_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
  int column_ = 0;
};

Store::Store(const std::string& path) : path_(path) {
  std::error_code ignored;
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!std::filesystem::exists(folder, ignored)) {
    std::filesystem::create_directories(folder, ignored);
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, ignored);
  }
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
  if (sqlite3_open_v2(path.c_str(), &database_, flags, nullptr) != SQLITE_OK) fail("open");
  try {
    sqlite3_busy_timeout(database_, busy_timeout_ms);
    execute("pragma journal_mode = wal");
    execute("pragma synchronous = full");
    execute("pragma foreign_keys = on");
    execute("begin immediate");
    int64_t version = 0;
    {
      Statement statement(*this, "pragma user_version");
      if (statement.next()) version = statement.number();
    }
    if (version == 0) execute(schema);
    execute("commit");
    if (version > schema_version) {
      throw Error("journal", "JOURNAL_UNUSABLE", "the journal was written by a newer drover")
          .on_object(path)
          .with_hint("use the drover that wrote it, or point DROVER_STATE elsewhere once its runs are recovered");
    }
  } catch (const Error&) {
    sqlite3_close_v2(database_);
    throw;
  }
}

Store::~Store() { sqlite3_close_v2(database_); }

void Store::fail(const std::string& doing) {
  std::string native = database_ != nullptr ? sqlite3_errmsg(database_) : "no memory";
  int code = database_ != nullptr ? sqlite3_errcode(database_) : SQLITE_NOMEM;
  Error error("journal", "JOURNAL_UNUSABLE", "cannot " + doing + " the journal " + path_ + ": " + native);
  error.on_object(path_).with_native(std::to_string(code) + " " + native);
  switch (code) {
    case SQLITE_FULL:
      error.with_hint("free some space there, and run again: nothing was changed by this step");
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      error.with_hint("move the file away and look at both hosts by hand: drover will not act on a damaged journal");
      break;
    default:
      error.with_hint("drover acts only when it can write down how to undo it");
      break;
  }
  throw error;
}

void Store::execute(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return;
  Error problem("", "", "");
  try {
    fail("use");
  } catch (const Error& error) {
    problem = error;
  }
  sqlite3_exec(database_, "rollback", nullptr, nullptr, nullptr);
  throw problem;
}

// In WAL mode, FULL syncs at every commit and NORMAL at checkpoints only.
void Store::set_durable(bool durable) {
  if (durable == durable_) return;
  execute(durable ? "pragma synchronous = full" : "pragma synchronous = normal");
  durable_ = durable;
}

void Store::begin_run(const Run& run) {
  std::lock_guard lock(mutex_);
  set_durable(true);
  Statement(*this,
            "insert into runs (id, playbook, playbook_file, playbook_text, parameters, state, object, machine_id, "
            "boot_id, pid, pid_started, started_ms) values (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?)")
      .bind(run.id)
      .bind(run.playbook)
      .bind(run.playbook_file)
      .bind(run.playbook_text)
      .bind(run.parameters)
      .bind(run.object)
      .bind(run.owner.machine_id)
      .bind(run.owner.boot_id)
      .bind(run.owner.pid)
      .bind(run.owner.pid_started)
      .bind(now_ms())
      .run();
}

void Store::end_run(const std::string& id, const std::string& state, const std::string& error) {
  std::lock_guard lock(mutex_);
  set_durable(true);
  Statement(*this, "update runs set state = ?, error = ?, ended_ms = ? where id = ?")
      .bind(state)
      .bind(error)
      .bind(now_ms())
      .bind(id)
      .run();
}

void Store::set_run_object(const std::string& id, const std::string& object) {
  std::lock_guard lock(mutex_);
  set_durable(true);
  Statement(*this, "update runs set object = ? where id = ?").bind(object).bind(id).run();
}

void Store::set_run_kept(const std::string& id) {
  std::lock_guard lock(mutex_);
  set_durable(true);
  Statement(*this, "update runs set kept = '1' where id = ?").bind(id).run();
}

bool Store::adopt_run(const std::string& id) {
  auto run = find_run(id);
  if (!run || is_alive(run->owner)) return false;
  Owner self = this_process();
  std::lock_guard lock(mutex_);
  set_durable(true);
  // Only one of two recoverers sees the dead owner in its update.
  Statement(*this,
            "update runs set machine_id = ?, boot_id = ?, pid = ?, pid_started = ? "
            "where id = ? and pid = ? and pid_started = ? and boot_id = ?")
      .bind(self.machine_id)
      .bind(self.boot_id)
      .bind(self.pid)
      .bind(self.pid_started)
      .bind(id)
      .bind(run->owner.pid)
      .bind(run->owner.pid_started)
      .bind(run->owner.boot_id)
      .run();
  return sqlite3_changes(database_) == 1;
}

std::vector<Run> Store::runs(int limit) {
  std::lock_guard lock(mutex_);
  Statement statement(*this,
                      "select id, playbook, playbook_file, playbook_text, parameters, state, error, object, kept, "
                      "machine_id, boot_id, pid, pid_started, started_ms, ended_ms from runs "
                      "order by started_ms desc, id limit ?");
  statement.bind(static_cast<int64_t>(limit));
  std::vector<Run> found;
  while (statement.next()) {
    Run run;
    for (std::string* field :
         {&run.id, &run.playbook, &run.playbook_file, &run.playbook_text, &run.parameters, &run.state, &run.error,
          &run.object, &run.kept, &run.owner.machine_id, &run.owner.boot_id}) {
      *field = statement.text();
    }
    for (int64_t* field : {&run.owner.pid, &run.owner.pid_started, &run.started_ms, &run.ended_ms}) {
      *field = statement.number();
    }
    found.push_back(std::move(run));
  }
  return found;
}

std::optional<Run> Store::find_run(const std::string& id) {
  std::optional<Run> found;
  for (Run& run : runs(-1)) {
    if (run.id == id) return run;
    if (id.empty() || run.id.rfind(id, 0) != 0) continue;
    if (found) {
      throw Error("journal", "AMBIGUOUS_RUN", "more than one run begins with '" + id + "'")
          .with_hint("'drover runs' lists them");
    }
    found = std::move(run);
  }
  return found;
}

int64_t Store::add_intent(const std::string& run, const Entry& entry) {
  std::lock_guard lock(mutex_);
  set_durable(true);
  Statement statement(
      *this,
      "insert into entries (run, sequence, type, kind, label, arguments, state, created_ms, updated_ms) "
      "values (?1, (select coalesce(max(sequence), 0) + 1 from entries where run = ?1), ?2, ?3, ?4, ?5, "
      "'intent', ?6, ?6) returning sequence");
  statement.bind(run).bind(entry.type).bind(entry.kind).bind(entry.label).bind(entry.arguments).bind(now_ms());
  int64_t sequence = statement.next() ? statement.number() : 0;
  statement.run();
  return sequence;
}

void Store::mark_entry(const std::string& run, int64_t sequence, const std::string& state, const std::string& result,
                       const std::string& error) {
  std::lock_guard lock(mutex_);
  set_durable(false);
  Statement(*this,
            "update entries set state = ?, result = case when ? = '' then result else ? end, error = ?, updated_ms = ? "
            "where run = ? and sequence = ?")
      .bind(state)
      .bind(result)
      .bind(result)
      .bind(error)
      .bind(now_ms())
      .bind(run)
      .bind(sequence)
      .run();
}

std::vector<Entry> Store::entries(const std::string& run) {
  std::lock_guard lock(mutex_);
  Statement statement(*this,
                      "select sequence, type, kind, label, arguments, result, state, error, created_ms, updated_ms "
                      "from entries where run = ? order by sequence");
  statement.bind(run);
  std::vector<Entry> found;
  while (statement.next()) {
    Entry entry;
    entry.sequence = statement.number();
    for (std::string* field :
         {&entry.type, &entry.kind, &entry.label, &entry.arguments, &entry.result, &entry.state, &entry.error}) {
      *field = statement.text();
    }
    entry.created_ms = statement.number();
    entry.updated_ms = statement.number();
    found.push_back(std::move(entry));
  }
  return found;
}

void Store::add_event(const std::string& run, const std::string& type, const std::string& data) {
  std::lock_guard lock(mutex_);
  set_durable(false);
  Statement(*this, "insert into events (run, at_ms, type, data) values (?, ?, ?, ?)")
      .bind(run)
      .bind(now_ms())
      .bind(type)
      .bind(data)
      .run();
}

std::vector<Event> Store::events(const std::string& run) {
  std::lock_guard lock(mutex_);
  Statement statement(*this, "select at_ms, type, data from events where run = ? order by rowid");
  statement.bind(run);
  std::vector<Event> found;
  while (statement.next()) {
    Event event;
    event.at_ms = statement.number();
    event.type = statement.text();
    event.data = statement.text();
    found.push_back(std::move(event));
  }
  return found;
}

}  // namespace drover::journal
