// Shows how what iptables prints is read, and which rules are written.
#include "bindings/firewall/iptables.h"

#include <catch2/catch.hpp>

#include "tests/bindings/firewall/fake_machine.h"

using namespace drover;
using namespace drover::firewall;

TEST_CASE("quoted comments of iptables-save are read back as they were written") {
  auto words = iptables_words(R"(-A INPUT -p tcp -m comment --comment "it\'s \"mine\"" -j ACCEPT)");
  REQUIRE(words.size() == 10);
  CHECK(words[7] == "it's \"mine\"");
  CHECK(iptables_words("-A X --comment \"\" -j Y").size() == 6);
  CHECK(iptables_words("").empty());
}

TEST_CASE("a chain filters by its policy, its rules, or those it jumps to") {
  CHECK(iptables_filters("-P INPUT DROP", "INPUT"));
  CHECK_FALSE(iptables_filters("-P INPUT ACCEPT\n-P FORWARD DROP", "INPUT"));
  CHECK(iptables_filters("-P INPUT ACCEPT\n-A INPUT -s 192.0.2.0/24 -j REJECT --reject-with tcp-reset", "INPUT"));
  CHECK(iptables_filters("-A INPUT -g a\n-A a -j b\n-A b -j a\n-A b -p udp -j DROP", "INPUT"));
  CHECK_FALSE(iptables_filters("-A INPUT -j a\n-A a -j ACCEPT\n-A c -j DROP", "INPUT"));
  CHECK_FALSE(iptables_filters("iptables: command failed", "INPUT"));
}

TEST_CASE("an opening is one rule at the top with the mark, and is not made twice") {
  auto machine = std::make_shared<tests::FakeMachine>();
  machine->refuse("-C INPUT", 1, "iptables: Bad rule (does a matching rule exist in that chain?).");
  machine->answer("-I INPUT", "");
  Change change;
  change.from = parse_network("fd00::1");
  change.first_port = 10;
  change.last_port = 20;
  change.mark = "drover run=1";
  core::CancelToken token;
  Applied applied = Iptables(machine).apply(change, token);
  CHECK_FALSE(applied.expires);
  CHECK(
      machine->asked.back() ==
      "ip6tables -w 10 -t filter -I INPUT -s fd00::1 -p tcp --dport 10:20 -m comment --comment drover run=1 -j ACCEPT");
  auto there = std::make_shared<tests::FakeMachine>();
  there->answer("-C INPUT", "");
  Iptables(there).apply(change, token);
  CHECK(there->asked.size() == 1);
}

TEST_CASE("a question that may not be asked is an error and not a no") {
  auto machine = std::make_shared<tests::FakeMachine>();
  machine->refuse("-C INPUT", 4,
                  "iptables v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied");
  Change change;
  change.from = parse_network("10.0.0.1");
  change.first_port = change.last_port = 10;
  change.mark = "drover run=1";
  core::CancelToken token;
  CHECK_THROWS_AS(Iptables(machine).probe(change, token), Error);
}
