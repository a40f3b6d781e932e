// Shows the order in which the rows of runs come back.
#include "bindings/journal/rows.h"

#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

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

Run run_with(const std::string& id) {
  Run run;
  run.id = id;
  run.owner = this_process();
  return run;
}

}  // namespace

TEST_CASE("runs come back newest first, also those of the same millisecond, whatever their ids") {
  char folder[] = "/tmp/drover-rows.XXXXXX";
  const std::string path = std::string(mkdtemp(folder)) + "/journal.db";
  std::string begun;
  {
    Store store(path);
    for (const char* id : {"b", "d", "a", "e", "c"}) {
      store.begin_run(run_with(id));
      begun = id + (" " + begun);
    }
  }
  begin_all_at_once(path);
  Store store(path);
  std::string read;
  for (const Run& run : store.runs(-1)) read += run.id + " ";
  CHECK(read == begun);
  CHECK(store.runs(1)[0].id == "c");
  std::filesystem::remove_all(folder);
}

}  // namespace drover::journal
