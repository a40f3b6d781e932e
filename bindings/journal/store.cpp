#include "bindings/journal/store.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "bindings/journal/rows.h"
#include "host/base/error.h"

namespace drover::journal {

namespace {

constexpr int schema_version = 1;
constexpr int64_t runs_forgotten_at_once = 50;  // so that not every run looks for old ones
constexpr int busy_timeout_ms = 10000;
constexpr int least_page_bytes = 4096;  // SQLite's default page, and so the least size of a journal

int64_t now_ms() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// The journal holds code that root will run to undo: whoever may write it would be root.
void refuse_unsafe(const std::string& place) {
  struct stat info {};
  if (geteuid() != 0 || stat(place.c_str(), &info) != 0) return;
  if (info.st_uid == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0) return;
  throw Error("journal", "JOURNAL_UNUSABLE", "others than root may write " + place + ": it is no place for a journal")
      .on_object(place)
      .with_hint("chown root " + place + " && chmod go-w " + place + ", or name another folder in DROVER_STATE");
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (folder.empty() || std::filesystem::exists(folder, ignored)) return;
  std::filesystem::create_directories(folder.parent_path(), ignored);
  mkdir(folder.c_str(), S_IRWXU);  // a failure shows when SQLite opens the file
}

}  // namespace

class Store::Transaction {
 public:
  explicit Transaction(Store& store) : store_(store) { store.execute("begin immediate"); }
  ~Transaction() {
    if (!committed_) sqlite3_exec(store_.database_, "rollback", nullptr, nullptr, nullptr);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  void commit() {
    store_.execute("commit");
    committed_ = true;
  }

 private:
  Store& store_;
  bool committed_ = false;
};

Store::Store(const std::string& path, int64_t kept_runs) : path_(path), counts_(path), kept_runs_(kept_runs) {
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  make_folder(folder);
  refuse_unsafe(folder.string());
  refuse_unsafe(path);
  try {
    open();
  } catch (...) {  // no Lua is near: the handle must not leak, whatever came
    sqlite3_close_v2(database_);
    throw;
  }
}

void Store::open() {
  // SQLite takes a file below one page for a new database, and would begin a new journal over a lost one.
  struct stat info {};
  if (stat(path_.c_str(), &info) == 0 && info.st_size > 0 && info.st_size < least_page_bytes) {
    throw damaged(path_, "it is cut off");
  }
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
  if (sqlite3_open_v2(path_.c_str(), &database_, flags, nullptr) != SQLITE_OK) throw unusable(database_, path_);
  chmod(path_.c_str(), S_IRUSR | S_IWUSR);
  sqlite3_busy_timeout(database_, busy_timeout_ms);
  execute("pragma journal_mode = wal");
  set_durable(true);
  execute("pragma foreign_keys = on");
  Transaction transaction(*this);
  int64_t version = 0;
  {
    Statement statement = prepare("pragma user_version");
    if (statement.next()) version = statement.number();
  }
  if (version > schema_version) {
    throw Error("journal", "JOURNAL_UNUSABLE", "the journal " + path_ + " was written by a newer drover")
        .on_object(path_)
        .with_hint("use the drover that wrote it, or point DROVER_STATE elsewhere once its runs are recovered");
  }
  if (version == 0) execute(schema);
  transaction.commit();
}

Store::~Store() { sqlite3_close_v2(database_); }

Statement Store::prepare(const char* sql) { return {database_, path_, sql}; }

void Store::execute(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) throw unusable(database_, path_);
}

// In WAL mode, FULL syncs at every commit and NORMAL at checkpoints only.
void Store::set_durable(bool durable) {
  if (durable == durable_) return;
  execute(durable ? "pragma synchronous = full" : "pragma synchronous = normal");
  durable_ = durable;
}

// ---- runs ----

Run Store::load_run(const std::string& id) {
  std::string sql = std::string("select ") + run_columns + " from runs where id = ?";
  Statement statement = prepare(sql.c_str());
  statement.bind(id);
  if (!statement.next()) throw damaged(path_, "there is no run '" + id + "' in it");
  return read_run(statement, path_);
}

void Store::save_run(const Run& changed) {
  Run run = changed;
  Statement statement = prepare(
      "update runs set id = ?, playbook = ?, playbook_file = ?, playbook_text = ?, parameters = ?, state = ?, error = "
      "?, "
      "object = ?, kept = ?, machine_id = ?, boot_id = ?, pid = ?, pid_started = ?, started_ms = ?, ended_ms = ?, "
      "checksum = ? where id = ?");
  for (const std::string* text : texts_of(run)) statement.bind(*text);
  for (const int64_t* number : numbers_of(run)) statement.bind(*number);
  statement.bind(checksum_of(run)).bind(run.id).run();
  if (sqlite3_changes(database_) != 1) throw damaged(path_, "there is no run '" + run.id + "' in it");
}

void Store::begin_run(const Run& begun) {
  std::lock_guard lock(mutex_);
  set_durable(true);
  Run run = begun;
  run.state = "running";
  run.started_ms = now_ms();
  std::string sql = std::string("insert into runs (") + run_columns +
                    ", entry_count) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)";
  Transaction transaction(*this);
  {
    Statement statement = prepare(sql.c_str());
    for (const std::string* text : texts_of(run)) statement.bind(*text);
    for (const int64_t* number : numbers_of(run)) statement.bind(*number);
    statement.bind(checksum_of(run)).run();
  }
  forget_old_runs();
  transaction.commit();
}

// Forgets the oldest runs beyond kept_runs_. One that has anything open, or that a person is needed for, stays.
void Store::forget_old_runs() {
  {
    Statement count = prepare("select count(*) from runs");
    if (!count.next() || count.number() <= kept_runs_ + runs_forgotten_at_once) return;
  }
  std::vector<std::string> old;
  {
    Statement finished = prepare(
        "select id from runs where state not in ('running', 'needs_operator') and kept = '' and not exists "
        "(select 1 from entries where entries.run = runs.id and entries.state <> 'ended') "
        "order by started_ms desc, rowid desc limit -1 offset ?");
    finished.bind(kept_runs_);
    while (finished.next()) old.push_back(finished.text());
  }
  for (const std::string& id : old) {
    for (const char* sql :
         {"delete from events where run = ?", "delete from entries where run = ?", "delete from runs where id = ?"}) {
      prepare(sql).bind(id).run();
    }
    counts_.forget(id);
  }
}

void Store::end_run(const std::string& id, const std::string& state, const std::string& error) {
  std::lock_guard lock(mutex_);
  set_durable(true);
  Transaction transaction(*this);
  Run run = load_run(id);
  run.state = state;
  run.error = error;
  run.ended_ms = now_ms();
  save_run(run);
  transaction.commit();
  if (state != "needs_operator" && run.kept.empty()) counts_.forget(id);
}

// The oldest run of an object, but for one, that is at work or has anything open; "" when there is none.
std::string Store::holder_of(const std::string& object, const std::string& except) {
  Statement others = prepare(
      "select id from runs where object = ? and id <> ? and (state = 'running' or exists "
      "(select 1 from entries where entries.run = runs.id and entries.state <> 'ended')) order by started_ms, rowid "
      "limit 1");
  others.bind(object).bind(except);
  return others.next() ? others.text() : "";
}

std::string Store::find_holder(const std::string& object) {
  std::lock_guard lock(mutex_);
  return holder_of(object, "");
}

std::string Store::claim_object(const std::string& id, const std::string& object) {
  std::lock_guard lock(mutex_);
  set_durable(true);
  Transaction transaction(*this);
  Run run = load_run(id);
  if (std::string other = holder_of(object, id); !other.empty()) return other;
  run.object = object;
  save_run(run);
  transaction.commit();
  return "";
}

void Store::set_run_kept(const std::string& id, bool kept) {
  std::lock_guard lock(mutex_);
  set_durable(true);
  Transaction transaction(*this);
  Run run = load_run(id);
  run.kept = kept ? "1" : "";
  save_run(run);
  transaction.commit();
}

bool Store::adopt_run(const std::string& id) {
  std::lock_guard lock(mutex_);
  set_durable(true);
  // The transaction lets one of two recoverers see the dead owner, and the other one see the first.
  Transaction transaction(*this);
  Run run = load_run(id);
  Owner self = this_process();
  bool open = run.state == "running" || run.state == "needs_operator" || run.kept == "1";
  if (!open || (is_alive(run.owner) && run.owner != self)) return false;
  run.owner = self;
  save_run(run);
  transaction.commit();
  return true;
}

// Of two that began in the same millisecond the one that was written later is the newer: their ids say nothing of it.
std::vector<Run> Store::runs(int limit) {
  std::lock_guard lock(mutex_);
  auto counts = counts_.all();  // before the runs: another process may be adding one
  {
    // A run whose record is lost would leave its entries to nobody.
    Statement orphan = prepare("select run from entries where run not in (select id from runs) limit 1");
    if (orphan.next()) throw damaged(path_, "entries of run '" + orphan.text() + "' have no run");
  }
  std::string sql = std::string("select ") + run_columns + " from runs order by started_ms desc, rowid desc limit ?";
  Statement statement = prepare(sql.c_str());
  statement.bind(static_cast<int64_t>(limit));
  std::vector<Run> found;
  while (statement.next()) {
    found.push_back(read_run(statement, path_));
    counts.erase(found.back().id);
  }
  for (const auto& [id, count] : counts) {
    if (count > 0 && !has_run(id)) {
      throw damaged(path_, "run '" + id + "' made " + std::to_string(count) + " entries, and is not in it");
    }
  }
  return found;
}

bool Store::has_run(const std::string& id) {
  Statement statement = prepare("select 1 from runs where id = ?");
  statement.bind(id);
  return statement.next();
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

// ---- entries ----

// One alone: a run of a hundred moves marks a thousand entries.
Entry Store::load_entry(const std::string& run, int64_t sequence) {
  std::string sql = std::string("select ") + entry_columns + " from entries where run = ? and sequence = ?";
  Statement statement = prepare(sql.c_str());
  statement.bind(run).bind(sequence);
  if (statement.next()) return read_entry(statement, run, path_);
  throw damaged(path_, "there is no entry " + std::to_string(sequence) + " of run '" + run + "'");
}

std::vector<Entry> Store::load_entries(const std::string& run) {
  int64_t noted = counts_.of(run);  // before the count: another process may be adding one
  int64_t expected = 0;
  {
    Statement count = prepare("select entry_count from runs where id = ?");
    count.bind(run);
    if (count.next()) expected = count.number();
  }
  if (noted > expected) {
    throw damaged(path_, "run '" + run + "' made " + std::to_string(noted) + " entries, and its end is lost: it has " +
                             std::to_string(expected));
  }
  std::string sql = std::string("select ") + entry_columns + " from entries where run = ? order by sequence";
  Statement statement = prepare(sql.c_str());
  statement.bind(run);
  std::vector<Entry> found;
  while (statement.next()) found.push_back(read_entry(statement, run, path_));
  if (static_cast<int64_t>(found.size()) != expected || (expected > 0 && found.back().sequence != expected)) {
    throw damaged(path_, "run '" + run + "' made " + std::to_string(expected) + " entries, and " +
                             std::to_string(found.size()) + " are there");
  }
  return found;
}

void Store::save_entry(const std::string& run, const Entry& changed) {
  Entry entry = changed;
  Statement statement = prepare(
      "update entries set type = ?, kind = ?, label = ?, arguments = ?, result = ?, state = ?, error = ?, "
      "updated_ms = ?, checksum = ? where run = ? and sequence = ?");
  entry.updated_ms = now_ms();
  for (const std::string* text : texts_of(entry)) statement.bind(*text);
  statement.bind(entry.updated_ms).bind(checksum_of(run, entry)).bind(run).bind(entry.sequence).run();
  if (sqlite3_changes(database_) != 1) throw damaged(path_, "there is no such entry of run '" + run + "'");
}

int64_t Store::add_intent(const std::string& run, const Entry& added) {
  std::lock_guard lock(mutex_);
  set_durable(true);
  Transaction transaction(*this);
  Entry entry = added;
  {
    Statement count = prepare("update runs set entry_count = entry_count + 1 where id = ? returning entry_count");
    count.bind(run);
    if (!count.next()) throw damaged(path_, "there is no run '" + run + "' in it");
    entry.sequence = count.number();
  }
  entry.state = "intent";
  entry.result.clear();
  entry.error.clear();
  entry.created_ms = entry.updated_ms = now_ms();
  {
    Statement statement = prepare(
        "insert into entries (run, sequence, type, kind, label, arguments, result, state, error, created_ms, "
        "updated_ms, checksum) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    statement.bind(run).bind(entry.sequence);
    for (const std::string* text : texts_of(entry)) statement.bind(*text);
    statement.bind(entry.created_ms).bind(entry.updated_ms).bind(checksum_of(run, entry)).run();
  }
  transaction.commit();
  counts_.note(run, entry.sequence);
  return entry.sequence;
}

void Store::mark_entry(const std::string& run, int64_t sequence, const std::string& state, const std::string& result,
                       const std::string& error) {
  std::lock_guard lock(mutex_);
  set_durable(false);
  Transaction transaction(*this);
  Entry entry = load_entry(run, sequence);
  entry.state = state;
  if (!result.empty()) entry.result = result;
  entry.error = error;
  save_entry(run, entry);
  transaction.commit();
}

void Store::commit_run(const std::string& run) {
  std::lock_guard lock(mutex_);
  set_durable(true);
  Transaction transaction(*this);
  for (Entry& entry : load_entries(run)) {
    if (entry.state == "ended" || entry.type == "lease") continue;
    entry.state = entry.type == "undo" ? "ended" : "due";
    save_entry(run, entry);
  }
  transaction.commit();
}

std::vector<Entry> Store::entries(const std::string& run) {
  std::lock_guard lock(mutex_);
  return load_entries(run);
}

// ---- events ----

void Store::add_event(const std::string& run, const std::string& type, const std::string& data) {
  std::lock_guard lock(mutex_);
  set_durable(false);
  prepare("insert into events (run, at_ms, type, data) values (?, ?, ?, ?)")
      .bind(run)
      .bind(now_ms())
      .bind(type)
      .bind(data)
      .run();
}

std::vector<Event> Store::events(const std::string& run) {
  std::lock_guard lock(mutex_);
  Statement statement = prepare("select at_ms, type, data from events where run = ? order by rowid");
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
