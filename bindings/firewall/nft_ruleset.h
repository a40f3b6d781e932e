// The output of `nft -j list ruleset`, as far as drover asks it. Unknown objects and fields are passed over, because
// every version of nft adds some. Tested by tests/bindings/firewall/nft_ruleset_test.cpp, with recorded rulesets.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace drover::firewall {

using Json = nlohmann::ordered_json;

struct NftChain {
  std::string family, table, name;
  std::string type, hook, policy;  // "" unless it is a base chain
  std::string place() const { return family + " " + table + " " + name; }
};

struct NftRule {
  std::string family, table, chain, comment;
  int64_t handle = 0;
  Json expression = Json::array();
  std::string place() const { return family + " " + table + " " + chain; }
};

struct NftSet {
  std::string family, table, name;
  Json elements = Json::array();
};

struct NftRuleset {
  std::vector<NftChain> chains;
  std::vector<NftRule> rules;
  std::vector<NftSet> sets;

  // Base chains of that hook that may drop a packet: their policy, one of their rules, or a rule of a chain that they
  // jump to drops or rejects. Chains of another address family are left out ("ip" for IPv6 and the other way).
  std::vector<NftChain> filtering_chains(const std::string& hook, bool ipv6) const;
  const NftSet* find_set(const std::string& family, const std::string& table, const std::string& name) const;
  std::vector<NftRule> rules_of(const std::string& place) const;
  bool has_table(const std::string& family, const std::string& table) const;
};

// Throws FIREWALL_FAILED for what is not JSON.
NftRuleset parse_nft_ruleset(const std::string& text);

// Whether nft could have read it as the name of a family, and of a table, chain or set [nftables src/scanner.l].
bool is_nft_family(const std::string& text);
bool is_nft_name(const std::string& text);

// Whether the chain belongs to iptables, which keeps its rules in nftables under these names since 1.8.
bool is_iptables_chain(const NftChain& chain);

// Whether any value below has a key of that name: "drop" in a rule, or in its verdict map.
bool mentions(const Json& value, const std::string& key);
// Whether any string below equals text: "@set".
bool refers_to(const Json& value, const std::string& text);

// "10.0.0.0/24 . tcp . 49152-49160" of an element, without its timeout.
std::string element_text(const Json& element);

}  // namespace drover::firewall
