// Shows that entries which a damaged or deleted file of the journal lost are missed, and that nothing else is.
#include "bindings/journal/entry_counts.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>

#include "bindings/journal/store.h"
#include "host/base/error.h"
#include "tests/base/error_of.h"
#include "tests/bindings/journal/journal_samples.h"

namespace drover::journal {

using namespace drover::tests;

namespace {

namespace fs = std::filesystem;

// A dead run whose process did not close the journal: all of it is in the write-ahead log.
void leave_unclosed(const std::string& path, int intents) {
  pid_t child = fork();
  if (child == 0) {
    Store store(path);
    store.begin_run(a_run("one"));
    for (int i = 0; i < intents; ++i) {
      int64_t sequence = store.add_intent("one", an_entry("lease", R"({"path":"/var/lib/x"})"));
      store.mark_entry("one", sequence, "done", "{}", "");
    }
    kill(getpid(), SIGKILL);
  }
  waitpid(child, nullptr, 0);
}

}  // namespace

TEST_CASE("entries that were lost with the end of the write-ahead log are found") {
  JournalFolder folder;
  leave_unclosed(folder.journal(), 4);
  std::string good = read_text(folder.journal()), log = read_text(folder.journal() + "-wal");
  REQUIRE(log.size() > 10 * 4096);
  int detected = 0, harmless = 0;
  auto look = [&](const std::string& bad, size_t place) {
    write_text(folder.journal(), good);
    write_text(folder.journal() + "-wal", bad);
    fs::remove(folder.journal() + "-shm");
    INFO("at " << place << " of " << log.size());
    Error error = error_of([&] {
      Store store(folder.journal());
      bool found = store.find_run("one").has_value();
      size_t entries = store.entries("one").size();
      CHECK(found);
      CHECK(entries == 4);  // a mark may be lost: the entry's probe finds that again
    });
    CHECK((error.code == "" || error.code == "JOURNAL_UNUSABLE"));
    (error.code == "" ? harmless : detected)++;
  };
  for (size_t size = 0; size < log.size(); size += 1030) look(log.substr(0, size), size);
  for (size_t place = 0; place < log.size(); place += 1031) {
    std::string bad = log;
    bad[place] = static_cast<char>(bad[place] ^ (1 << (place % 8)));
    look(bad, place);
  }
  INFO("detected " << detected << ", harmless " << harmless);
  CHECK(detected > 20);
  CHECK(harmless > 0);
}

TEST_CASE("a journal that was taken away is missed while a run of it is not finished") {
  JournalFolder folder;
  leave_unclosed(folder.journal(), 2);
  for (const char* tail : {"", "-wal", "-shm"}) fs::remove(folder.journal() + tail);
  Error error = error_of([&] { Store(folder.journal()).runs(10); });
  CHECK(error.code == "JOURNAL_UNUSABLE");
  CHECK(error.message.find("run 'one' made 2 entries, and is not in it") != std::string::npos);
  CHECK(error.hint.find(folder.journal() + "*") != std::string::npos);
}

TEST_CASE("the counts of finished runs are forgotten, and a count that cannot be read says nothing") {
  JournalFolder folder;
  std::string counts = folder.journal() + "-counts";
  Store store(folder.journal());
  store.begin_run(a_run("one"));
  store.begin_run(a_run("two"));
  for (const char* id : {"one", "two"}) {
    store.mark_entry(id, store.add_intent(id, an_entry("lease")), "ended", "", "");
  }
  CHECK(read_text(counts + "/one").find("1\n") != std::string::npos);
  store.end_run("one", "needs_operator", "");
  store.end_run("two", "done", "");
  CHECK(fs::exists(counts + "/one"));
  CHECK_FALSE(fs::exists(counts + "/two"));
  for (const char* text : {"", "7", "x\n", "-3\n"}) {
    write_text(counts + "/one", text);
    write_text(counts + "/three", text);
    CHECK(store.runs(-1).size() == 2);
    CHECK(store.entries("one").size() == 1);
  }
  fs::remove(counts + "/three");
  store.end_run("one", "recovered", "");
  CHECK_FALSE(fs::exists(counts));
}

}  // namespace drover::journal
