// Shows which files root refuses to run, and that an ordinary user is not asked. Needs root, to give files away.
#include "bindings/host/trusted_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "host/base/error.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"

using namespace drover;

namespace {

// Below the sticky /tmp, which everybody may write.
struct Folder : tests::TemporaryFolder {
  Folder() : TemporaryFolder("/tmp"), file(*this / "hosts.lua") { tests::write_text(file, "return {}\n", 0644); }
  const std::string file;
};

std::string code_as_root(const std::string& file) {
  return tests::code_of([&] { host::read_trusted_file(file, 0); });
}

}  // namespace

TEST_CASE("a file that only root may write is read, also below the sticky /tmp") {
  Folder folder;
  CHECK(host::read_trusted_file(folder.file, 0) == "return {}\n");
  CHECK_FALSE(host::read_trusted_file(folder / "none.lua", 0));
}

TEST_CASE("root refuses a file that others may write, and says which part is at fault") {
  Folder folder;
  SECTION("by everybody") { chmod(folder.file.c_str(), 0646); }
  SECTION("by its owner") { REQUIRE(chown(folder.file.c_str(), 1000, 0) == 0); }
  SECTION("by its group") {
    REQUIRE(chown(folder.file.c_str(), 0, 1000) == 0);
    chmod(folder.file.c_str(), 0664);
  }
  SECTION("through its folder") { chmod(folder.path().c_str(), 0777); }
  SECTION("through the owner of its folder") { REQUIRE(chown(folder.path().c_str(), 1000, 0) == 0); }
  CHECK(code_as_root(folder.file) == "UNTRUSTED_FILE");
  CHECK(host::read_trusted_file(folder.file, 1000) == "return {}\n");
}

TEST_CASE("root follows a link to the real file and checks the folders there") {
  Folder real, link;
  std::filesystem::create_symlink(real.file, link / "link.lua");
  CHECK(code_as_root(link / "link.lua") == "");
  chmod(real.path().c_str(), 0777);
  CHECK(code_as_root(link / "link.lua") == "UNTRUSTED_FILE");
}

TEST_CASE("a folder is not a file of Lua") {
  Folder folder;
  CHECK(code_as_root(folder.path()) == "IS_DIRECTORY");
}
