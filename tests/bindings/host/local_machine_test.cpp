// Shows whole files in and out of this machine, and what their errors say.
#include "bindings/host/local_machine.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "host/base/error.h"

using namespace drover;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/drover-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path); }
  std::string file(const std::string& name) const { return path + "/" + name; }
  size_t size() const { return static_cast<size_t>(std::distance(fs::directory_iterator(path), {})); }
  std::string path;
};

template <class F>
std::string code_of(F&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code;
  }
  return "no error";
}

host::LocalMachine machine;
core::CancelToken token;

}  // namespace

TEST_CASE("a file is written as a whole, with its mode, and read back") {
  Folder folder;
  std::string data("zero \0 byte\n", 12);
  machine.write_file(folder.file("a"), data, 0640, token);
  CHECK(machine.read_file(folder.file("a"), 100, token) == data);
  auto info = machine.stat_file(folder.file("a"), token);
  REQUIRE(info);
  CHECK(info->type == "file");
  CHECK(info->size_bytes == 12);
  CHECK(info->mode == 0640);
  CHECK(info->uid == geteuid());
  CHECK(folder.size() == 1);
}

TEST_CASE("an open reader keeps the old file when it is replaced") {
  Folder folder;
  machine.write_file(folder.file("a"), "old", 0600, token);
  std::ifstream reader(folder.file("a"));
  machine.write_file(folder.file("a"), "new", 0600, token);
  std::string seen;
  reader >> seen;
  CHECK(seen == "old");
  CHECK(machine.read_file(folder.file("a"), 100, token) == "new");
}

TEST_CASE("a write that fails leaves nothing behind") {
  Folder folder;
  fs::create_directory(folder.file("d"));
  CHECK(code_of([&] { machine.write_file(folder.file("d"), "x", 0600, token); }) == "IS_DIRECTORY");
  CHECK(folder.size() == 1);
  CHECK(code_of([&] { machine.write_file(folder.file("no/such"), "x", 0600, token); }) == "NO_FILE");
}

TEST_CASE("reading says what is wrong with a file") {
  Folder folder;
  CHECK(code_of([&] { machine.read_file(folder.file("none"), 10, token); }) == "NO_FILE");
  CHECK(code_of([&] { machine.read_file(folder.path, 10, token); }) == "IS_DIRECTORY");
  machine.write_file(folder.file("big"), "12345678901", 0600, token);
  CHECK(code_of([&] { machine.read_file(folder.file("big"), 10, token); }) == "TOO_LARGE");
  CHECK(machine.read_file(folder.file("big"), 11, token).size() == 11);
}

TEST_CASE("a FIFO without a writer does not hold a reader") {
  Folder folder;
  REQUIRE(mkfifo(folder.file("fifo").c_str(), 0600) == 0);
  CHECK(machine.read_file(folder.file("fifo"), 10, token).empty());
}

TEST_CASE("stat does not follow links and gives nothing for what is not there") {
  Folder folder;
  fs::create_symlink("/nowhere", folder.file("link"));
  CHECK(machine.stat_file(folder.file("link"), token)->type == "link");
  CHECK(machine.stat_file(folder.path, token)->type == "directory");
  CHECK_FALSE(machine.stat_file(folder.file("none"), token));
  CHECK_FALSE(machine.stat_file("/etc/passwd/x", token));
}

TEST_CASE("a cancelled token stops file work before it starts") {
  Folder folder;
  core::CancelToken cancelled;
  cancelled.cancel();
  CHECK(code_of([&] { machine.write_file(folder.file("a"), "x", 0600, cancelled); }) == "CANCELLED");
  CHECK(folder.size() == 0);
}
