// The journal: what runs did, and what they must take back, in an embedded SQLite database.
//
// An entry (a lease or an undo) is written as INTENT, durably, before its effect starts; DONE after it. The intent
// costs one fsync; the later marks cost none, for a mark lost in a power cut is found again by the entry's probe. A
// commit costs one, for nothing could find it again.
//
// Each row of a run and of an entry carries a checksum, and a run counts its entries: SQLite finds a torn page, not a
// flipped bit, and a path with a flipped bit would be another file that recovery deletes. Whatever is damaged is
// JOURNAL_UNUSABLE. Events only inform; they have none. Entries that were lost with the end of SQLite's write-ahead log
// are found by a second count (entry_counts.h).
// Tested by tests/bindings/journal/store_test.cpp, durability_test.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bindings/journal/entry_counts.h"
#include "bindings/journal/owner.h"
#include "bindings/journal/statement.h"

struct sqlite3;

namespace drover::journal {

struct Run {
  std::string id;
  std::string playbook;       // name
  std::string playbook_file;  // where it was read from
  std::string playbook_text;  // so that an edited or deleted file does not matter to recovery
  std::string parameters;     // JSON
  std::string state;          // running, done, failed, interrupted, needs_operator, recovered, undone
  std::string error;          // JSON, or ""
  std::string object;         // what it is about: the domain's UUID
  std::string kept;           // "1" when --keep-on-failure left its entries for a person
  Owner owner;
  int64_t started_ms = 0;
  int64_t ended_ms = 0;
};

struct Entry {
  int64_t sequence = 0;
  std::string type;       // lease, undo, follow_up
  std::string kind;       // the registered code that revokes or undoes it
  std::string label;      // for people
  std::string arguments;  // JSON, plain data
  std::string result;     // JSON of what the grant gave, or ""
  std::string state;      // intent, done, due (a follow-up of a run that was committed), ended, failed
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
  // kept_runs: how many finished runs are kept at least; older ones are forgotten when a run begins.
  explicit Store(const std::string& path, int64_t kept_runs = 1000);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  const std::string& path() const { return path_; }

  void begin_run(const Run& run);  // durable
  void end_run(const std::string& id, const std::string& state, const std::string& error);
  // Says what the run is about. Gives the id of another run of that object which is not finished, and then writes
  // nothing; "" when the object is this run's now.
  std::string claim_object(const std::string& id, const std::string& object);
  std::string find_holder(const std::string& object);  // only looks: the run of it that is not finished, or ""
  void set_run_kept(const std::string& id, bool kept);
  // Takes over a run that is dead or that an operator was needed for, so that two recoverers do not both act. False
  // when somebody alive has it, or when it was finished meanwhile.
  bool adopt_run(const std::string& id);
  std::vector<Run> runs(int limit);                    // newest first; all with a limit below 0
  std::optional<Run> find_run(const std::string& id);  // a unique beginning of the id will do

  int64_t add_intent(const std::string& run, const Entry& entry);  // durable; gives the sequence number
  void mark_entry(const std::string& run, int64_t sequence, const std::string& state, const std::string& result,
                  const std::string& error);
  void commit_run(const std::string& run);  // ends all undo entries and makes follow-ups due, at once and durably
  std::vector<Entry> entries(const std::string& run);

  void add_event(const std::string& run, const std::string& type, const std::string& data);
  std::vector<Event> events(const std::string& run);

 private:
  class Transaction;
  Statement prepare(const char* sql);
  void open();
  void execute(const char* sql);
  void set_durable(bool durable);
  void forget_old_runs();
  bool has_run(const std::string& id);
  std::string holder_of(const std::string& object, const std::string& except);
  Run load_run(const std::string& id);
  void save_run(const Run& run);
  std::vector<Entry> load_entries(const std::string& run);
  Entry load_entry(const std::string& run, int64_t sequence);
  void save_entry(const std::string& run, const Entry& entry);

  std::string path_;
  EntryCounts counts_;
  int64_t kept_runs_;
  sqlite3* database_ = nullptr;
  std::mutex mutex_;
  bool durable_ = false;
};

}  // namespace drover::journal
