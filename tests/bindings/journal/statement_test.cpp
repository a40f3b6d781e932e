// Shows one SQL statement of the journal: values go in and come out as they are, and each failure of SQLite is an error
// that says what a person can do.
#include "bindings/journal/statement.h"
#include "tests/base/error_of.h"

#include <sqlite3.h>

#include <catch2/catch.hpp>

using namespace drover::journal;
using drover::Error;
using drover::tests::error_of;

namespace {

struct Database {
  Database() {
    REQUIRE(sqlite3_open(":memory:", &handle) == SQLITE_OK);
    Statement(handle, path, "create table things (name text unique, number integer)").run();
  }
  ~Database() { sqlite3_close(handle); }
  sqlite3* handle = nullptr;
  std::string path = "/place/journal.db";
};

}  // namespace

TEST_CASE("text and numbers come back as they were bound, quotes and zero bytes too") {
  Database database;
  std::string text("it's \"x\"; drop table things;\0end", 33);
  Statement(database.handle, database.path, "insert into things values (?, ?)").bind(text).bind(INT64_MIN).run();
  Statement statement(database.handle, database.path, "select number, name from things");
  REQUIRE(statement.next());
  CHECK(statement.number() == INT64_MIN);
  CHECK(statement.text() == text);
  CHECK_FALSE(statement.next());
}

TEST_CASE("each row is read from its first column; null is empty") {
  Database database;
  for (int i = 1; i <= 3; ++i) {
    Statement(database.handle, database.path, "insert into things values (null, ?)").bind(int64_t{i}).run();
  }
  Statement statement(database.handle, database.path, "select name, number from things order by number");
  for (int i = 1; i <= 3; ++i) {
    REQUIRE(statement.next());
    CHECK(statement.text().empty());
    CHECK(statement.number() == i);
  }
}

TEST_CASE("what SQLite refuses is JOURNAL_UNUSABLE, with the file and SQLite's words") {
  Database database;
  Error error = error_of([&] { Statement(database.handle, database.path, "select x from nowhere"); });
  CHECK(error.code == "JOURNAL_UNUSABLE");
  CHECK(error.object == "/place/journal.db");
  CHECK(error.message.find("/place/journal.db: no such table: nowhere") != std::string::npos);
  CHECK(error.native == "1 no such table: nowhere");
  CHECK(error_of([&] {
          Statement twice(database.handle, database.path, "insert into things values ('a', 1), ('a', 2)");
          twice.run();
        }).code == "JOURNAL_UNUSABLE");
  CHECK(error_of([&] {
          Statement one(database.handle, database.path, "select ?");
          one.bind("first").bind("one too many");
        }).code == "JOURNAL_UNUSABLE");
}

TEST_CASE("what can be done about it depends on what SQLite said") {
  Database database;
  Statement(database.handle, database.path, "pragma max_page_count = 2").run();
  Error full = error_of(
      [&] { Statement(database.handle, database.path, "insert into things values (zeroblob(100000), 1)").run(); });
  CHECK(full.hint.find("free some space") == 0);
  Statement(database.handle, database.path, "pragma query_only = on").run();
  Error read_only = error_of([&] { Statement(database.handle, database.path, "delete from things").run(); });
  CHECK(read_only.hint.find("DROVER_STATE") != std::string::npos);
  CHECK(unusable(nullptr, "/place").message.find("no memory") != std::string::npos);
}
