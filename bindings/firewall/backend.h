// One kind of firewall on one machine. Members block; they are called on worker threads.
// Never flushes, never changes a rule that is not ours. Implementations: firewalld.h, nftables.h, iptables.h.
// Tested by tests/bindings/firewall.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bindings/core/machine.h"
#include "bindings/firewall/change.h"

namespace drover::firewall {

struct Applied {
  std::string rule;      // what was written, as a person of that firewall would read it
  std::string zone;      // firewalld
  bool already = false;  // somebody else's rule opened the same before; revoke leaves that one
  bool expires = false;  // it ends by itself when the time is over, also when everything else is dead
};

enum class Presence { absent, ours, present };  // present: the same, made by somebody else

struct Removed {
  bool removed = false;
  bool permanent_removed = false;  // it had got into the permanent configuration
};

struct Found {
  std::string mark;  // "" where the firewall keeps none
  std::string rule;
  std::string place;  // zone, or "family table chain"
};

struct Zone {
  std::string name;
  std::vector<std::string> interfaces;
  std::vector<std::string> sources;
  bool is_default = false;
};

class Backend {
 public:
  explicit Backend(std::shared_ptr<core::Machine> machine) : machine_(std::move(machine)) {}
  virtual ~Backend() = default;

  virtual const char* name() const = 0;
  // After it exactly one rule of ours says this, with the whole time before it.
  virtual Applied apply(const Change& change, core::CancelToken& token) = 0;
  virtual Presence probe(const Change& change, core::CancelToken& token) = 0;
  virtual Removed revoke(const Change& change, core::CancelToken& token) = 0;
  // What apply would write, as commands; nothing is changed.
  virtual std::vector<std::string> describe(const Change& change, core::CancelToken& token) = 0;
  // All that drover made, whatever its mark.
  virtual std::vector<Found> list(core::CancelToken& token) = 0;
  virtual std::vector<Found> list_marked(const std::string& mark, core::CancelToken& token) = 0;
  virtual std::vector<Found> remove_marked(const std::string& mark, core::CancelToken& token) = 0;

  // Whether what apply makes with a time ends by itself here.
  virtual bool can_expire(core::CancelToken&) { return true; }

  // firewalld only; the others have no zones and nothing to reload.
  virtual std::vector<Zone> zones(core::CancelToken&) { return {}; }
  virtual std::string zone_of_source(const Network&, core::CancelToken&) { return ""; }
  virtual std::string zone_of_interface(const std::string&, core::CancelToken&) { return ""; }
  virtual void reload(core::CancelToken&) {
    throw Error("firewall", "UNSUPPORTED", std::string(name()) + " has nothing to reload without losing rules")
        .on_host(machine_->name());
  }

 protected:
  core::ExecResult run(std::vector<std::string> argv, const std::string& input, core::CancelToken& token) const;
  // As run; a non-zero exit is FIREWALL_FAILED or NO_PERMISSION.
  core::ExecResult run_checked(std::vector<std::string> argv, const std::string& input, core::CancelToken& token) const;
  [[noreturn]] void fail(const core::ExecResult& result, const std::string& what) const;
  void refuse_permanent(const Change& change) const;
  // The ports that the host knows a service by: { protocol, port }. Throws NO_SERVICE.
  std::vector<std::pair<std::string, int>> service_ports(const std::string& service, core::CancelToken& token) const;

  std::shared_ptr<core::Machine> machine_;
};

}  // namespace drover::firewall
