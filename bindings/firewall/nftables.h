// A host that filters with nftables itself.
//
// An accept in a table of our own does not help: another base chain may still drop the packet later. So the accept goes
// to the top of each base chain that filters (input hook, policy drop or a rule that drops), and it matches a set of
// ours in that table whose elements carry the timeout: the kernel closes the opening when everything else is dead.
// What is left then, a rule on an empty set, opens nothing, and recovery removes it by its comment.
// Address translation has a table of its own, "drover_<digest of the mark>": there the first match wins.
// Every change is one transaction (`nft -f -`). Tested by tests/bindings/firewall/nftables_test.cpp and, with the real
// nft in a network namespace, firewall_test.lua.
#pragma once

#include "bindings/firewall/backend.h"
#include "bindings/firewall/nft_ruleset.h"

namespace drover::firewall {

class Nftables : public Backend {
 public:
  using Backend::Backend;

  const char* name() const override { return "nftables"; }
  Applied apply(const Change& change, core::CancelToken& token) override;
  Presence probe(const Change& change, core::CancelToken& token) override;
  Removed revoke(const Change& change, core::CancelToken& token) override;
  std::vector<std::string> describe(const Change& change, core::CancelToken& token) override;
  std::vector<Found> list(core::CancelToken& token) override;
  std::vector<Found> list_marked(const std::string& mark, core::CancelToken& token) override;
  std::vector<Found> remove_marked(const std::string& mark, core::CancelToken& token) override;

 private:
  NftRuleset read(core::CancelToken& token) const;
  std::vector<std::string> commands(const Change& change, const NftRuleset& ruleset, core::CancelToken& token) const;
  std::vector<std::string> revocation(const Change& change, const NftRuleset& ruleset, core::CancelToken& token) const;
  std::vector<std::string> elements(const Change& change, bool ipv6, core::CancelToken& token) const;
  void commit(const std::vector<std::string>& commands, core::CancelToken& token) const;
};

}  // namespace drover::firewall
