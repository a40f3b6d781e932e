#include "bindings/journal/statement.h"

#include <sqlite3.h>

namespace drover::journal {

Error unusable(sqlite3* database, const std::string& path) {
  std::string native = database != nullptr ? sqlite3_errmsg(database) : "no memory";
  int code = database != nullptr ? sqlite3_errcode(database) : SQLITE_NOMEM;
  Error error("journal", "JOURNAL_UNUSABLE", "cannot use the journal " + path + ": " + native);
  error.on_object(path).with_native(std::to_string(code) + " " + native);
  switch (code) {
    case SQLITE_FULL:
      return error.with_hint("free some space there, and run again: nothing was changed by this step");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return error.with_hint("move " + path +
                             "* away and look at both hosts by hand: drover will not act on a damaged journal");
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return error.with_hint(
          "name a folder that you may write in DROVER_STATE: drover acts only when it can write down "
          "how to undo it");
    case SQLITE_BUSY:
      return error.with_hint("another drover holds it for long; see 'drover runs', and try again");
    default:
      return error.with_hint("drover acts only when it can write down how to undo it");
  }
}

Statement::Statement(sqlite3* database, const std::string& path, const char* sql) : database_(database), path_(path) {
  if (sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr) != SQLITE_OK) throw unusable(database, path);
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(const std::string& text) {
  if (sqlite3_bind_text64(statement_, ++bound_, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8) != SQLITE_OK) {
    throw unusable(database_, path_);
  }
  return *this;
}

Statement& Statement::bind(int64_t number) {
  if (sqlite3_bind_int64(statement_, ++bound_, number) != SQLITE_OK) throw unusable(database_, path_);
  return *this;
}

bool Statement::next() {
  int result = sqlite3_step(statement_);
  if (result != SQLITE_ROW && result != SQLITE_DONE) throw unusable(database_, path_);
  column_ = 0;
  return result == SQLITE_ROW;
}

void Statement::run() {
  while (next()) {
  }
}

std::string Statement::text() {
  int column = column_++;
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return data == nullptr ? "" : std::string(data, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

int64_t Statement::number() { return sqlite3_column_int64(statement_, column_++); }

}  // namespace drover::journal
