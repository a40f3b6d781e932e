// Shows that what a recovery needs is on the disk before the effect that it speaks of may begin, and not only in the
// kernel's memory: a power cut in that instant must not leave an effect that nobody knows of.
#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <set>

#include "bindings/journal/store.h"
#include "tests/bindings/journal/journal_samples.h"

namespace drover::journal {

using namespace drover::tests;

namespace {

// SQLite's files, while one of these lives, tell whether the write-ahead log has anything that was written and not
// synced.
class WatchedFiles {
 public:
  WatchedFiles() {
    unsynced().clear();
    vfs_ = *original();
    vfs_.zName = "watched";
    vfs_.xOpen = open;
    sqlite3_vfs_register(&vfs_, 1);
  }
  ~WatchedFiles() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(original(), 1);
  }
  WatchedFiles(const WatchedFiles&) = delete;
  WatchedFiles& operator=(const WatchedFiles&) = delete;

  bool all_synced() const { return unsynced().empty(); }

 private:
  static sqlite3_vfs* original() {
    static sqlite3_vfs* const found = sqlite3_vfs_find(nullptr);
    return found;
  }
  static const sqlite3_io_methods*& methods() {
    static const sqlite3_io_methods* all = nullptr;
    return all;
  }
  static std::set<sqlite3_file*>& unsynced() {
    static std::set<sqlite3_file*> files;
    return files;
  }
  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* flags_out) {
    int code = original()->xOpen(original(), name, file, flags, flags_out);
    if (code != SQLITE_OK || (flags & SQLITE_OPEN_WAL) == 0) return code;
    static sqlite3_io_methods watched;
    methods() = file->pMethods;
    watched = *file->pMethods;
    watched.xWrite = write;
    watched.xSync = sync;
    file->pMethods = &watched;
    return code;
  }
  static int write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
    unsynced().insert(file);
    return methods()->xWrite(file, bytes, count, offset);
  }
  static int sync(sqlite3_file* file, int flags) {
    unsynced().erase(file);
    return methods()->xSync(file, flags);
  }

  sqlite3_vfs vfs_{};
};

}  // namespace

TEST_CASE("an intent is on the disk before its effect may begin, and so is what decides how a run ends") {
  WatchedFiles files;
  JournalFolder folder;
  Store store(folder.journal());
  store.begin_run(a_run("one"));
  CHECK(files.all_synced());
  auto leave_unsynced = [&] {
    store.mark_entry("one", 1, "done", "{}", "");
    // No effect waits for a mark: a recovery looks at the host anyway. This shows that the test sees what is not
    // synced.
    REQUIRE_FALSE(files.all_synced());
  };
  CHECK(store.add_intent("one", an_entry("lease")) == 1);
  CHECK(files.all_synced());
  store.add_intent("one", an_entry("undo"));
  leave_unsynced();
  SECTION("another intent") { store.add_intent("one", an_entry("undo")); }
  SECTION("a commit") { store.commit_run("one"); }
  SECTION("the object") { store.claim_object("one", "uuid"); }
  SECTION("that it is kept") { store.set_run_kept("one", true); }
  SECTION("a recovery that takes it") { store.adopt_run("one"); }
  SECTION("its end") { store.end_run("one", "done", ""); }
  CHECK(files.all_synced());
}

TEST_CASE("the first intent of a process that opens an existing journal is on the disk, too") {
  JournalFolder folder;
  Store(folder.journal()).begin_run(a_run("one"));
  WatchedFiles files;
  Store store(folder.journal());
  store.add_intent("one", an_entry("lease"));
  CHECK(files.all_synced());
}

}  // namespace drover::journal
