// Shows what is asked of firewalld and how its answers are read, with answers that firewalld 1.3.3 gave.
#include "bindings/firewall/firewalld.h"

#include <catch2/catch.hpp>

#include "tests/base/error_of.h"
#include "tests/bindings/firewall/fake_machine.h"

using namespace drover;
using namespace drover::firewall;
using drover::tests::code_of;

namespace {

constexpr const char* active_zones =
    R"({"type":"a{sa{sas}}","data":[{"public":{"interfaces":["eth0"]},"dmz":{"sources":["10.5.0.0/24","ipset:x"]},"work":{"sources":["10.5.0.3"]}}]})";

struct Host {
  Host() {
    machine->answer("getDefaultZone", R"({"type":"s","data":["public"]})");
    machine->answer("getActiveZones", active_zones);
    machine->answer("queryRichRule", R"({"type":"b","data":[false]})");
  }
  std::shared_ptr<tests::FakeMachine> machine = std::make_shared<tests::FakeMachine>();
  Firewalld firewalld{machine};
  core::CancelToken token;
};

Change opening(const std::string& from) {
  Change change;
  change.from = parse_network(from);
  change.first_port = 49152;
  change.last_port = 49155;
  change.timeout_s = 1800;
  change.mark = "drover run=1";
  return change;
}

}  // namespace

TEST_CASE("a rich rule is written as firewalld writes it back") {
  std::string priority = std::to_string(mark_priority("drover run=1"));
  CHECK(rich_rule(opening("10.5.0.2"), true) ==
        "rule priority=\"" + priority +
            "\" family=\"ipv4\" source address=\"10.5.0.2\" port port=\"49152-49155\" protocol=\"tcp\" accept");
  CHECK(rich_rule(opening("fd00::/64"), false) ==
        "rule family=\"ipv6\" source address=\"fd00::/64\" port port=\"49152-49155\" protocol=\"tcp\" accept");
  CHECK(rich_rule_priority(rich_rule(opening("10.5.0.2"), true)) == mark_priority("drover run=1"));
  CHECK(rich_rule_priority("rule family=\"ipv4\" accept") == 0);
}

TEST_CASE("the narrowest zone that names the source wins, and a source is not an ipset") {
  Host host;
  CHECK(host.firewalld.zone_of_source(*parse_network("10.5.0.3"), host.token) == "work");
  CHECK(host.firewalld.zone_of_source(*parse_network("10.5.0.4"), host.token) == "dmz");
}

TEST_CASE("without such a zone that of the interface towards the source decides, else the default one") {
  Host host;
  host.machine->answer("route get", R"([{"dst":"192.0.2.1","dev":"eth9","flags":[]}])");
  host.machine->answer("getZoneOfInterface s eth9", R"({"type":"s","data":[""]})");
  CHECK(host.firewalld.zone_of_source(*parse_network("192.0.2.1"), host.token) == "public");
}

TEST_CASE("a rule of ours that is there is put again, so that its time starts again") {
  Host host;
  host.machine->answer("addRichRule",
                       core::ExecResult{1, "", "", "Call failed: ALREADY_ENABLED: 'rule' already in 'work'"});
  host.machine->answer("removeRichRule", R"({"type":"s","data":["work"]})");
  Change change = opening("10.5.0.3");
  // The fake says ALREADY_ENABLED for ever, so the second try is the error; what matters is the order.
  CHECK(code_of([&] { host.firewalld.apply(change, host.token); }) == "FIREWALL_FAILED");
  auto& asked = host.machine->asked;
  REQUIRE(asked.size() >= 3);
  CHECK(asked[asked.size() - 3].find("addRichRule ssi work rule priority=") != std::string::npos);
  CHECK(asked[asked.size() - 3].find(" accept 1800") != std::string::npos);
  CHECK(asked[asked.size() - 2].find("removeRichRule") != std::string::npos);
  CHECK(asked[asked.size() - 1].find("addRichRule") != std::string::npos);
}

TEST_CASE("firewalld's refusals have codes of their own") {
  auto code_for = [](const std::string& errors) {
    Host host;
    host.machine->refuse("addRichRule", 1, errors);
    return code_of([&] { host.firewalld.apply(opening("10.5.0.3"), host.token); });
  };
  CHECK(code_for("Call failed: INVALID_ZONE: nozone") == "NO_ZONE");
  CHECK(code_for("Call failed: INVALID_SERVICE: x") == "NO_SERVICE");
  CHECK(code_for("Call failed: The name org.fedoraproject.FirewallD1 was not provided by any .service files") ==
        "NOT_RUNNING");
  CHECK(code_for("Call failed: Access denied") == "NO_PERMISSION");
  CHECK(code_for("Call failed: COMMAND_FAILED: nft") == "FIREWALL_FAILED");
}

TEST_CASE("revoke removes the exact rule and leaves the neighbour's") {
  Host host;
  Change change = opening("10.5.0.3");
  std::string ours = rich_rule(change, true), theirs = rich_rule(change, false);
  nlohmann::ordered_json rules;
  rules["type"] = "as";
  rules["data"] = nlohmann::ordered_json::array({nlohmann::ordered_json::array({theirs, ours})});
  host.machine->answer("sh -c", "public " + rules.dump() + "\n");
  host.machine->answer("removeRichRule ss public " + ours, R"({"type":"s","data":["public"]})");
  CHECK(host.firewalld.revoke(change, host.token).removed);
  size_t removals = 0;
  for (const std::string& line : host.machine->asked) {
    if (line.find("removeRichRule") != std::string::npos) ++removals;
  }
  CHECK(removals == 1);
  CHECK(host.firewalld.probe(change, host.token) == Presence::ours);
  change.mark = "drover run=2";
  CHECK(host.firewalld.probe(change, host.token) == Presence::present);
}
