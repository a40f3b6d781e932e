// Shows which files root refuses to run, and that an ordinary user is not asked. Needs root, to give files away.
#include "bindings/host/trusted_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "host/base/error.h"

using namespace drover;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/drover-test-XXXXXX";
    path = mkdtemp(name);
    file = path + "/hosts.lua";
    std::ofstream(file) << "return {}\n";
    chmod(file.c_str(), 0644);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path, file;
};

std::string code_as_root(const std::string& file) {
  try {
    host::read_trusted_file(file, 0);
  } catch (const Error& error) {
    return error.code;
  }
  return "no error";
}

}  // namespace

TEST_CASE("a file that only root may write is read, also below the sticky /tmp") {
  if (geteuid() != 0) return;
  Folder folder;
  CHECK(host::read_trusted_file(folder.file, 0) == "return {}\n");
  CHECK_FALSE(host::read_trusted_file(folder.path + "/none.lua", 0));
}

TEST_CASE("root refuses a file that others may write, and says which part is at fault") {
  if (geteuid() != 0) return;
  Folder folder;
  SECTION("by everybody") { chmod(folder.file.c_str(), 0646); }
  SECTION("by its owner") { REQUIRE(chown(folder.file.c_str(), 1000, 0) == 0); }
  SECTION("by its group") {
    REQUIRE(chown(folder.file.c_str(), 0, 1000) == 0);
    chmod(folder.file.c_str(), 0664);
  }
  SECTION("through its folder") { chmod(folder.path.c_str(), 0777); }
  SECTION("through the owner of its folder") { REQUIRE(chown(folder.path.c_str(), 1000, 0) == 0); }
  CHECK(code_as_root(folder.file) == "UNTRUSTED_FILE");
  CHECK(host::read_trusted_file(folder.file, 1000) == "return {}\n");
}

TEST_CASE("root follows a link to the real file and checks the folders there") {
  if (geteuid() != 0) return;
  Folder real, link;
  std::filesystem::create_symlink(real.file, link.path + "/link.lua");
  CHECK(code_as_root(link.path + "/link.lua") == "no error");
  chmod(real.path.c_str(), 0777);
  CHECK(code_as_root(link.path + "/link.lua") == "UNTRUSTED_FILE");
}

TEST_CASE("a folder is not a file of Lua") {
  Folder folder;
  CHECK(code_as_root(folder.path) == "IS_DIRECTORY");
}
