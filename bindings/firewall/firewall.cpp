#include "bindings/firewall/firewall.h"

#include "bindings/core/object.h"
#include "bindings/core/operation.h"
#include "bindings/firewall/firewall_object.h"
#include "bindings/host/machine_object.h"

namespace drover::firewall {

namespace {

using core::Blocking;
using core::Effect;
using core::Function;
using core::Value;

int open(lua_State* L) {
  auto machine = host::check_machine(L, 1, "firewall.open", "machine");
  return core::start_work(
      L, "finding out which firewall runs on " + machine->name(),
      [machine](core::CancelToken& token) -> core::Push {
        Evidence evidence = detect(*machine, token);
        FirewallObject object{machine, make_backend(evidence.backend, machine), evidence};
        return [object](lua_State* L) {
          core::push_object(L, object);
          return 1;
        };
      },
      core::OnCancel::wait);
}

constexpr const char* change_errors =
    "BAD_ARGUMENT, NO_PERMISSION, FIREWALL_FAILED, NOT_RUNNING, NO_ZONE, NO_SERVICE, UNSUPPORTED, CONNECTION_LOST";
constexpr const char* read_errors = "NO_PERMISSION, FIREWALL_FAILED, NOT_RUNNING, CONNECTION_LOST";

const Value applied_value{
    "applied", "table",
    "The description, normalised, with backend, zone (firewalld), rule (the text that was written), already (somebody "
    "else's rule opened the same, or nothing filters here; revoke leaves that), expires (it ends by itself, also when "
    "drover and the run are dead) and expires_at_s (seconds since 1970, by drover's clock). It can be given to probe, "
    "revoke and describe, and kept in a journal."};
const Value description_param{
    "description", "table",
    "What was given to allow, allow_service, forward_port or masquerade, with its kind (allow, "
    "service, forward, masquerade; allow without one), or what they gave back."};
const Value mark_param{"mark", "string", "The mark."};
const Value found_value{"rules", "table[]", "Of rule (its text), place (zone, or table and chain), mark where known."};

std::vector<Function> changing_methods() {
  return {
      {"allow",
       firewall_allow,
       "Lets a source reach a port. A second time it starts the time again and makes no second rule.",
       {{"description", "table",
         "from (address or network), port or ports ({ first, last }), protocol (tcp or udp; tcp), timeout_s, mark "
         "(whose "
         "it is: letters, digits, spaces, ._:=/@+-; begin it with 'drover '), permanent (false; firewalld only), zone "
         "(firewalld; that of the source without it)."}},
       {applied_value},
       change_errors,
       Blocking::yes,
       Effect::changes},
      {"allow_service",
       firewall_allow_service,
       "Lets everybody, or a source, reach a service by its name: firewalld's, or of /etc/services.",
       {{"description", "table", "service, mark, from, timeout_s, permanent, zone."}},
       {applied_value},
       change_errors,
       Blocking::yes,
       Effect::changes},
      {"forward_port",
       firewall_forward_port,
       "Sends what comes to a port of the host on to another address (DNAT). Forwarding must be on in the kernel.",
       {{"description", "table",
         "port or ports, protocol, to (address), to_port (the same port without it), from, mark, timeout_s, permanent, "
         "zone."}},
       {applied_value},
       change_errors,
       Blocking::yes,
       Effect::changes},
      {"masquerade",
       firewall_masquerade,
       "Gives packets of a network the host's own address on their way out.",
       {{"description", "table", "from (network), interface (the way out), mark, timeout_s, permanent, zone."}},
       {applied_value},
       change_errors,
       Blocking::yes,
       Effect::changes},
      {"revoke",
       firewall_revoke,
       "Removes what a description made and nothing else, also from firewalld's permanent configuration when somebody "
       "copied it there. Nothing there is no error.",
       {description_param},
       {{"result", "table", "removed, permanent_removed: whether it was there."}},
       change_errors,
       Blocking::yes,
       Effect::changes},
      {"remove_marked",
       firewall_remove_marked,
       "Removes everything of a mark, for recovery.",
       {mark_param},
       {{"removed", "table[]", "The rules that were removed, as list_marked gives them."}},
       change_errors,
       Blocking::yes,
       Effect::changes},
      {"reload",
       firewall_reload,
       "Reloads firewalld, which drops every runtime rule, those of a running move too. Others cannot reload without "
       "losing rules: UNSUPPORTED.",
       {},
       {{"result", "table", "reloaded."}},
       change_errors,
       Blocking::yes,
       Effect::changes},
  };
}

std::vector<Function> reading_methods() {
  return {
      {"backend",
       firewall_backend,
       "Which firewall decides: firewalld, nftables, iptables or none.",
       {},
       {{"backend", "string", ""}}},
      {"evidence",
       firewall_evidence,
       "How the backend was found out, and what else filters on this host.",
       {},
       {{"evidence", "table", "backend, why, others (a list of sentences)."}}},
      {"probe",
       firewall_probe,
       "Whether what a description makes is there: ours (also the harmless rest of one that expired), present (the "
       "same, "
       "made by somebody else), absent.",
       {description_param},
       {{"presence", "string", ""}},
       change_errors,
       Blocking::yes},
      {"can_expire",
       firewall_can_expire,
       "Whether what is made here with a timeout_s ends by itself. iptables needs its match 'time' for that.",
       {},
       {{"can_expire", "boolean", ""}},
       read_errors,
       Blocking::yes},
      {"describe",
       firewall_describe,
       "The commands that a description would run now; nothing is changed. An empty list: nothing to do.",
       {description_param},
       {{"commands", "string[]", "For nftables one transaction; for firewalld as firewall-cmd would say it."}},
       change_errors,
       Blocking::yes},
      {"list",
       firewall_list,
       "All that drover made here, of any run (iptables: whose mark begins with 'drover ').",
       {},
       {found_value},
       read_errors,
       Blocking::yes},
      {"list_marked",
       firewall_list_marked,
       "All rules of a mark.",
       {mark_param},
       {found_value},
       read_errors,
       Blocking::yes},
      {"zones",
       firewall_zones,
       "The zones of firewalld; an empty list for others.",
       {},
       {{"zones", "table[]", "Of name, interfaces, sources, is_default."}},
       read_errors,
       Blocking::yes},
      {"zone_of",
       firewall_zone_of,
       "The zone that decides for a source or an interface; nil for others than firewalld.",
       {{"what", "table", "Either from (address or network) or interface."}},
       {{"zone?", "string", ""}},
       read_errors,
       Blocking::yes},
      {"ruleset",
       firewall_ruleset,
       "The whole ruleset of the host as text, without counters, with firewalld's permanent zones: to compare before "
       "and after a run.",
       {},
       {{"text", "string", ""}},
       read_errors,
       Blocking::yes},
      {"tostring", firewall_tostring, "The class, the backend and the host.", {}, {{"text", "string", ""}}},
  };
}

core::Class firewall_class() {
  core::Class type{FirewallObject::lua_name, "The firewall of a host.", {}, core::destroy_object<FirewallObject>};
  for (auto* group : {reading_methods, changing_methods}) {
    for (Function& method : group()) type.methods.push_back(std::move(method));
  }
  return type;
}

}  // namespace

const core::Module& module() {
  static const core::Module definition{
      "firewall",
      "The firewall of a host: firewalld, nftables or iptables behind one interface. Nothing is ever flushed.",
      {
          {"open",
           open,
           "Finds out which firewall decides on a machine.",
           {{"machine", "host.Machine", "The machine of a host object: h.machine."}},
           {{"firewall", "firewall.Firewall", ""}},
           "NO_PERMISSION, NO_PROGRAM, FIREWALL_FAILED, CONNECTION_LOST, CLOSED",
           Blocking::yes},
      },
      {firewall_class()}};
  return definition;
}

}  // namespace drover::firewall
