// The journal: what runs did, and what they must take back, in an embedded SQLite database.
//
// An entry (a lease or an undo) is written as INTENT, durably, before its effect starts; DONE after it. The intent
// costs one fsync; the later marks cost none, for a mark lost in a power cut is found again by the entry's probe.
// Tested by tests/bindings/journal/store_test.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

struct sqlite3;

namespace drover::journal {

// The process that a run belongs to. Three facts, because a pid alone is reused.
struct Owner {
  std::string machine_id;
  std::string boot_id;
  int64_t pid = 0;
  int64_t pid_started = 0;  // clock ticks after boot, field 22 of /proc/PID/stat
};

Owner this_process();
// Whether that process still runs on this machine. False for another machine's owner: ask there.
bool is_alive(const Owner& owner);

struct Run {
  std::string id;
  std::string playbook;       // name
  std::string playbook_file;  // where it was read from
  std::string playbook_text;  // so that an edited or deleted file does not matter to recovery
  std::string parameters;     // JSON
  std::string state;          // running, done, failed, interrupted, needs_operator
  std::string error;          // JSON, or ""
  std::string object;         // what it is about: the domain's UUID
  std::string kept;           // "1" when --keep-on-failure left its entries for a person
  Owner owner;
  int64_t started_ms = 0;
  int64_t ended_ms = 0;
};

struct Entry {
  int64_t sequence = 0;
  std::string type;       // lease, undo
  std::string kind;       // the registered code that revokes or undoes it
  std::string label;      // for people
  std::string arguments;  // JSON, plain data
  std::string result;     // JSON of what the grant gave, or ""
  std::string state;      // intent, done, ended, failed
  std::string error;      // of the last try to end it
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
};

struct Event {
  int64_t at_ms = 0;
  std::string type;
  std::string data;  // JSON
};

class Store {
 public:
  // Opens or makes the journal. Throws JOURNAL_UNUSABLE (full, read-only, corrupt, another version).
  explicit Store(const std::string& path);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  const std::string& path() const { return path_; }

  void begin_run(const Run& run);  // durable
  void end_run(const std::string& id, const std::string& state, const std::string& error);
  void set_run_object(const std::string& id, const std::string& object);
  void set_run_kept(const std::string& id);
  // Takes over a dead run, so that two recoverers do not both act. False when somebody alive has it.
  bool adopt_run(const std::string& id);
  std::vector<Run> runs(int limit);
  std::optional<Run> find_run(const std::string& id);  // a unique beginning of the id will do

  int64_t add_intent(const std::string& run, const Entry& entry);  // durable; gives the sequence number
  void mark_entry(const std::string& run, int64_t sequence, const std::string& state, const std::string& result,
                  const std::string& error);
  std::vector<Entry> entries(const std::string& run);

  void add_event(const std::string& run, const std::string& type, const std::string& data);
  std::vector<Event> events(const std::string& run);

 private:
  class Statement;
  void execute(const char* sql);
  void set_durable(bool durable);
  [[noreturn]] void fail(const std::string& doing);

  std::string path_;
  sqlite3* database_ = nullptr;
  std::mutex mutex_;
  bool durable_ = true;
};

}  // namespace drover::journal
