// How many entries each unfinished run has made, kept beside the journal in the folder JOURNAL-counts, a file for each
// run.
//
// SQLite takes the first damaged frame of its write-ahead log for the log's end, and says nothing: entries after it,
// whose effects are on the hosts, would be gone without a trace. A crash cannot do that, for each entry is synced
// before its effect; a disk, or a person who deletes journal.db-wal, can. A count is written after its entry is durable
// and is not synced itself, so that it costs no fsync: it may be too low after a power cut, and never too high. Tested
// by tests/bindings/journal/entry_counts_test.cpp and tests/faults.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace drover::journal {

class EntryCounts {
 public:
  explicit EntryCounts(const std::string& journal_path) : folder_(journal_path + "-counts") {}

  // What cannot be written is not: the journal itself is the record, this is a second look at it.
  void note(const std::string& run, int64_t count) const;
  void forget(const std::string& run) const;
  int64_t of(const std::string& run) const;  // 0 when nothing is known
  std::map<std::string, int64_t> all() const;

 private:
  std::string folder_;
};

}  // namespace drover::journal
