// One SQL statement of the journal: bound, stepped and finalised; every failure is JOURNAL_UNUSABLE.
#pragma once

#include <cstdint>
#include <string>

#include "host/base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace drover::journal {

// The error for what SQLite said last: full, read-only, damaged, ... with what to do about it.
Error unusable(sqlite3* database, const std::string& path);

class Statement {
 public:
  Statement(sqlite3* database, const std::string& path, const char* sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(const std::string& text);
  Statement& bind(int64_t number);

  // True while there is a row; its columns are then read in order.
  bool next();
  // Runs it to its end.
  void run();

  std::string text();
  int64_t number();

 private:
  sqlite3* database_;
  const std::string& path_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
  int column_ = 0;
};

}  // namespace drover::journal
