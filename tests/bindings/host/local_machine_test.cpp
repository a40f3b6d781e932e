// Shows whole files in and out of this machine, and what their errors say.
#include "bindings/host/local_machine.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "host/base/error.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"

using namespace drover;
using namespace drover::tests;
namespace fs = std::filesystem;

namespace {

size_t entries_of(const TemporaryFolder& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder.path()), {}));
}

host::LocalMachine machine;
core::CancelToken token;

}  // namespace

TEST_CASE("a file is written as a whole, with its mode, and read back") {
  TemporaryFolder folder;
  std::string data("zero \0 byte\n", 12);
  machine.write_file(folder / "a", data, 0640, token);
  CHECK(machine.read_file(folder / "a", 100, token) == data);
  auto info = machine.stat_file(folder / "a", token);
  REQUIRE(info);
  CHECK(info->type == "file");
  CHECK(info->size_bytes == 12);
  CHECK(info->mode == 0640);
  CHECK(info->uid == geteuid());
  CHECK(entries_of(folder) == 1);
}

TEST_CASE("an open reader keeps the old file when it is replaced") {
  TemporaryFolder folder;
  machine.write_file(folder / "a", "old", 0600, token);
  std::ifstream reader(folder / "a");
  machine.write_file(folder / "a", "new", 0600, token);
  std::string seen;
  reader >> seen;
  CHECK(seen == "old");
  CHECK(machine.read_file(folder / "a", 100, token) == "new");
}

TEST_CASE("a write that fails leaves nothing behind") {
  TemporaryFolder folder;
  fs::create_directory(folder / "d");
  CHECK(code_of([&] { machine.write_file(folder / "d", "x", 0600, token); }) == "IS_DIRECTORY");
  CHECK(entries_of(folder) == 1);
  CHECK(code_of([&] { machine.write_file(folder / "no/such", "x", 0600, token); }) == "NO_FILE");
}

TEST_CASE("reading says what is wrong with a file") {
  TemporaryFolder folder;
  CHECK(code_of([&] { machine.read_file(folder / "none", 10, token); }) == "NO_FILE");
  CHECK(code_of([&] { machine.read_file(folder.path(), 10, token); }) == "IS_DIRECTORY");
  machine.write_file(folder / "big", "12345678901", 0600, token);
  CHECK(code_of([&] { machine.read_file(folder / "big", 10, token); }) == "TOO_LARGE");
  CHECK(machine.read_file(folder / "big", 11, token).size() == 11);
}

TEST_CASE("a FIFO without a writer does not hold a reader") {
  TemporaryFolder folder;
  REQUIRE(mkfifo((folder / "fifo").c_str(), 0600) == 0);
  CHECK(machine.read_file(folder / "fifo", 10, token).empty());
}

TEST_CASE("stat does not follow links and gives nothing for what is not there") {
  TemporaryFolder folder;
  fs::create_symlink("/nowhere", folder / "link");
  CHECK(machine.stat_file(folder / "link", token)->type == "link");
  CHECK(machine.stat_file(folder.path(), token)->type == "directory");
  CHECK_FALSE(machine.stat_file(folder / "none", token));
  CHECK_FALSE(machine.stat_file("/etc/passwd/x", token));
}

TEST_CASE("a cancelled token stops file work before it starts") {
  TemporaryFolder folder;
  core::CancelToken cancelled;
  cancelled.cancel();
  CHECK(code_of([&] { machine.write_file(folder / "a", "x", 0600, cancelled); }) == "CANCELLED");
  CHECK(entries_of(folder) == 0);
}
