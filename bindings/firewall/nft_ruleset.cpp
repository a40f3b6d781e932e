#include "bindings/firewall/nft_ruleset.h"

#include <algorithm>
#include <set>

#include "host/base/error.h"

namespace drover::firewall {

namespace {

std::string text_of(const Json& object, const char* name) {
  auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

NftChain read_chain(const Json& object) {
  return {text_of(object, "family"), text_of(object, "table"), text_of(object, "name"),
          text_of(object, "type"),   text_of(object, "hook"),  text_of(object, "policy")};
}

NftRule read_rule(const Json& object) {
  NftRule rule{text_of(object, "family"), text_of(object, "table"), text_of(object, "chain"),
               text_of(object, "comment")};
  auto handle = object.find("handle");
  if (handle != object.end() && handle->is_number_integer()) rule.handle = handle->get<int64_t>();
  auto expression = object.find("expr");
  if (expression != object.end()) rule.expression = *expression;
  return rule;
}

NftSet read_set(const Json& object) {
  NftSet set{text_of(object, "family"), text_of(object, "table"), text_of(object, "name")};
  auto elements = object.find("elem");
  if (elements != object.end()) set.elements = *elements;
  return set;
}

// The targets of jump and goto below a value, also in verdict maps.
void collect_targets(const Json& value, std::set<std::string>& targets) {
  if (!value.is_structured()) return;
  if (value.is_object()) {
    for (const char* verb : {"jump", "goto"}) {
      auto found = value.find(verb);
      if (found != value.end() && found->is_object()) targets.insert(text_of(*found, "target"));
    }
  }
  for (const Json& item : value) collect_targets(item, targets);
}

bool may_drop(const NftRuleset& ruleset, const NftChain& chain) {
  std::set<std::string> open{chain.name}, seen;
  while (!open.empty()) {
    std::string name = *open.begin();
    open.erase(open.begin());
    if (!seen.insert(name).second) continue;
    for (const NftRule& rule : ruleset.rules) {
      if (rule.family != chain.family || rule.table != chain.table || rule.chain != name) continue;
      if (mentions(rule.expression, "drop") || mentions(rule.expression, "reject")) return true;
      collect_targets(rule.expression, open);
    }
  }
  return false;
}

bool is_family(const NftChain& chain, bool ipv6) {
  return chain.family == "inet" || chain.family == (ipv6 ? "ip6" : "ip");
}

}  // namespace

std::vector<NftChain> NftRuleset::filtering_chains(const std::string& hook, bool ipv6) const {
  std::vector<NftChain> found;
  for (const NftChain& chain : chains) {
    if (chain.hook != hook || chain.type != "filter" || !is_family(chain, ipv6)) continue;
    if (chain.policy == "drop" || may_drop(*this, chain)) found.push_back(chain);
  }
  return found;
}

const NftSet* NftRuleset::find_set(const std::string& family, const std::string& table, const std::string& name) const {
  for (const NftSet& set : sets) {
    if (set.family == family && set.table == table && set.name == name) return &set;
  }
  return nullptr;
}

std::vector<NftRule> NftRuleset::rules_of(const std::string& place) const {
  std::vector<NftRule> found;
  std::copy_if(rules.begin(), rules.end(), std::back_inserter(found),
               [&place](const NftRule& rule) { return rule.place() == place; });
  return found;
}

bool NftRuleset::has_table(const std::string& family, const std::string& table) const {
  return std::any_of(chains.begin(), chains.end(),
                     [&](const NftChain& chain) { return chain.family == family && chain.table == table; });
}

NftRuleset parse_nft_ruleset(const std::string& text) {
  Json all = Json::parse(text, nullptr, false);
  if (all.is_discarded() || !all.is_object() || !all.contains("nftables") || !all["nftables"].is_array()) {
    throw Error("firewall", "FIREWALL_FAILED", "nft printed no ruleset").with_native(text.substr(0, 200));
  }
  NftRuleset ruleset;
  for (const Json& entry : all["nftables"]) {
    if (!entry.is_object() || entry.empty() || !entry.begin()->is_object()) continue;
    const std::string& kind = entry.begin().key();
    const Json& object = entry.begin().value();
    if (kind == "chain") ruleset.chains.push_back(read_chain(object));
    if (kind == "rule") ruleset.rules.push_back(read_rule(object));
    if (kind == "set") ruleset.sets.push_back(read_set(object));
  }
  return ruleset;
}

bool is_nft_family(const std::string& text) {
  for (const char* family : {"ip", "ip6", "inet", "arp", "bridge", "netdev"}) {
    if (text == family) return true;
  }
  return false;
}

bool is_nft_name(const std::string& text) {
  const char* letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.0123456789/-";
  return !text.empty() && text.find_first_of("0123456789/-") != 0 && text.find_first_not_of(letters) == text.npos;
}

bool is_iptables_chain(const NftChain& chain) {
  bool table = chain.table == "filter" || chain.table == "nat" || chain.table == "mangle" || chain.table == "raw" ||
               chain.table == "security";
  bool capitals = std::none_of(chain.name.begin(), chain.name.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  return (chain.family == "ip" || chain.family == "ip6") && table && capitals;
}

bool mentions(const Json& value, const std::string& key) {
  if (!value.is_structured()) return false;
  if (value.is_object() && value.contains(key)) return true;
  return std::any_of(value.begin(), value.end(), [&key](const Json& item) { return mentions(item, key); });
}

bool refers_to(const Json& value, const std::string& text) {
  if (value.is_string()) return value.get_ref<const std::string&>() == text;
  if (!value.is_structured()) return false;
  return std::any_of(value.begin(), value.end(), [&text](const Json& item) { return refers_to(item, text); });
}

std::string element_text(const Json& element) {
  if (element.is_string()) return element.get<std::string>();
  if (element.is_number()) return element.dump();
  if (!element.is_object()) return "";
  if (element.contains("elem")) return element_text(element["elem"].value("val", Json()));
  if (element.contains("prefix") && element["prefix"].is_object()) {
    const Json& prefix = element["prefix"];
    return text_of(prefix, "addr") + "/" + element_text(prefix.value("len", Json()));
  }
  if (element.contains("range") && element["range"].is_array() && element["range"].size() == 2) {
    return element_text(element["range"][0]) + "-" + element_text(element["range"][1]);
  }
  std::string text;
  if (!element.contains("concat") || !element["concat"].is_array()) return text;
  for (const Json& part : element["concat"]) text += (text.empty() ? "" : " . ") + element_text(part);
  return text;
}

}  // namespace drover::firewall
