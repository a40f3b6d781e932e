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
  machine->answer("-S INPUT", "-P INPUT DROP\n-A INPUT -m comment --comment \"drover run=2\" -j ACCEPT\n");
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
  there->answer("-S INPUT", "-A INPUT -m comment --comment \"drover run=1\" -j ACCEPT\n");
  there->answer("-C INPUT", "");
  Iptables(there).apply(change, token);
  CHECK(there->asked.size() == 2);
}

TEST_CASE("an opening with a time ends at that time of the host's own clock") {
  core::CancelToken token;
  Change change;
  change.from = parse_network("10.0.0.1");
  change.first_port = change.last_port = 10;
  change.mark = "drover run=1";
  change.timeout_s = 60;
  auto machine = std::make_shared<tests::FakeMachine>();
  machine->answer("date -u +%s", "1800000000\n");
  machine->answer("-S INPUT", "-P INPUT DROP\n");

  SECTION("where iptables can") {
    machine->answer("-I INPUT", "");
    CHECK(Iptables(machine).apply(change, token).expires);
    CHECK(machine->asked.back() ==
          "iptables -w 10 -t filter -I INPUT -s 10.0.0.1 -p tcp --dport 10 -m time --datestop 2027-01-15T08:01:00 -m "
          "comment --comment drover run=1 -j ACCEPT");
  }
  SECTION("where it has no such match, the opening is made without, and says so") {
    machine->refuse("-m time", 2, "iptables v1.8.9 (nf_tables): Couldn't load match `time'");
    machine->answer("-I INPUT", "");
    CHECK_FALSE(Iptables(machine).can_expire(token));
    CHECK_FALSE(Iptables(machine).apply(change, token).expires);
    CHECK(
        machine->asked.back() ==
        "iptables -w 10 -t filter -I INPUT -s 10.0.0.1 -p tcp --dport 10 -m comment --comment drover run=1 -j ACCEPT");
    std::vector<std::string> made = {machine->asked.back()};
    CHECK(Iptables(machine).describe(change, token) == made);
  }
  SECTION("where the kernel has no such match") {
    machine->refuse("-m time", 1, "Warning: Extension time revision 0 not supported, missing kernel module?");
    CHECK_FALSE(Iptables(machine).can_expire(token));
  }
}

TEST_CASE("a question that may not be asked is an error and not a no") {
  auto machine = std::make_shared<tests::FakeMachine>();
  machine->refuse("-S INPUT", 4,
                  "iptables v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied");
  Change change;
  change.from = parse_network("10.0.0.1");
  change.first_port = change.last_port = 10;
  change.mark = "drover run=1";
  core::CancelToken token;
  CHECK_THROWS_AS(Iptables(machine).probe(change, token), Error);
}
