// Shows which descriptions of a change are refused, and that marks and networks have one form only.
#include "bindings/firewall/change.h"

#include <catch2/catch.hpp>

#include "host/base/error.h"

using namespace drover;
using namespace drover::firewall;

namespace {

Change opening() {
  Change change;
  change.from = parse_network("10.77.0.1");
  change.first_port = change.last_port = 49152;
  change.mark = "drover run=1 lease=2";
  return change;
}

bool is_refused(const Change& change) {
  try {
    validate(change);
  } catch (const Error& error) {
    return error.code == "BAD_ARGUMENT";
  }
  return false;
}

}  // namespace

TEST_CASE("a network is written in one form, without host bits") {
  CHECK(parse_network("10.77.0.1")->text() == "10.77.0.1");
  CHECK(parse_network("10.77.0.1/32")->text() == "10.77.0.1");
  CHECK(parse_network("10.77.0.9/24")->text() == "10.77.0.0/24");
  CHECK(parse_network("0.0.0.0/0")->text() == "0.0.0.0/0");
  CHECK(parse_network("2001:DB8:0::1")->text() == "2001:db8::1");
  CHECK(parse_network("2001:db8:ffff::/33")->text() == "2001:db8:8000::/33");
  for (const char* bad : {"", "kvm1", "10.0.0", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/2x", "10.0.0.1/-1", "::1/129",
                          "10.0.0.1; drop", "10.0.0.1 "}) {
    CHECK_FALSE(parse_network(bad));
  }
}

TEST_CASE("a network contains its addresses and narrower networks, of its own family") {
  auto network = *parse_network("10.77.0.0/16");
  CHECK(network.contains(*parse_network("10.77.3.4")));
  CHECK(network.contains(*parse_network("10.77.3.0/24")));
  CHECK_FALSE(network.contains(*parse_network("10.78.0.1")));
  CHECK_FALSE(network.contains(*parse_network("10.0.0.0/8")));
  CHECK_FALSE(network.contains(*parse_network("::1")));
}

TEST_CASE("a change that cannot be is refused before a host is asked") {
  validate(opening());
  auto with = [](auto edit) {
    Change change = opening();
    edit(change);
    return is_refused(change);
  };
  CHECK(with([](Change& c) { c.from.reset(); }));
  CHECK(with([](Change& c) { c.mark = ""; }));
  CHECK(with([](Change& c) { c.mark = "a\"; flush ruleset"; }));
  CHECK(with([](Change& c) { c.mark = std::string(101, 'x'); }));
  CHECK(with([](Change& c) { c.first_port = 0; }));
  CHECK(with([](Change& c) { c.first_port = 49153; }));
  CHECK(with([](Change& c) { c.protocol = "icmp"; }));
  CHECK(with([](Change& c) { c.zone = "a b"; }));
  CHECK(with([](Change& c) {
    c.permanent = true;
    c.timeout_s = 5;
  }));
  CHECK(with([](Change& c) { c.kind = Kind::forward; }));
  CHECK(with([](Change& c) {
    c.kind = Kind::forward;
    c.to = parse_network("10.0.0.0/24");
  }));
  CHECK(with([](Change& c) {
    c.kind = Kind::forward;
    c.to = parse_network("fd00::1");
  }));
  CHECK(with([](Change& c) { c.kind = Kind::service; }));
}

TEST_CASE("a mark is the same on every machine and in every version") {
  CHECK(mark_digest("drover run=1 lease=2") == mark_digest("drover run=1 lease=2"));
  CHECK(mark_digest("a") == "296230c0");  // a change here would leave rules of older versions behind
  CHECK(mark_digest("drover run=1 lease=2") != mark_digest("drover run=1 lease=3"));
  for (const char* mark : {"a", "b", "drover run=1", "drover run=2"}) {
    CHECK(mark_priority(mark) >= lowest_mark_priority);
    CHECK(mark_priority(mark) <= highest_mark_priority);
  }
}

TEST_CASE("a comment belongs to its mark and not to a longer one") {
  CHECK(has_mark("drover run=1", "drover run=1"));
  CHECK(has_mark("drover run=1 #tcp/80", "drover run=1"));
  CHECK_FALSE(has_mark("drover run=12", "drover run=1"));
  CHECK_FALSE(has_mark("", "drover run=1"));
}
