// Shows what a person gets for a misspelt name, and the text helpers.
#include "host/base/text.h"

#include <catch2/catch.hpp>

using namespace drover;

TEST_CASE("the nearest name is what the person meant") {
  std::vector<std::string> names{"live-migrate", "cold-copy", "monitor-failover"};
  CHECK(nearest_name("live-migrat", names) == "live-migrate");
  CHECK(nearest_name("lvie-migrate", names) == "live-migrate");
  CHECK(nearest_name("live", names) == "live-migrate");
  CHECK(nearest_name("backup", names).empty());
  CHECK(did_you_mean("cold-cpoy", names) == "did you mean 'cold-copy'?");
  CHECK(did_you_mean("backup", names).empty());
}

TEST_CASE("split keeps empty parts and join undoes it") {
  CHECK(split("a,,b", ',') == std::vector<std::string>{"a", "", "b"});
  CHECK(split("", ',') == std::vector<std::string>{""});
  CHECK(join(split("a,,b", ','), ",") == "a,,b");
}

TEST_CASE("trim takes white space from both ends only") {
  CHECK(trim("  a b\r\n") == "a b");
  CHECK(trim(" \n").empty());
}
