// The rows of the journal's tables: columns, the fields of a record in their order, its checksum, reading one. Included
// by store.cpp. Tested by tests/bindings/journal/{rows,store}_test.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bindings/journal/checksum.h"
#include "bindings/journal/statement.h"
#include "bindings/journal/store.h"

namespace drover::journal {

inline constexpr const char* schema = R"(
create table runs (
  id text primary key, playbook text not null, playbook_file text not null, playbook_text text not null,
  parameters text not null, state text not null, error text not null, object text not null, kept text not null,
  machine_id text not null, boot_id text not null, pid integer not null, pid_started integer not null,
  started_ms integer not null, ended_ms integer not null, checksum integer not null, entry_count integer not null
) strict;
create table entries (
  run text not null references runs(id), sequence integer not null, type text not null, kind text not null,
  label text not null, arguments text not null, result text not null, state text not null, error text not null,
  created_ms integer not null, updated_ms integer not null, checksum integer not null, primary key (run, sequence)
) strict;
create table events (
  run text not null references runs(id), at_ms integer not null, type text not null, data text not null
) strict;
create index events_of_run on events(run);
pragma user_version = 1;
)";

inline constexpr const char* run_columns =
    "id, playbook, playbook_file, playbook_text, parameters, state, error, object, kept, machine_id, boot_id, pid, "
    "pid_started, started_ms, ended_ms, checksum";

inline constexpr const char* entry_columns =
    "sequence, type, kind, label, arguments, result, state, error, created_ms, updated_ms, checksum";

// The fields in the order of the columns; one list for reading, writing and the checksum.
inline std::vector<std::string*> texts_of(Run& run) {
  return {&run.id,    &run.playbook, &run.playbook_file, &run.playbook_text,    &run.parameters,   &run.state,
          &run.error, &run.object,   &run.kept,          &run.owner.machine_id, &run.owner.boot_id};
}

inline std::vector<int64_t*> numbers_of(Run& run) {
  return {&run.owner.pid, &run.owner.pid_started, &run.started_ms, &run.ended_ms};
}

inline int64_t checksum_of(Run run) {
  Checksum sum;
  for (const std::string* text : texts_of(run)) sum.add(*text);
  for (const int64_t* number : numbers_of(run)) sum.add(*number);
  return sum.value();
}

inline std::vector<std::string*> texts_of(Entry& entry) {
  return {&entry.type, &entry.kind, &entry.label, &entry.arguments, &entry.result, &entry.state, &entry.error};
}

inline int64_t checksum_of(const std::string& run, Entry entry) {
  Checksum sum;
  sum.add(run).add(entry.sequence);
  for (const std::string* text : texts_of(entry)) sum.add(*text);
  return sum.add(entry.created_ms).add(entry.updated_ms).value();
}

inline Error damaged(const std::string& path, const std::string& what) {
  return Error("journal", "JOURNAL_UNUSABLE", "the journal " + path + " is damaged: " + what)
      .on_object(path)
      .with_hint("move " + path + "* away and look at both hosts by hand: drover will not act on a damaged journal");
}

inline Run read_run(Statement& statement, const std::string& path) {
  Run run;
  for (std::string* text : texts_of(run)) *text = statement.text();
  for (int64_t* number : numbers_of(run)) *number = statement.number();
  if (statement.number() != checksum_of(run)) throw damaged(path, "the record of run '" + run.id + "'");
  return run;
}

inline Entry read_entry(Statement& statement, const std::string& run, const std::string& path) {
  Entry entry;
  entry.sequence = statement.number();
  for (std::string* text : texts_of(entry)) *text = statement.text();
  entry.created_ms = statement.number();
  entry.updated_ms = statement.number();
  if (statement.number() == checksum_of(run, entry)) return entry;
  throw damaged(path, "entry " + std::to_string(entry.sequence) + " of run '" + run + "'");
}

}  // namespace drover::journal
