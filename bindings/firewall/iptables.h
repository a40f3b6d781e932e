// A host that filters with iptables. Rules carry the mark as a comment (`-m comment`), every call waits for the lock
// (`-w`). A rule with a time matches until that time of the host's clock (`-m time --datestop`): it stays, and opens
// nothing more. Where iptables or the kernel has no such match, `expires` is false in the result, and only revoke or
// recovery closes an opening.
// Tested by tests/bindings/firewall/iptables_test.cpp and, with the real iptables in a network namespace,
// firewall_test.lua.
#pragma once

#include "bindings/firewall/backend.h"

namespace drover::firewall {

class Iptables : public Backend {
 public:
  using Backend::Backend;

  const char* name() const override { return "iptables"; }
  Applied apply(const Change& change, core::CancelToken& token) override;
  Presence probe(const Change& change, core::CancelToken& token) override;
  Removed revoke(const Change& change, core::CancelToken& token) override;
  bool can_expire(core::CancelToken& token) override;
  std::vector<std::string> describe(const Change& change, core::CancelToken& token) override;
  std::vector<Found> list(core::CancelToken& token) override;
  std::vector<Found> list_marked(const std::string& mark, core::CancelToken& token) override;
  std::vector<Found> remove_marked(const std::string& mark, core::CancelToken& token) override;

 private:
  // One rule: program (iptables or ip6tables), table, chain, and what comes after -I CHAIN or -D CHAIN.
  struct Rule {
    std::string program, table, chain;
    std::vector<std::string> matches;
    std::vector<std::string> argv(const std::string& command) const;
    // The same until that time (UTC).
    Rule until(const std::string& time) const;
  };
  struct Written : Rule {
    std::string comment;
  };

  std::vector<Rule> rules_for(const Change& change, core::CancelToken& token) const;
  std::vector<Rule> accept_rules(const Change& change, bool ipv6, core::CancelToken& token) const;
  bool exists(const Rule& rule, core::CancelToken& token) const;
  std::vector<Rule> written_as(const Rule& rule, core::CancelToken& token) const;
  bool remove(const Rule& rule, core::CancelToken& token) const;
  std::string time_after(int64_t seconds, core::CancelToken& token) const;
  std::vector<Written> read_marked(const std::string& mark, core::CancelToken& token) const;
};

// The words of a line of `iptables -S`: quotes and backslashes as iptables-save writes them.
std::vector<std::string> iptables_words(const std::string& line);

// Whether the rules of `iptables -S` may drop a packet of that chain.
bool iptables_filters(const std::string& listing, const std::string& chain);

}  // namespace drover::firewall
