// Shows which chains are found to filter, with rulesets that nft 1.0.6 printed.
#include "bindings/firewall/nft_ruleset.h"

#include <catch2/catch.hpp>

#include "host/base/error.h"

using namespace drover::firewall;

namespace {

std::string ruleset(const std::string& objects) {
  return R"({"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}}, {"novelty": 1},)" + objects +
         "]}";
}

std::string chain(const std::string& family, const std::string& name, const std::string& hook,
                  const std::string& policy) {
  return R"({"chain": {"family": ")" + family + R"(", "table": "filter", "name": ")" + name +
         R"(", "handle": 1, "type": "filter", "hook": ")" + hook + R"(", "prio": 0, "policy": ")" + policy + "\"}}";
}

std::string rule(const std::string& family, const std::string& name, const std::string& expression) {
  return R"({"rule": {"family": ")" + family + R"(", "table": "filter", "chain": ")" + name +
         R"(", "handle": 7, "comment": "c", "novelty": {}, "expr": )" + expression + "}}";
}

}  // namespace

TEST_CASE("a chain whose policy is drop filters, for its own family") {
  auto parsed = parse_nft_ruleset(ruleset(chain("ip", "input", "input", "drop")));
  REQUIRE(parsed.filtering_chains("input", false).size() == 1);
  CHECK(parsed.filtering_chains("input", false)[0].place() == "ip filter input");
  CHECK(parsed.filtering_chains("input", true).empty());
  CHECK(parsed.filtering_chains("forward", false).empty());
}

TEST_CASE("a chain that only counts or accepts does not filter") {
  auto parsed = parse_nft_ruleset(
      ruleset(chain("inet", "input", "input", "accept") + "," + rule("inet", "input", R"([{"accept": null}])")));
  CHECK(parsed.filtering_chains("input", false).empty());
}

TEST_CASE("a drop behind a jump, or in a verdict map, filters") {
  std::string jump = R"([{"jump": {"target": "guarded"}}])";
  auto parsed = parse_nft_ruleset(ruleset(chain("inet", "input", "input", "accept") + "," +
                                          rule("inet", "input", jump) + "," + rule("inet", "guarded", jump) + "," +
                                          rule("inet", "guarded", R"([{"reject": {"type": "tcp reset"}}])")));
  CHECK(parsed.filtering_chains("input", true).size() == 1);
  std::string map = R"([{"vmap": {"key": {"meta": {"key": "iif"}}, "data": {"set": [["lo", {"accept": null}],
                       ["eth0", {"goto": {"target": "outside"}}]]}}}])";
  parsed = parse_nft_ruleset(ruleset(chain("inet", "input", "input", "accept") + "," + rule("inet", "input", map) +
                                     "," + rule("inet", "outside", R"([{"drop": null}])")));
  CHECK(parsed.filtering_chains("input", false).size() == 1);
}

TEST_CASE("iptables' own chains are told from native ones") {
  CHECK(is_iptables_chain({"ip", "filter", "INPUT", "filter", "input", "drop"}));
  CHECK(is_iptables_chain({"ip6", "nat", "PREROUTING", "nat", "prerouting", ""}));
  CHECK_FALSE(is_iptables_chain({"inet", "filter", "INPUT", "filter", "input", "drop"}));
  CHECK_FALSE(is_iptables_chain({"ip", "filter", "input", "filter", "input", "drop"}));
}

TEST_CASE("elements of a set are read with and without a timeout") {
  using Json = nlohmann::ordered_json;
  CHECK(element_text(Json::parse(R"({"elem": {"val": {"concat": [{"prefix": {"addr": "10.0.0.0", "len": 24}}, "tcp",
        {"range": [49152, 49160]}]}, "timeout": 5, "expires": 4}})")) == "10.0.0.0/24 . tcp . 49152-49160");
  CHECK(element_text(Json::parse(R"({"concat": ["10.0.0.1", "tcp", 8080]})")) == "10.0.0.1 . tcp . 8080");
  CHECK(element_text(Json::parse("8080")) == "8080");
  CHECK(element_text(Json::parse("null")).empty());
}

TEST_CASE("what is not a ruleset is an error and what is strange in one is passed over") {
  CHECK_THROWS_AS(parse_nft_ruleset("Error: no"), drover::Error);
  CHECK_THROWS_AS(parse_nft_ruleset("[]"), drover::Error);
  auto parsed = parse_nft_ruleset(R"({"nftables": [1, {}, {"chain": 5}, {"rule": {"handle": "x"}}, {"set": {}}]})");
  CHECK(parsed.chains.empty());
  CHECK(parsed.filtering_chains("input", false).empty());
}
