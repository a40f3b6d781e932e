// A host on which firewalld runs: its own D-Bus interface, called by busctl (0.02 s; firewall-cmd takes 0.35 s).
//
// Facts: with firewalld running, an accept elsewhere is still dropped by it. Timed rules live in the daemon: a reload
// drops them, so a caller that lives longer probes and applies again. `--runtime-to-permanent` makes them permanent:
// revoke looks there too. The rule of a change carries a priority of its mark (change.h), so its exact text is ours;
// the same rule without it is somebody else's and is left alone.
// [firewalld server/firewalld.py; firewalld.richlanguage(5); firewalld.dbus(5)]
// Tested by tests/bindings/firewall/firewalld_test.cpp and, with the real firewalld in namespaces of its own,
// firewall_test.lua.
#pragma once

#include <nlohmann/json.hpp>

#include "bindings/firewall/backend.h"

namespace drover::firewall {

class Firewalld : public Backend {
 public:
  using Backend::Backend;

  const char* name() const override { return "firewalld"; }
  Applied apply(const Change& change, core::CancelToken& token) override;
  Presence probe(const Change& change, core::CancelToken& token) override;
  Removed revoke(const Change& change, core::CancelToken& token) override;
  std::vector<std::string> describe(const Change& change, core::CancelToken& token) override;
  std::vector<Found> list(core::CancelToken& token) override;
  std::vector<Found> list_marked(const std::string& mark, core::CancelToken& token) override;
  std::vector<Found> remove_marked(const std::string& mark, core::CancelToken& token) override;
  std::vector<Zone> zones(core::CancelToken& token) override;
  std::string zone_of_source(const Network& source, core::CancelToken& token) override;
  std::string zone_of_interface(const std::string& interface_name, core::CancelToken& token) override;
  void reload(core::CancelToken& token) override;

 private:
  struct Call {
    std::string code;  // firewalld's own, "" when it went well
    std::string text;
    nlohmann::ordered_json value;
  };
  Call call(const std::string& object, const std::string& interface_name, const std::string& method,
            const std::vector<std::string>& arguments, core::CancelToken& token) const;
  // As call; any code is an error.
  nlohmann::ordered_json ask(const std::string& object, const std::string& interface_name, const std::string& method,
                             const std::vector<std::string>& arguments, core::CancelToken& token) const;
  nlohmann::ordered_json ask_zones(const std::string& method, const std::vector<std::string>& arguments,
                                   core::CancelToken& token) const;
  [[noreturn]] void refuse(const Call& failed) const;
  std::string default_zone(core::CancelToken& token) const;
  std::string zone_for(const Change& change, core::CancelToken& token);
  // Every rich rule of a zone (of all zones for ""), with those of ours in the permanent configuration.
  std::vector<Found> all_rules(const std::string& zone, core::CancelToken& token) const;
  bool remove(const Found& found, core::CancelToken& token) const;
  bool remove_runtime(const std::string& zone, const std::string& rule, core::CancelToken& token) const;
  bool remove_permanent(const std::string& zone, const std::string& rule, core::CancelToken& token) const;
  std::string permanent_object(const std::string& zone, core::CancelToken& token) const;
};

// The rich rule of a change, as firewalld writes it back; without a priority it is what others would have written.
std::string rich_rule(const Change& change, bool with_priority);

// The priority of a rich rule, or 0.
int rich_rule_priority(const std::string& rule);

}  // namespace drover::firewall
