// Shows what the journal keeps, that it is durable before an effect, and that a journal which cannot be trusted is
// JOURNAL_UNUSABLE and never read past.
#include "bindings/journal/store.h"

#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>

#include "host/base/error.h"
#include "tests/base/error_of.h"
#include "tests/bindings/journal/journal_samples.h"

namespace drover::journal {

using namespace drover::tests;

namespace {

namespace fs = std::filesystem;

// The pid of a process that is dead and reaped.
Owner dead_owner() {
  Owner owner = this_process();
  pid_t child = fork();
  if (child == 0) _exit(0);
  owner.pid = child;
  owner.pid_started = 1;
  waitpid(child, nullptr, 0);
  return owner;
}

// Everything that a recovery reads. Throws when any of it is damaged.
std::string read_all(const std::string& path) {
  Store store(path);
  std::string text;
  for (const Run& run : store.runs(-1)) {
    text += run.id + run.state + run.object + run.playbook_text + run.kept + run.parameters + run.error;
    for (const Entry& entry : store.entries(run.id)) {
      text += std::to_string(entry.sequence) + entry.type + entry.kind + entry.arguments + entry.result + entry.state;
    }
  }
  return text;
}

}  // namespace

TEST_CASE("a run, its entries and events come back as they were written") {
  JournalFolder folder;
  {
    Store store(folder.journal());
    store.begin_run(a_run("one"));
    CHECK(store.add_intent("one", an_entry("lease", R"({"a":1})")) == 1);
    CHECK(store.add_intent("one", an_entry("undo")) == 2);
    store.mark_entry("one", 1, "done", R"({"r":2})", "");
    store.add_event("one", "step", "{}");
  }
  Store store(folder.journal());
  auto runs = store.runs(10);
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].state == "running");
  CHECK(runs[0].owner == this_process());
  auto entries = store.entries("one");
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].state == "done");
  CHECK(entries[0].result == R"({"r":2})");
  CHECK(entries[0].arguments == R"({"a":1})");
  CHECK(entries[1].state == "intent");
  CHECK(store.events("one").size() == 1);
  // A later mark without a result keeps the one that is there.
  store.mark_entry("one", 1, "failed", "", "no answer");
  CHECK(store.entries("one")[0].result == R"({"r":2})");
  CHECK(store.entries("one")[0].error == "no answer");
}

TEST_CASE("an intent is on the disk when add_intent returns: a process that dies at once leaves it") {
  JournalFolder folder;
  pid_t child = fork();
  if (child == 0) {
    Store store(folder.journal());
    store.begin_run(a_run("one"));
    store.add_intent("one", an_entry("lease"));
    kill(getpid(), SIGKILL);
  }
  waitpid(child, nullptr, 0);
  Store store(folder.journal());
  CHECK(store.entries("one").size() == 1);
}

TEST_CASE("a commit ends undo entries, makes follow-ups due, and leaves leases") {
  JournalFolder folder;
  Store store(folder.journal());
  store.begin_run(a_run("one"));
  for (const char* type : {"undo", "lease", "follow_up", "follow_up", "undo"}) store.add_intent("one", an_entry(type));
  store.mark_entry("one", 4, "ended", "", "");
  store.commit_run("one");
  std::string states;
  for (const Entry& entry : store.entries("one")) states += entry.state + " ";
  CHECK(states == "ended intent due ended ended ");
}

TEST_CASE("old finished runs are forgotten; unfinished ones stay, however old") {
  JournalFolder folder;
  constexpr int kept = 20;
  Store store(folder.journal(), kept);
  auto run = [&](const std::string& id) {
    store.begin_run(a_run(id));
    store.add_event(id, "step", "{}");
    return store.add_intent(id, an_entry("lease"));
  };
  run("dead");
  run("open");
  store.end_run("open", "failed", "");
  run("left");
  store.mark_entry("left", 1, "ended", "", "");
  store.end_run("left", "failed", "");
  store.set_run_kept("left", true);
  const int count = kept + 60;
  for (int number = 0; number < count; ++number) {
    std::string id = "run-" + std::to_string(100 + number);
    store.mark_entry(id, run(id), "ended", "", "");
    store.end_run(id, "done", "");
  }
  auto left = store.runs(-1);
  CHECK(left.size() < static_cast<size_t>(count));
  CHECK(left.size() >= static_cast<size_t>(kept));
  CHECK(store.entries("run-100").empty());
  CHECK(store.events("run-100").empty());
  CHECK_FALSE(store.find_run("run-100"));
  CHECK(store.find_run("run-" + std::to_string(100 + count - 1)));
  for (const char* id : {"dead", "open", "left"}) {
    INFO(id);
    CHECK(store.find_run(id));
    CHECK(store.entries(id).size() == 1);
  }
}

TEST_CASE("a run is found by a unique beginning of its id") {
  JournalFolder folder;
  Store store(folder.journal());
  store.begin_run(a_run("2026-aa"));
  store.begin_run(a_run("2026-ab"));
  CHECK(store.find_run("2026-aa")->id == "2026-aa");
  CHECK(store.find_run("2026-ab")->id == "2026-ab");
  CHECK_FALSE(store.find_run("2027"));
  CHECK_FALSE(store.find_run(""));
  CHECK(error_of([&] { store.find_run("2026"); }).code == "AMBIGUOUS_RUN");
}

TEST_CASE("A13: a domain belongs to one unfinished run") {
  JournalFolder folder;
  Store store(folder.journal());
  for (const char* id : {"one", "two"}) store.begin_run(a_run(id));
  CHECK(store.claim_object("one", "uuid").empty());
  CHECK(store.claim_object("one", "uuid").empty());
  CHECK(store.claim_object("two", "uuid") == "one");
  CHECK(store.claim_object("two", "other").empty());
  CHECK(store.find_holder("uuid") == "one");
  store.add_intent("one", an_entry("lease"));
  store.end_run("one", "needs_operator", "");
  CHECK(store.claim_object("two", "uuid") == "one");
  store.mark_entry("one", 1, "ended", "", "");
  CHECK(store.find_holder("uuid").empty());
  CHECK(store.claim_object("two", "uuid").empty());
}

TEST_CASE("marking an entry reads that one, however many the run has") {
  JournalFolder folder;
  Store store(folder.journal());
  store.begin_run(a_run("run"));
  for (int count = 0; count < 2; ++count) store.add_intent("run", an_entry("lease"));
  sqlite3* database = nullptr;
  sqlite3_open(folder.journal().c_str(), &database);
  sqlite3_exec(database, "update entries set label = 'damaged' where sequence = 1", nullptr, nullptr, nullptr);
  sqlite3_close(database);
  CHECK_NOTHROW(store.mark_entry("run", 2, "ended", "", ""));
  CHECK(error_of([&] { store.mark_entry("run", 1, "ended", "", ""); }).code == "JOURNAL_UNUSABLE");
  CHECK(error_of([&] { store.mark_entry("run", 3, "ended", "", ""); }).code == "JOURNAL_UNUSABLE");
  CHECK(error_of([&] { store.entries("run"); }).code == "JOURNAL_UNUSABLE");
}

TEST_CASE("two that claim a domain at once: one gets it") {
  JournalFolder folder;
  {
    Store store(folder.journal());
    for (const char* id : {"0", "1", "2", "3"}) store.begin_run(a_run(id));
  }
  int claimed = 0;
  std::vector<pid_t> children;
  for (const char* id : {"0", "1", "2", "3"}) {
    pid_t child = fork();
    if (child == 0) {
      Store store(folder.journal());
      _exit(store.claim_object(id, "uuid").empty() ? 1 : 0);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    claimed += WEXITSTATUS(status);
  }
  CHECK(claimed == 1);
}

TEST_CASE("a dead run is adopted once, a living one never") {
  JournalFolder folder;
  Store store(folder.journal());
  Run dead = a_run("dead");
  dead.owner = dead_owner();
  store.begin_run(dead);
  pid_t sleeper = fork();
  if (sleeper == 0) {
    Store own(folder.journal());
    own.begin_run(a_run("alive"));
    pause();
  }
  while (!store.find_run("alive")) usleep(1000);
  CHECK_FALSE(store.adopt_run("alive"));
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    pid_t child = fork();
    if (child == 0) {
      Store own(folder.journal());
      int adopted = own.adopt_run("dead") ? 1 : 0;
      usleep(300000);  // it lives while the others try
      _exit(adopted);
    }
    children.push_back(child);
  }
  int adopted = 0;
  for (pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    adopted += WEXITSTATUS(status);
  }
  CHECK(adopted == 1);
  kill(sleeper, SIGKILL);
  // Killed and not reaped yet: dead all the same.
  while (is_alive(store.find_run("alive")->owner)) usleep(1000);
  CHECK(store.adopt_run("alive"));
  waitpid(sleeper, nullptr, 0);
  store.end_run("alive", "recovered", "");
  CHECK_FALSE(store.adopt_run("alive"));
}

TEST_CASE("another boot is dead, another machine is not ours to judge") {
  Owner owner = this_process();
  CHECK(is_alive(owner));
  Owner earlier = owner;
  earlier.boot_id = "another";
  CHECK_FALSE(is_alive(earlier));
  Owner reused = owner;
  reused.pid_started -= 1;
  CHECK_FALSE(is_alive(reused));
  Owner elsewhere = earlier;
  elsewhere.machine_id = "another";
  CHECK(is_alive(elsewhere));
}

TEST_CASE("what is no journal is refused") {
  JournalFolder folder;
  write_text(folder.journal(), "just text, and enough of it to look at" + std::string(5000, 'x'));
  Error error = error_of([&] { Store store(folder.journal()); });
  CHECK(error.code == "JOURNAL_UNUSABLE");
  CHECK(error.hint.find("will not act on a damaged journal") != std::string::npos);
  fs::create_directory(folder / "dir");
  CHECK(error_of([&] { Store store(folder / "dir"); }).code == "JOURNAL_UNUSABLE");
}

TEST_CASE("a journal of a newer drover is refused, and not changed") {
  JournalFolder folder;
  { Store store(folder.journal()); }
  sqlite3* database = nullptr;
  sqlite3_open(folder.journal().c_str(), &database);
  sqlite3_exec(database, "pragma user_version = 99", nullptr, nullptr, nullptr);
  sqlite3_close(database);
  std::string before = read_text(folder.journal());
  Error error = error_of([&] { Store store(folder.journal()); });
  CHECK(error.code == "JOURNAL_UNUSABLE");
  CHECK(error.message.find("newer drover") != std::string::npos);
  CHECK(read_text(folder.journal()) == before);
}

TEST_CASE("a flipped bit anywhere is an error, or changes nothing that recovery reads") {
  JournalFolder folder;
  {
    Store store(folder.journal());
    store.begin_run(a_run("one"));
    store.claim_object("one", "0f0e-uuid");
    for (int i = 0; i < 5; ++i) store.add_intent("one", an_entry("lease", R"({"path":"/var/lib/x"})"));
    store.mark_entry("one", 1, "ended", "", "");
  }
  std::string good = read_text(folder.journal());
  std::string expected = read_all(folder.journal());
  REQUIRE(!fs::exists(folder.journal() + "-wal"));
  int detected = 0, harmless = 0;
  for (size_t position = 0; position < good.size(); position += 7) {
    std::string bad = good;
    bad[position] = static_cast<char>(bad[position] ^ (1 << (position % 8)));
    if (good[position] == 0 && position % 49 != 0) continue;  // most of a small database is empty
    write_text(folder.journal(), bad);
    try {
      bool same = read_all(folder.journal()) == expected;
      if (!same) FAIL("byte " << position << " was read as something else");
      ++harmless;
    } catch (const Error& error) {
      if (error.code != "JOURNAL_UNUSABLE") FAIL("byte " << position << ": " << error.code);
      ++detected;
    }
    for (const char* tail : {"-wal", "-shm"}) fs::remove(folder.journal() + tail);
  }
  INFO("detected " << detected << ", harmless " << harmless);
  CHECK(detected > 50);
}

TEST_CASE("every truncation of the database is an error, or changes nothing that recovery reads") {
  JournalFolder folder;
  {
    Store store(folder.journal());
    store.begin_run(a_run("one"));
    store.add_intent("one", an_entry("lease"));
  }
  std::string good = read_text(folder.journal());
  std::string expected = read_all(folder.journal());
  for (size_t size = 512; size < good.size(); size += 512) {
    write_text(folder.journal(), good.substr(0, size));
    std::string seen;
    Error error = error_of([&] { seen = read_all(folder.journal()); });
    INFO("cut at " << size << " of " << good.size());
    CHECK((error.code == "JOURNAL_UNUSABLE" || seen == expected));  // the last pages are of events, which only inform
    for (const char* tail : {"-wal", "-shm"}) fs::remove(folder.journal() + tail);
  }
}

TEST_CASE("a full disk stops an intent before its effect; what was written stays readable") {
  JournalFolder folder;
  REQUIRE(mount("none", folder.path().c_str(), "tmpfs", 0, "size=256k,mode=0700") == 0);
  {
    Store store(folder.journal());
    store.begin_run(a_run("one"));
    Error error("test", "", "");
    int written = 0;
    for (; written < 1000 && error.code == ""; ++written) {
      error = error_of([&] { store.add_intent("one", an_entry("lease", std::string(2000, 'x'))); });
    }
    CHECK(error.code == "JOURNAL_UNUSABLE");
    CHECK(error.hint.find("free some space") != std::string::npos);
    CHECK(written > 1);
    CHECK(store.entries("one").size() == static_cast<size_t>(written - 1));
  }
  CHECK(umount(folder.path().c_str()) == 0);
}

TEST_CASE("a folder that cannot be written is refused") {
  JournalFolder folder;
  REQUIRE(mount("none", folder.path().c_str(), "tmpfs", 0, "size=1m,mode=0700") == 0);
  { Store store(folder.journal()); }
  REQUIRE(mount("none", folder.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0);
  CHECK(error_of([&] {
          Store store(folder.journal());
          store.begin_run(a_run("one"));
        }).code == "JOURNAL_UNUSABLE");
  CHECK(umount(folder.path().c_str()) == 0);
}

TEST_CASE("as root, a journal that others may write is refused") {
  JournalFolder folder;
  chmod(folder.path().c_str(), 0777);
  CHECK(error_of([&] { Store store(folder.journal()); }).message.find("others than root may write") !=
        std::string::npos);
  chmod(folder.path().c_str(), 0700);
  { Store store(folder.journal()); }
  struct stat info {};
  REQUIRE(stat(folder.journal().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  chmod(folder.journal().c_str(), 0666);
  CHECK(error_of([&] { Store store(folder.journal()); }).code == "JOURNAL_UNUSABLE");
}

TEST_CASE("marks and ends of what is not there are errors") {
  JournalFolder folder;
  Store store(folder.journal());
  CHECK(error_of([&] { store.add_intent("none", an_entry("lease")); }).code == "JOURNAL_UNUSABLE");
  CHECK(error_of([&] { store.end_run("none", "done", ""); }).code == "JOURNAL_UNUSABLE");
  store.begin_run(a_run("one"));
  CHECK(error_of([&] { store.mark_entry("one", 5, "done", "", ""); }).code == "JOURNAL_UNUSABLE");
  CHECK(error_of([&] { store.begin_run(a_run("one")); }).code == "JOURNAL_UNUSABLE");
}

}  // namespace drover::journal
