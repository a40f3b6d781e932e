// Shows that the checksum of a row tells every changed byte, and which field a byte belongs to.
#include "bindings/journal/checksum.h"

#include <catch2/catch.hpp>
#include <set>

using drover::journal::Checksum;

TEST_CASE("one changed byte anywhere changes it") {
  std::string row = "live-migrate, running, {\"domain\":\"web1\"}";
  std::set<int64_t> seen{Checksum().add(row).value()};
  for (size_t at = 0; at < row.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = row;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      seen.insert(Checksum().add(changed).value());
    }
  }
  CHECK(seen.size() == row.size() * 8 + 1);
}

TEST_CASE("a byte that moves from one field to the next changes it") {
  int64_t both = Checksum().add("ab").add("c").value();
  CHECK(both != Checksum().add("a").add("bc").value());
  CHECK(both != Checksum().add("abc").value());
  CHECK(Checksum().add("a:").add("b").value() != Checksum().add("a").add(":b").value());
  CHECK(both != Checksum().add("ab").add("c").add("").value());
  CHECK(both == Checksum().add("ab").add("c").value());
}

TEST_CASE("a number is its text; bytes above 127 and zero count") {
  CHECK(Checksum().add(int64_t{-12}).value() == Checksum().add("-12").value());
  CHECK(Checksum().add(std::string("a\0b", 3)).value() != Checksum().add(std::string("a\0c", 3)).value());
  CHECK(Checksum().add("\xff").value() != Checksum().add("\x7f").value());
}
