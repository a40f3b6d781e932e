// Shows the transactions that are given to nft, and what happens when one is refused.
#include "bindings/firewall/nftables.h"

#include <catch2/catch.hpp>

#include "tests/bindings/firewall/fake_machine.h"

using namespace drover;
using namespace drover::firewall;

namespace {

constexpr const char* filtering =
    R"({"nftables": [{"chain": {"family": "inet", "table": "filter", "name": "input", "type": "filter", "hook": "input", "policy": "drop"}}]})";

Change opening() {
  Change change;
  change.from = parse_network("10.0.0.1");
  change.first_port = change.last_port = 49152;
  change.timeout_s = 30;
  change.mark = "drover run=1";
  return change;
}

}  // namespace

TEST_CASE("an opening is one transaction: a set, an element with the time, a rule at the top") {
  auto machine = std::make_shared<tests::FakeMachine>();
  machine->answer("nft -j list ruleset", filtering);
  machine->answer("nft -f -", "");
  core::CancelToken token;
  Applied applied = Nftables(machine).apply(opening(), token);
  CHECK(applied.expires);
  std::string set = "drover_" + mark_digest("drover run=1") + "_4";
  CHECK(machine->inputs.back() == "add set inet filter " + set +
                                      " { type ipv4_addr . inet_proto . inet_service; flags interval, timeout; }\n" +
                                      "add element inet filter " + set + " { 10.0.0.1 . tcp . 49152 timeout 30s }\n" +
                                      "insert rule inet filter input ip saddr . meta l4proto . th dport @" + set +
                                      " accept comment \"drover run=1\"\n");
}

TEST_CASE("a transaction that is refused is tried again from what is there then, three times") {
  auto machine = std::make_shared<tests::FakeMachine>();
  machine->answer("nft -j list ruleset", filtering);
  machine->refuse("nft -f -", 1, "/dev/stdin:1:1-2: Error: Could not process rule: No such file or directory");
  core::CancelToken token;
  CHECK_THROWS_AS(Nftables(machine).apply(opening(), token), Error);
  CHECK(machine->asked.size() == 6);
}

TEST_CASE("without the right to change the firewall it is said so, once") {
  auto machine = std::make_shared<tests::FakeMachine>();
  machine->refuse("nft", 1, "Operation not permitted (you must be root)");
  core::CancelToken token;
  try {
    Nftables(machine).apply(opening(), token);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code == "NO_PERMISSION");
    CHECK(error.host == "kvm1");
  }
  CHECK(machine->asked.size() == 1);
}
