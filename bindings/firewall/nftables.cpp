#include "bindings/firewall/nftables.h"

#include <algorithm>

#include "host/base/text.h"

namespace drover::firewall {

namespace {

using Commands = std::vector<std::string>;

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

std::string own_table(const Change& change) {
  return std::string(change.is_ipv6() ? "ip6" : "ip") + " drover_" + mark_digest(change.mark);
}

std::string set_name(const std::string& mark, bool ipv6) {
  return "drover_" + mark_digest(mark) + (ipv6 ? "_6" : "_4");
}

std::string forward_set(const Change& change) { return "forward_" + change.protocol + "_" + change.port_text('_'); }

std::string timeout_text(const Change& change) {
  return change.timeout_s == 0 ? "" : " timeout " + std::to_string(change.timeout_s) + "s";
}

// The families that a change concerns: a service without a source is for both.
std::vector<bool> families(const Change& change) {
  if (!change.from && !change.to) return {false, true};
  return {change.is_ipv6()};
}

bool holds(const NftSet* set, const std::string& element) {
  return set != nullptr && std::any_of(set->elements.begin(), set->elements.end(),
                                       [&](const Json& one) { return element_text(one) == element; });
}

// Sets an element with the whole time before it: one that is there keeps the time it has, so it is replaced.
void put_element(Commands& commands, const std::string& table, const std::string& set, const std::string& element,
                 const Change& change, const NftSet* existing) {
  if (holds(existing, element)) commands.push_back("delete element " + table + " " + set + " { " + element + " }");
  commands.push_back("add element " + table + " " + set + " { " + element + timeout_text(change) + " }");
}

bool has_rule(const NftRuleset& ruleset, const std::string& place, const std::string& comment, const std::string& set) {
  for (const NftRule& rule : ruleset.rules_of(place)) {
    if (rule.comment == comment && (set.empty() || refers_to(rule.expression, "@" + set))) return true;
  }
  return false;
}

std::string accept_rule(const Change& change, bool ipv6) {
  return std::string(ipv6 ? "ip6" : "ip") + " saddr . meta l4proto . th dport @" + set_name(change.mark, ipv6) +
         " accept comment " + quoted(change.mark);
}

void add_translation(Commands& commands, const Change& change, const NftRuleset& ruleset, const std::string& chain,
                     const std::string& hook, const std::string& set, const std::string& type,
                     const std::string& element, const std::string& rule, const std::string& comment) {
  std::string table = own_table(change);
  std::vector<std::string> names = split(table, ' ');
  commands.push_back("add table " + table);
  commands.push_back("add chain " + table + " " + chain + " { type nat hook " + hook + "; }");
  commands.push_back("add set " + table + " " + set + " { type " + type + "; flags interval, timeout; }");
  put_element(commands, table, set, element, change, ruleset.find_set(names[0], names[1], set));
  if (!has_rule(ruleset, table + " " + chain, comment, set)) {
    commands.push_back("add rule " + table + " " + chain + " " + rule + " comment " + quoted(comment));
  }
}

std::string address_match(const Change& change, const char* field) {
  return std::string(change.is_ipv6() ? "ip6 " : "ip ") + field + " ";
}

void add_forward(Commands& commands, const Change& change, const NftRuleset& ruleset) {
  std::string target = change.to->text();
  std::string with_port = change.to_port == 0 ? target
                          : change.is_ipv6()  ? "[" + target + "]:" + std::to_string(change.to_port)
                                              : target + ":" + std::to_string(change.to_port);
  std::string source = change.from ? address_match(change, "saddr") + change.from->text() + " " : "";
  std::string set = forward_set(change);
  add_translation(commands, change, ruleset, "prerouting", "prerouting priority -100", set, "inet_service",
                  change.port_text('-'), source + change.protocol + " dport @" + set + " dnat to " + with_port,
                  forward_comment(change));
  // Where forwarding is filtered the translated packets must pass; without the translation this rule matches nothing.
  for (const NftChain& chain : ruleset.filtering_chains("forward", change.is_ipv6())) {
    if (is_iptables_chain(chain) || has_rule(ruleset, chain.place(), forward_comment(change), "")) continue;
    std::string port = change.to_port == 0 ? change.port_text('-') : std::to_string(change.to_port);
    commands.push_back("insert rule " + chain.place() + " " + address_match(change, "daddr") + target + " " +
                       change.protocol + " dport " + port + " ct status dnat accept comment " +
                       quoted(forward_comment(change)));
  }
}

void add_masquerade(Commands& commands, const Change& change, const NftRuleset& ruleset) {
  std::string way_out = change.interface_name.empty() ? "" : " oifname " + quoted(change.interface_name);
  add_translation(commands, change, ruleset, "postrouting", "postrouting priority 100", "masqueraded",
                  change.is_ipv6() ? "ipv6_addr" : "ipv4_addr", change.from->text(),
                  address_match(change, "saddr") + "@masqueraded" + way_out + " masquerade", change.mark);
}

bool is_own_table(const NftRule& rule) { return rule.table.rfind("drover_", 0) == 0; }

// Rules of ours to delete, and what falls with them: a set of ours that nothing uses, a table of ours that is empty.
Commands deletion(const NftRuleset& ruleset, const std::vector<NftRule>& doomed) {
  Commands commands;
  std::vector<std::string> tables;
  for (const NftRule& rule : doomed) {
    commands.push_back("delete rule " + rule.place() + " handle " + std::to_string(rule.handle));
    std::string table = rule.family + " " + rule.table;
    if (is_own_table(rule) && std::find(tables.begin(), tables.end(), table) == tables.end()) tables.push_back(table);
    for (const NftSet& set : ruleset.sets) {
      if (set.family + " " + set.table != table || !refers_to(rule.expression, "@" + set.name)) continue;
      commands.push_back("delete set " + table + " " + set.name);
    }
  }
  for (const std::string& table : tables) {
    auto all = std::count_if(ruleset.rules.begin(), ruleset.rules.end(),
                             [&](const NftRule& rule) { return rule.family + " " + rule.table == table; });
    auto gone = std::count_if(doomed.begin(), doomed.end(),
                              [&](const NftRule& rule) { return rule.family + " " + rule.table == table; });
    if (all == gone) commands.push_back("delete table " + table);
  }
  // A set that two doomed rules used was named twice.
  Commands unique;
  for (std::string& command : commands) {
    if (std::find(unique.begin(), unique.end(), command) == unique.end()) unique.push_back(std::move(command));
  }
  return unique;
}

std::vector<NftRule> rules_marked(const NftRuleset& ruleset, const std::string& mark) {
  std::vector<NftRule> found;
  for (const NftRule& rule : ruleset.rules) {
    bool ours = mark.empty() ? is_own_table(rule) || refers_to(rule.expression, "@" + set_name(rule.comment, false)) ||
                                   refers_to(rule.expression, "@" + set_name(rule.comment, true))
                             : has_mark(rule.comment, mark);
    if (ours) found.push_back(rule);
  }
  return found;
}

std::vector<Found> as_found(const NftRuleset& ruleset, const std::vector<NftRule>& rules) {
  std::vector<Found> found;
  for (const NftRule& rule : rules) {
    std::string elements;
    for (const NftSet& set : ruleset.sets) {
      if (set.family != rule.family || set.table != rule.table || !refers_to(rule.expression, "@" + set.name)) continue;
      for (const Json& element : set.elements) elements += (elements.empty() ? "" : ", ") + element_text(element);
    }
    found.push_back({rule.comment.substr(0, rule.comment.find(" #")), "{ " + elements + " } " + rule.expression.dump(),
                     rule.place()});
  }
  return found;
}

}  // namespace

NftRuleset Nftables::read(core::CancelToken& token) const {
  NftRuleset ruleset = parse_nft_ruleset(run_checked({"nft", "-j", "list", "ruleset"}, "", token).output);
  // The names go into commands. nft itself makes no others, but what speaks to the kernel directly may.
  auto check = [this](const std::string& family, const std::string& table, const std::string& name) {
    if (is_nft_family(family) && is_nft_name(table) && is_nft_name(name)) return;
    throw Error("firewall", "FIREWALL_FAILED", "the ruleset has a name that no command of nft can hold: " + name)
        .on_host(machine_->name())
        .on_object(family + " " + table + " " + name);
  };
  for (const NftChain& chain : ruleset.chains) check(chain.family, chain.table, chain.name);
  for (const NftRule& rule : ruleset.rules) check(rule.family, rule.table, rule.chain);
  for (const NftSet& set : ruleset.sets) check(set.family, set.table, set.name);
  return ruleset;
}

void Nftables::commit(const Commands& commands, core::CancelToken& token) const {
  run_checked({"nft", "-f", "-"}, join(commands, "\n") + "\n", token);
}

Commands Nftables::elements(const Change& change, bool ipv6, core::CancelToken& token) const {
  std::string source = change.from ? change.from->text() : ipv6 ? "::/0" : "0.0.0.0/0";
  if (change.kind == Kind::allow) return {source + " . " + change.protocol + " . " + change.port_text('-')};
  Commands list;
  for (const auto& [protocol, port] : service_ports(change.service, token)) {
    list.push_back(source + " . " + protocol + " . " + std::to_string(port));
  }
  return list;
}

Commands Nftables::commands(const Change& change, const NftRuleset& ruleset, core::CancelToken& token) const {
  Commands commands;
  if (change.kind == Kind::forward) add_forward(commands, change, ruleset);
  if (change.kind == Kind::masquerade) add_masquerade(commands, change, ruleset);
  if (change.kind != Kind::allow && change.kind != Kind::service) return commands;
  for (bool ipv6 : families(change)) {
    std::string set = set_name(change.mark, ipv6);
    for (const NftChain& chain : ruleset.filtering_chains("input", ipv6)) {
      if (is_iptables_chain(chain)) continue;
      std::string table = chain.family + " " + chain.table;
      const NftSet* existing = ruleset.find_set(chain.family, chain.table, set);
      commands.push_back("add set " + table + " " + set + " { type " + (ipv6 ? "ipv6_addr" : "ipv4_addr") +
                         " . inet_proto . inet_service; flags interval, timeout; }");
      for (const std::string& element : elements(change, ipv6, token)) {
        put_element(commands, table, set, element, change, existing);
      }
      if (has_rule(ruleset, chain.place(), change.mark, set)) continue;
      commands.push_back("insert rule " + chain.place() + " " + accept_rule(change, ipv6));
    }
  }
  return commands;
}

Applied Nftables::apply(const Change& change, core::CancelToken& token) {
  refuse_permanent(change);
  Applied applied;
  for (int attempt = 0;; ++attempt) {
    Commands batch = commands(change, read(token), token);
    applied.rule = join(batch, "\n");
    applied.expires = change.timeout_s != 0 && !batch.empty();
    applied.already = batch.empty();  // nothing filters this family: nothing to open
    if (batch.empty()) return applied;
    try {
      commit(batch, token);
      return applied;
    } catch (const Error& error) {
      // An element ended, or somebody changed the ruleset, between the reading and the writing. Nothing was written.
      if (error.code != "FIREWALL_FAILED" || attempt == 2) throw;
    }
  }
}

Commands Nftables::describe(const Change& change, core::CancelToken& token) {
  return commands(change, read(token), token);
}

Commands Nftables::revocation(const Change& change, const NftRuleset& ruleset, core::CancelToken& token) const {
  std::vector<NftRule> doomed;
  Commands elements_only;
  for (const NftRule& rule : ruleset.rules) {
    if (change.kind == Kind::forward && rule.comment == forward_comment(change)) doomed.push_back(rule);
    if (change.kind == Kind::masquerade && is_own_table(rule) && rule.comment == change.mark) doomed.push_back(rule);
    if (change.kind != Kind::allow && change.kind != Kind::service) continue;
    for (bool ipv6 : families(change)) {
      std::string name = set_name(change.mark, ipv6);
      if (rule.comment != change.mark || !refers_to(rule.expression, "@" + name)) continue;
      const NftSet* set = ruleset.find_set(rule.family, rule.table, name);
      Commands held;
      for (const std::string& element : elements(change, ipv6, token)) {
        if (holds(set, element)) held.push_back(element);
      }
      // Other openings of the same mark stay: then only the elements go.
      if (set == nullptr || set->elements.size() <= held.size()) {
        doomed.push_back(rule);
        continue;
      }
      for (const std::string& element : held) {
        std::string command = "delete element " + rule.family + " " + rule.table + " " + name + " { " + element + " }";
        if (std::find(elements_only.begin(), elements_only.end(), command) == elements_only.end()) {
          elements_only.push_back(command);
        }
      }
    }
  }
  Commands commands = deletion(ruleset, doomed);
  commands.insert(commands.end(), elements_only.begin(), elements_only.end());
  return commands;
}

Removed Nftables::revoke(const Change& change, core::CancelToken& token) {
  for (int attempt = 0;; ++attempt) {
    Commands batch = revocation(change, read(token), token);
    if (batch.empty()) return {};
    try {
      commit(batch, token);
      return {true, false};
    } catch (const Error& error) {
      if (error.code != "FIREWALL_FAILED" || attempt == 2) throw;
    }
  }
}

Presence Nftables::probe(const Change& change, core::CancelToken& token) {
  // What revoke would remove is what is there of ours, the rest of an opening that ended by itself included.
  return revocation(change, read(token), token).empty() ? Presence::absent : Presence::ours;
}

std::vector<Found> Nftables::list(core::CancelToken& token) {
  NftRuleset ruleset = read(token);
  return as_found(ruleset, rules_marked(ruleset, ""));
}

std::vector<Found> Nftables::list_marked(const std::string& mark, core::CancelToken& token) {
  NftRuleset ruleset = read(token);
  return as_found(ruleset, rules_marked(ruleset, mark));
}

std::vector<Found> Nftables::remove_marked(const std::string& mark, core::CancelToken& token) {
  NftRuleset ruleset = read(token);
  std::vector<NftRule> doomed = rules_marked(ruleset, mark);
  if (!doomed.empty()) commit(deletion(ruleset, doomed), token);
  return as_found(ruleset, doomed);
}

}  // namespace drover::firewall
