#include "bindings/firewall/firewall_object.h"

#include <chrono>

#include "bindings/core/object.h"
#include "bindings/core/operation.h"

namespace drover::firewall {

namespace {

using core::CancelToken;
using core::Options;
using core::Push;
using core::set_field;

constexpr int64_t longest_timeout_s = 7 * 24 * 3600;

FirewallObject& check_firewall(lua_State* L, const char* function) {
  return core::check_object<FirewallObject>(L, 1, function);
}

// ---- from Lua ----

std::optional<Network> read_network(Options& options, const char* name) {
  auto text = options.text(name);
  if (!text) return std::nullopt;
  auto network = parse_network(*text);
  if (!network) options.fail(name, "an address or a network like 10.0.0.0/24", "'" + *text + "'");
  return network;
}

// port = 80, or ports = { first, last }.
void read_ports(lua_State* L, Options& options, Change& change) {
  auto port = options.integer("port", 1, 65535);
  if (options.push_field("ports")) {
    int table = lua_gettop(L);
    bool pair = lua_istable(L, table) && lua_rawlen(L, table) == 2;
    for (int index = 1; pair && index <= 2; ++index) {
      lua_rawgeti(L, table, index);
      pair = lua_isinteger(L, -1) != 0;
      int64_t value = pair ? lua_tointeger(L, -1) : 0;
      pair = pair && value >= 1 && value <= 65535;
      (index == 1 ? change.first_port : change.last_port) = static_cast<int>(value);
      lua_pop(L, 1);
    }
    if (!pair || port) options.fail("ports", "{ first, last } instead of port", core::describe_value(L, table));
    lua_pop(L, 1);
    return;
  }
  change.first_port = change.last_port = static_cast<int>(port.value_or(0));
}

// A description: what a caller writes, or what apply gave back, of which the results are passed over.
Change read_change(lua_State* L, int index, const char* function, std::optional<Kind> kind) {
  core::Args(L, function).table(index, "description");
  Options options(L, index, function);
  Change change;
  auto named = options.choice("kind", {"allow", "service", "forward", "masquerade"});
  change.kind = kind.value_or(named ? *kind_of(*named) : Kind::allow);
  if (kind && named && *kind_of(*named) != *kind) options.fail("kind", to_text(*kind), "'" + *named + "'");
  change.from = read_network(options, "from");
  change.to = read_network(options, "to");
  read_ports(L, options, change);
  change.to_port = static_cast<int>(options.integer("to_port", 1, 65535).value_or(0));
  change.protocol = options.choice("protocol", {"tcp", "udp"}).value_or("tcp");
  change.service = options.text("service").value_or("");
  change.interface_name = options.text("interface").value_or("");
  change.timeout_s = options.integer("timeout_s", 1, longest_timeout_s).value_or(0);
  change.mark = options.text("mark").value_or("");
  change.permanent = options.flag("permanent");
  change.zone = options.text("zone").value_or("");
  change.backend = options.choice("backend", {"firewalld", "nftables", "iptables", "none"}).value_or("");
  for (const char* result : {"rule", "already", "expires", "expires_at_s"}) {
    if (options.push_field(result)) lua_pop(L, 1);
  }
  options.finish();
  validate(change);
  return change;
}

// ---- to Lua ----

void push_change(lua_State* L, const Change& change) {
  lua_createtable(L, 0, 16);
  set_field(L, "kind", to_text(change.kind));
  if (change.from) set_field(L, "from", change.from->text());
  if (change.to) set_field(L, "to", change.to->text());
  if (change.first_port != 0) {
    set_field(L, "ports", std::vector<int>{change.first_port, change.last_port});
    set_field(L, "protocol", change.protocol);
  }
  if (change.to_port != 0) set_field(L, "to_port", change.to_port);
  if (!change.service.empty()) set_field(L, "service", change.service);
  if (!change.interface_name.empty()) set_field(L, "interface", change.interface_name);
  if (change.timeout_s != 0) set_field(L, "timeout_s", change.timeout_s);
  set_field(L, "mark", change.mark);
  set_field(L, "permanent", change.permanent);
}

void push_applied(lua_State* L, const Change& change, const Applied& applied, const char* backend, int64_t applied_s) {
  push_change(L, change);
  set_field(L, "backend", backend);
  if (!applied.zone.empty()) set_field(L, "zone", applied.zone);
  set_field(L, "rule", applied.rule);
  set_field(L, "already", applied.already);
  set_field(L, "expires", applied.expires);
  if (applied.expires) set_field(L, "expires_at_s", applied_s + change.timeout_s);
}

void push_found(lua_State* L, const std::vector<Found>& list) {
  lua_createtable(L, static_cast<int>(list.size()), 0);
  lua_Integer index = 0;
  for (const Found& found : list) {
    lua_createtable(L, 0, 3);
    if (!found.mark.empty()) set_field(L, "mark", found.mark);
    set_field(L, "rule", found.rule);
    set_field(L, "place", found.place);
    lua_rawseti(L, -2, ++index);
  }
}

int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// ---- work ----

using Work = std::function<Push(Backend&, CancelToken&)>;

int start(lua_State* L, const char* function, const std::string& what, Work work,
          const std::string& backend_name = "") {
  FirewallObject& object = check_firewall(L, function);
  auto backend = object.backend;
  // What another backend wrote is that one's to find and remove, also when the host has changed since.
  if (!backend_name.empty() && backend_name != backend->name()) backend = make_backend(backend_name, object.machine);
  return core::start_work(
      L, what + " on " + object.machine->name(),
      [backend, work = std::move(work)](CancelToken& token) { return work(*backend, token); }, core::OnCancel::wait);
}

int apply(lua_State* L, const char* function, Kind kind) {
  check_firewall(L, function);
  Change change = read_change(L, 2, function, kind);
  // A description that names another backend was made for it; what is applied now is the present one's.
  return start(L, function, "changing the firewall", [change](Backend& backend, CancelToken& token) -> Push {
    int64_t applied_s = now_s();
    return [change, applied_s, applied = backend.apply(change, token), name = backend.name()](lua_State* L) {
      push_applied(L, change, applied, name, applied_s);
      return 1;
    };
  });
}

const char* presence_text(Presence presence) {
  return presence == Presence::ours ? "ours" : presence == Presence::present ? "present" : "absent";
}

template <class F>
int start_found(lua_State* L, const char* function, const std::string& what, F list) {
  return start(L, function, what, [list](Backend& backend, CancelToken& token) -> Push {
    return [found = list(backend, token)](lua_State* L) {
      push_found(L, found);
      return 1;
    };
  });
}

}  // namespace

int firewall_backend(lua_State* L) {
  core::push(L, check_firewall(L, "Firewall.backend").backend->name());
  return 1;
}

int firewall_evidence(lua_State* L) {
  const Evidence& evidence = check_firewall(L, "Firewall.evidence").evidence;
  lua_createtable(L, 0, 3);
  set_field(L, "backend", evidence.backend);
  set_field(L, "why", evidence.why);
  set_field(L, "others", evidence.others);
  return 1;
}

int firewall_allow(lua_State* L) { return apply(L, "Firewall.allow", Kind::allow); }
int firewall_allow_service(lua_State* L) { return apply(L, "Firewall.allow_service", Kind::service); }
int firewall_forward_port(lua_State* L) { return apply(L, "Firewall.forward_port", Kind::forward); }
int firewall_masquerade(lua_State* L) { return apply(L, "Firewall.masquerade", Kind::masquerade); }

int firewall_probe(lua_State* L) {
  check_firewall(L, "Firewall.probe");
  Change change = read_change(L, 2, "Firewall.probe", std::nullopt);
  return start(
      L, "Firewall.probe", "looking at the firewall",
      [change](Backend& backend, CancelToken& token) -> Push {
        return [presence = backend.probe(change, token)](lua_State* L) {
          core::push(L, presence_text(presence));
          return 1;
        };
      },
      change.backend);
}

int firewall_revoke(lua_State* L) {
  check_firewall(L, "Firewall.revoke");
  Change change = read_change(L, 2, "Firewall.revoke", std::nullopt);
  return start(
      L, "Firewall.revoke", "changing the firewall",
      [change](Backend& backend, CancelToken& token) -> Push {
        return [removed = backend.revoke(change, token)](lua_State* L) {
          lua_createtable(L, 0, 2);
          set_field(L, "removed", removed.removed);
          set_field(L, "permanent_removed", removed.permanent_removed);
          return 1;
        };
      },
      change.backend);
}

int firewall_can_expire(lua_State* L) {
  return start(L, "Firewall.can_expire", "looking at the firewall", [](Backend& backend, CancelToken& token) -> Push {
    return [can_expire = backend.can_expire(token)](lua_State* L) {
      core::push(L, can_expire);
      return 1;
    };
  });
}

int firewall_describe(lua_State* L) {
  check_firewall(L, "Firewall.describe");
  Change change = read_change(L, 2, "Firewall.describe", std::nullopt);
  return start(L, "Firewall.describe", "looking at the firewall",
               [change](Backend& backend, CancelToken& token) -> Push {
                 return [lines = backend.describe(change, token)](lua_State* L) {
                   core::push(L, lines);
                   return 1;
                 };
               });
}

int firewall_list(lua_State* L) {
  return start_found(L, "Firewall.list", "looking at the firewall",
                     [](Backend& backend, CancelToken& token) { return backend.list(token); });
}

int firewall_list_marked(lua_State* L) {
  check_firewall(L, "Firewall.list_marked");
  std::string mark = core::Args(L, "Firewall.list_marked").text(2, "mark");
  return start_found(L, "Firewall.list_marked", "looking at the firewall",
                     [mark](Backend& backend, CancelToken& token) { return backend.list_marked(mark, token); });
}

int firewall_remove_marked(lua_State* L) {
  check_firewall(L, "Firewall.remove_marked");
  std::string mark = core::Args(L, "Firewall.remove_marked").text(2, "mark");
  if (mark.empty()) core::Args(L, "Firewall.remove_marked").fail(2, "mark", "a mark");
  return start_found(L, "Firewall.remove_marked", "changing the firewall",
                     [mark](Backend& backend, CancelToken& token) { return backend.remove_marked(mark, token); });
}

int firewall_zones(lua_State* L) {
  return start(L, "Firewall.zones", "asking for zones", [](Backend& backend, CancelToken& token) -> Push {
    return [zones = backend.zones(token)](lua_State* L) {
      lua_createtable(L, static_cast<int>(zones.size()), 0);
      lua_Integer index = 0;
      for (const Zone& zone : zones) {
        lua_createtable(L, 0, 4);
        set_field(L, "name", zone.name);
        set_field(L, "interfaces", zone.interfaces);
        set_field(L, "sources", zone.sources);
        set_field(L, "is_default", zone.is_default);
        lua_rawseti(L, -2, ++index);
      }
      return 1;
    };
  });
}

int firewall_zone_of(lua_State* L) {
  check_firewall(L, "Firewall.zone_of");
  core::Args(L, "Firewall.zone_of").table(2, "what");
  Options options(L, 2, "Firewall.zone_of");
  auto source = read_network(options, "from");
  auto interface_name = options.text("interface");
  options.finish();
  if (source.has_value() == interface_name.has_value()) {
    throw Error("usage", "BAD_ARGUMENT", "Firewall.zone_of: expected either from or interface");
  }
  return start(L, "Firewall.zone_of", "asking for a zone",
               [source, interface_name](Backend& backend, CancelToken& token) -> Push {
                 std::string zone = source ? backend.zone_of_source(*source, token)
                                           : backend.zone_of_interface(*interface_name, token);
                 return [zone](lua_State* L) {
                   if (zone.empty()) {
                     lua_pushnil(L);
                   } else {
                     core::push(L, zone);
                   }
                   return 1;
                 };
               });
}

int firewall_reload(lua_State* L) {
  return start(L, "Firewall.reload", "reloading the firewall", [](Backend& backend, CancelToken& token) -> Push {
    backend.reload(token);
    return [](lua_State* L) {
      lua_createtable(L, 0, 1);
      set_field(L, "reloaded", true);
      return 1;
    };
  });
}

int firewall_ruleset(lua_State* L) {
  auto machine = check_firewall(L, "Firewall.ruleset").machine;
  return core::start_work(
      L, "reading the ruleset on " + machine->name(),
      [machine](CancelToken& token) -> Push {
        return [text = read_ruleset(*machine, token)](lua_State* L) {
          core::push(L, text);
          return 1;
        };
      },
      core::OnCancel::wait);
}

int firewall_tostring(lua_State* L) {
  FirewallObject& object = check_firewall(L, "Firewall.tostring");
  core::push(L, std::string("firewall.Firewall ") + object.backend->name() + " on " + object.machine->name());
  return 1;
}

}  // namespace drover::firewall
