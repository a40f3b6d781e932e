// Shows that no text of a host commands a terminal, and that ordinary text in any language is left as it is.
#include "host/base/visible.h"

#include <catch2/catch.hpp>

using drover::visible;

TEST_CASE("what would command a terminal is written out") {
  CHECK(visible("\x1b[2J\x1b]0;title\x07") == "\\x1b[2J\\x1b]0;title\\x07");
  CHECK(visible("gone\rdrover: all is well\b\x7f") == "gone\\x0ddrover: all is well\\x08\\x7f");
  CHECK(visible(std::string_view("\0", 1)) == "\\x00");
}

TEST_CASE("nor does it in the eight-bit form, as a byte or as UTF-8") {
  CHECK(visible("\x9b"
                "2J") == "\\x9b2J");
  CHECK(visible("\xc2\x9b"
                "2J") == "\\xc2\\x9b2J");
  CHECK(visible("\xc2\x80\xc2\x9f") == "\\xc2\\x80\\xc2\\x9f");
}

TEST_CASE("bytes that are no UTF-8 are shown as bytes") {
  CHECK(visible("caf\xe9!") == "caf\\xe9!");
  CHECK(visible("\xc0\xaf") == "\\xc0\\xaf");                    // too long a form of '/'
  CHECK(visible("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // a surrogate
  CHECK(visible("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  CHECK(visible("\xe2\x82") == "\\xe2\\x82");                    // cut off
  CHECK(visible("\xc2\x1b[2J") == "\\xc2\\x1b[2J");              // the escape is not swallowed
  CHECK(visible("\xf0\x80\x80\x80\xf8\xff") == "\\xf0\\x80\\x80\\x80\\xf8\\xff");
}

TEST_CASE("ordinary text stays as it is") {
  std::string text = "a line\n\ta tab: caf\xc3\xa9, \xe2\x82\xac, \xf0\x9f\x90\x91, \xc2\xa0, C:\\x1b";
  CHECK(visible(text) == text);
  CHECK(visible("").empty());
}
