// Shows the order in which the rows of runs come back.
#include "bindings/journal/rows.h"

#include <sqlite3.h>

#include <catch2/catch.hpp>

#include "tests/bindings/journal/journal_samples.h"

namespace drover::journal {

namespace {

// Makes all runs of a journal begin in the same millisecond.
void begin_all_at_once(const std::string& path) {
  std::vector<Run> runs = Store(path).runs(-1);
  sqlite3* database = nullptr;
  sqlite3_open(path.c_str(), &database);
  for (Run& run : runs) {
    run.started_ms = 1;
    std::string sql = "update runs set started_ms = 1, checksum = " + std::to_string(checksum_of(run)) +
                      " where id = '" + run.id + "'";
    CHECK(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  sqlite3_close(database);
}

}  // namespace

TEST_CASE("runs come back newest first, also those of the same millisecond, whatever their ids") {
  JournalFolder folder;
  const std::string path = folder.journal();
  std::string begun;
  {
    Store store(path);
    for (const char* id : {"b", "d", "a", "e", "c"}) {
      store.begin_run(a_run(id));
      begun = id + (" " + begun);
    }
  }
  begin_all_at_once(path);
  Store store(path);
  std::string read;
  for (const Run& run : store.runs(-1)) read += run.id + " ";
  CHECK(read == begun);
  CHECK(store.runs(1)[0].id == "c");
}

}  // namespace drover::journal
