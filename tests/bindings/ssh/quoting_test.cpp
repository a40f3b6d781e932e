// Argument lists through a real shell.
#include "bindings/ssh/quoting.h"

#include <catch2/catch.hpp>
#include <random>

#include "tests/bindings/ssh/test_server.h"

using namespace drover;
using namespace drover::ssh;
using drover::ssh::test::code_of;
using drover::ssh::test::TemporaryFolder;

TEST_CASE("a real shell gives back every byte of quoted words", "[ssh]") {
  std::string shell = GENERATE("/bin/sh", "/bin/bash");
  TemporaryFolder folder;  // where nothing is at stake, and without programs, should a word break out
  std::mt19937 random(7);
  for (int round = 0; round < 40; ++round) {
    std::string program = "printf '%s\\n-\\n'", expected;
    for (int i = 0; i < 50; ++i) {
      std::string word;
      size_t size = random() % 40;
      // Half of the words are of the letters that shells care for.
      const std::string special = "'\"\\$`!*?[]{}()<>|&;#~ \t\n=%-";
      for (size_t j = 0; j < size; ++j) {
        word += round % 2 == 0 ? static_cast<char>(1 + random() % 255) : special[random() % special.size()];
      }
      program += " " + quote_for_shell(word);
      expected += word + "\n-\n";
    }
    ChildResult result = run_child({"env", "-C", folder.path(), "PATH=/nonexistent", shell, "-c", program}, 10000);
    REQUIRE(result.exit_code == 0);
    REQUIRE(result.output == expected);
  }
}

TEST_CASE("plain words stay readable, and what cannot be said is refused", "[ssh]") {
  REQUIRE(quote_for_shell("virsh") == "virsh");
  REQUIRE(quote_for_shell("") == "''");
  REQUIRE(quote_for_shell("a b") == "'a b'");
  REQUIRE(command_line({"ls", "-l", "it's"}, {{"LC_ALL", "C"}}) == "exec env LC_ALL=C ls -l 'it'\\''s'");
  REQUIRE(code_of([] { quote_for_shell(std::string("a\0b", 3)); }) == "BAD_ARGUMENT");
  REQUIRE(code_of([] { command_line({}, {}); }) == "BAD_ARGUMENT");
  REQUIRE(code_of([] { command_line({"x"}, {{"A;reboot", "1"}}); }) == "BAD_ARGUMENT");
}
