// What the tests of the journal write into it, and where.
#pragma once

#include <string>

#include "bindings/journal/owner.h"
#include "bindings/journal/store.h"
#include "tests/base/temporary_folder.h"

namespace drover::journal {

struct JournalFolder : tests::TemporaryFolder {
  std::string journal() const { return *this / "journal.db"; }
};

inline Run a_run(const std::string& id) {
  Run run;
  run.id = id;
  run.playbook = "live-migrate";
  run.playbook_text = "return playbook {}";
  run.parameters = "{}";
  run.owner = this_process();
  return run;
}

inline Entry an_entry(const std::string& type, const std::string& arguments = "{}") {
  Entry entry;
  entry.type = type;
  entry.kind = "toy";
  entry.label = "a toy";
  entry.arguments = arguments;
  return entry;
}

}  // namespace drover::journal
