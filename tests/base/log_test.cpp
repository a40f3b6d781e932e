// Shows which messages the log writes.
#include "host/base/log.h"

#include <catch2/catch.hpp>

using namespace drover;

TEST_CASE("a level lets through itself and what is worse") {
  log::set_level(log::Level::info);
  CHECK_FALSE(log::enabled(log::Level::debug));
  CHECK(log::enabled(log::Level::info));
  CHECK(log::enabled(log::Level::error));
  CHECK_FALSE(log::enabled(log::Level::off));
  log::set_level(log::Level::off);
  CHECK_FALSE(log::enabled(log::Level::error));
  log::set_level(log::Level::warn);
}

TEST_CASE("levels have the names that DROVER_LOG takes") {
  log::Level level = log::Level::warn;
  CHECK(log::parse_level("debug", level));
  CHECK(level == log::Level::debug);
  CHECK_FALSE(log::parse_level("loud", level));
  CHECK(level == log::Level::debug);
}
