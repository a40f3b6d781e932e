#include "bindings/virt/network.h"

#include "bindings/virt/object_methods.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::Effect;
using core::Options;
using core::Push;
using NetworkCall = ObjectCall<Network>;

constexpr FlagOption list_filters[] = {
    {"active", VIR_CONNECT_LIST_NETWORKS_ACTIVE},         {"inactive", VIR_CONNECT_LIST_NETWORKS_INACTIVE},
    {"persistent", VIR_CONNECT_LIST_NETWORKS_PERSISTENT}, {"transient", VIR_CONNECT_LIST_NETWORKS_TRANSIENT},
    {"autostart", VIR_CONNECT_LIST_NETWORKS_AUTOSTART},   {"no_autostart", VIR_CONNECT_LIST_NETWORKS_NO_AUTOSTART},
};

struct Lease {
  std::string interface, mac, address, type;
  unsigned prefix = 0;
  int64_t expires_at_s = 0;
  std::optional<std::string> hostname, client_id, iaid;
};

std::optional<std::string> optional_text(const char* text) {
  return text != nullptr ? std::optional<std::string>(text) : std::nullopt;
}

Lease lease_of(const virNetworkDHCPLease& lease) {
  Lease made;
  made.interface = optional_text(lease.iface).value_or("");
  made.mac = optional_text(lease.mac).value_or("");
  made.address = optional_text(lease.ipaddr).value_or("");
  made.type = lease.type == VIR_IP_ADDR_TYPE_IPV6 ? "ipv6" : "ipv4";
  made.prefix = lease.prefix;
  made.expires_at_s = lease.expirytime;
  made.hostname = optional_text(lease.hostname);
  made.client_id = optional_text(lease.clientid);
  made.iaid = optional_text(lease.iaid);
  return made;
}

void push_lease(lua_State* L, const Lease& lease) {
  lua_createtable(L, 0, 9);
  core::set_field(L, "interface", lease.interface);
  core::set_field(L, "mac", lease.mac);
  core::set_field(L, "address", lease.address);
  core::set_field(L, "type", lease.type);
  core::set_field(L, "prefix", lease.prefix);
  core::set_field(L, "expires_at_s", lease.expires_at_s);
  core::set_field(L, "hostname", lease.hostname);
  core::set_field(L, "client_id", lease.client_id);
  core::set_field(L, "iaid", lease.iaid);
}

int bridge_name(lua_State* L) {
  auto call = begin_call<Network>(L, "Network.bridge_name", "read the bridge of");
  return run_call<Network>(L, std::move(call), [](const NetworkCall& one) -> Push {
    VirText text(virNetworkGetBridgeName(one.get()));
    if (text) return push_value(std::string(text.get()));
    Error error = one.error();
    // A network over macvtap or hostdev has none; libvirt has only words for it (src/network/bridge_driver.c).
    if (error.native.find("does not have a bridge name") == std::string::npos) throw error;
    return push_value(std::optional<std::string>());
  });
}

int start(lua_State* L) { return change<Network>(L, "Network.start", "start", virNetworkCreate); }
int stop(lua_State* L) { return change<Network>(L, "Network.stop", "stop", virNetworkDestroy); }
int undefine(lua_State* L) { return change<Network>(L, "Network.undefine", "undefine", virNetworkUndefine); }

int dhcp_leases(lua_State* L) {
  auto mac = Args(L, "Network.dhcp_leases").optional_text(2, "mac");
  auto call = begin_call<Network>(L, "Network.dhcp_leases", "read the leases of");
  return run_call<Network>(L, std::move(call), [mac](const NetworkCall& one) -> Push {
    virNetworkDHCPLeasePtr* found = nullptr;
    int count = one.checked(virNetworkGetDHCPLeases(one.get(), mac ? mac->c_str() : nullptr, &found, 0));
    std::vector<Lease> leases;
    for (int i = 0; i < count; ++i) {
      leases.push_back(lease_of(*found[i]));
      virNetworkDHCPLeaseFree(found[i]);
    }
    std::free(found);
    return [leases](lua_State* state) {
      lua_createtable(state, static_cast<int>(leases.size()), 0);
      lua_Integer index = 0;
      for (const Lease& lease : leases) {
        push_lease(state, lease);
        lua_rawseti(state, -2, ++index);
      }
      return 1;
    };
  });
}

int networks(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.networks");
  Options options(L, 2, "Connection.networks");
  unsigned flags = read_flags(options, list_filters);
  options.finish();
  return list_objects<Network>(L, connection, flags, virConnectListAllNetworks);
}

int look_up(lua_State* L, const char* function, Missing missing) {
  const ConnectionPtr& connection = check_connection(L, 1, function);
  std::string wanted = Args(L, function).text(2, "name_or_uuid");
  return get_object<Network>(L, connection, "find network '" + wanted + "'", wanted,
                             look_up_by<virNetworkPtr>(wanted, virNetworkLookupByUUIDString, virNetworkLookupByName),
                             missing, "NO_NETWORK");
}

int network(lua_State* L) { return look_up(L, "Connection.network", Missing::raise); }
int find_network(lua_State* L) { return look_up(L, "Connection.find_network", Missing::nil); }

int make_network(lua_State* L, const char* function, const char* attempt, unsigned validate_flag,
                 virNetworkPtr (*make)(virConnectPtr, const char*, unsigned)) {
  const ConnectionPtr& connection = check_connection(L, 1, function);
  std::string text = Args(L, function).text(2, "xml");
  Options options(L, 3, function);
  unsigned flags = options.flag("validate") ? validate_flag : 0;
  options.finish();
  return get_object<Network>(L, connection, attempt, "",
                             [text, flags, make](virConnectPtr pointer) { return make(pointer, text.c_str(), flags); });
}

int define_network(lua_State* L) {
  return make_network(L, "Connection.define_network", "define a network", VIR_NETWORK_DEFINE_VALIDATE,
                      virNetworkDefineXMLFlags);
}

int create_network(lua_State* L) {
  return make_network(L, "Connection.create_network", "create a network", VIR_NETWORK_CREATE_VALIDATE,
                      virNetworkCreateXMLFlags);
}

}  // namespace

std::vector<core::Function> network_methods_of_connection() {
  const core::Value wanted{"name_or_uuid", "string", "Its name or its UUID."};
  const std::vector<core::Value> source{{"xml", "string", "Network XML."},
                                        {"options?", "table", "validate: boolean, against libvirt's schema."}};
  const core::Value made{"network", "virt.Network", ""};
  const std::string errors = "BAD_XML, ALREADY_EXISTS, UNSUPPORTED, OPERATION_FAILED, READ_ONLY";
  return {
      {"networks",
       networks,
       "The virtual networks of the host, all of them without a filter.",
       {{"filter?", "table",
         "Booleans. Of one group any is enough, groups are combined: active, inactive; persistent, transient; "
         "autostart, no_autostart."}},
       {{"networks", "virt.Network[]", ""}},
       "CONNECTION_LOST, UNKNOWN_OPTION, UNSUPPORTED",
       Blocking::yes},
      {"network", network, "One virtual network.", {wanted}, {made}, "NO_NETWORK, CONNECTION_LOST", Blocking::yes},
      {"find_network",
       find_network,
       "One virtual network, or nil when there is none of that name or UUID.",
       {wanted},
       {{"network?", "virt.Network", ""}},
       "CONNECTION_LOST",
       Blocking::yes},
      {"define_network",
       define_network,
       "Defines a persistent network, or changes the definition of the one with this UUID. It is not started.",
       source,
       {made},
       errors,
       Blocking::yes,
       Effect::changes},
      {"create_network",
       create_network,
       "Starts a network that is not defined: it is gone when it stops.",
       source,
       {made},
       errors,
       Blocking::yes,
       Effect::changes},
  };
}

core::Class network_class() {
  const std::vector<core::Value> self{this_object<Network>()};
  const std::string errors = "OPERATION_INVALID, OPERATION_FAILED, READ_ONLY";
  return {
      Network::lua_name,
      "A virtual network of a connection.",
      {
          name_method<Network>(),
          tostring_method<Network>(),
          uuid_method<Network, virNetworkGetUUIDString>(),
          {"bridge_name",
           bridge_name,
           "Its bridge on the host, nil for a network that works without one.",
           {},
           {{"bridge?", "string", ""}},
           "NO_NETWORK, CONNECTION_LOST",
           Blocking::yes},
          xml_method<Network, virNetworkGetXMLDesc, VIR_NETWORK_XML_INACTIVE>("NO_NETWORK"),
          is_active_method<Network, virNetworkIsActive>("Whether it is started."),
          is_persistent_method<Network, virNetworkIsPersistent>(),
          autostart_method<Network, virNetworkGetAutostart>("NO_NETWORK"),
          {"dhcp_leases",
           dhcp_leases,
           "The leases that its DHCP server gave.",
           {{"mac?", "string", "Only those of this address."}},
           {{"leases", "table",
             "List of interface, mac, address, type (ipv4 or ipv6), prefix, expires_at_s (seconds since 1970 in UTC, 0 "
             "for never), and where known hostname, client_id, iaid."}},
           "NO_NETWORK, OPERATION_INVALID, UNSUPPORTED",
           Blocking::yes},
          {"start", start, "Starts it.", {}, self, errors, Blocking::yes, Effect::changes},
          {"stop",
           stop,
           "Stops it: domains on it lose their network.",
           {},
           self,
           errors,
           Blocking::yes,
           Effect::changes},
          {"undefine",
           undefine,
           "Removes its definition. A started one goes on and becomes transient.",
           {},
           self,
           errors,
           Blocking::yes,
           Effect::changes},
          set_autostart_method<Network, virNetworkSetAutostart>(errors),
      },
      core::destroy_object<Network>};
}

}  // namespace drover::virt
