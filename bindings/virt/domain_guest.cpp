// What goes through the guest: addresses, the agent, its clock, its file systems. Tested by the lab; the refusals by
// tests/bindings/virt/domain_guest_test.lua.
#include <libvirt/libvirt-qemu.h>

#include <nlohmann/json.hpp>

#include "bindings/virt/domain.h"
#include "bindings/virt/enums.h"
#include "bindings/virt/text.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::Effect;
using core::Options;
using core::Push;

constexpr EnumName<> address_sources[] = {
    {VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, "lease"},
    {VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT, "agent"},
    {VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP, "arp"},
};

struct Address {
  std::string type;
  std::string address;
  int64_t prefix;
};

struct Interface {
  std::string name;
  std::string mac;
  std::vector<Address> addresses;
};

int push_interfaces(lua_State* L, const std::vector<Interface>& interfaces) {
  lua_createtable(L, static_cast<int>(interfaces.size()), 0);
  lua_Integer index = 0;
  for (const Interface& interface : interfaces) {
    lua_createtable(L, 0, 3);
    core::set_field(L, "name", interface.name);
    core::set_field(L, "mac", interface.mac);
    lua_createtable(L, static_cast<int>(interface.addresses.size()), 0);
    lua_Integer address_index = 0;
    for (const Address& address : interface.addresses) {
      lua_createtable(L, 0, 3);
      core::set_field(L, "type", address.type);
      core::set_field(L, "address", address.address);
      core::set_field(L, "prefix", address.prefix);
      lua_rawseti(L, -2, ++address_index);
    }
    lua_setfield(L, -2, "addresses");
    lua_rawseti(L, -2, ++index);
  }
  return 1;
}

int addresses(lua_State* L) {
  std::string source = Args(L, "Domain.addresses").choice(2, "source", enum_names(address_sources));
  auto number = static_cast<unsigned>(enum_number(address_sources, source));
  return run_domain_call(L, begin_domain_call(L, "Domain.addresses", "read the addresses (" + source + ") of domain"),
                         [number](const DomainCall& call) -> Push {
                           virDomainInterfacePtr* found = nullptr;
                           int count = call.checked(virDomainInterfaceAddresses(call.get(), &found, number, 0));
                           std::vector<Interface> interfaces;
                           for (int i = 0; i < count; ++i) {
                             Interface one{found[i]->name, found[i]->hwaddr != nullptr ? found[i]->hwaddr : "", {}};
                             for (unsigned k = 0; k < found[i]->naddrs; ++k) {
                               const virDomainIPAddress& address = found[i]->addrs[k];
                               one.addresses.push_back({address.type == VIR_IP_ADDR_TYPE_IPV4 ? "ipv4" : "ipv6",
                                                        address.addr, static_cast<int64_t>(address.prefix)});
                             }
                             interfaces.push_back(std::move(one));
                             virDomainInterfaceFree(found[i]);
                           }
                           free(found);
                           return [interfaces = std::move(interfaces)](lua_State* state) {
                             return push_interfaces(state, interfaces);
                           };
                         });
}

constexpr int64_t longest_agent_wait_s = 3600;
constexpr int64_t usual_agent_wait_s = 5;

int ask_agent(lua_State* L, const char* function, const std::string& command, int timeout_s) {
  return run_domain_call(L, begin_domain_call(L, function, "ask the guest agent of domain"),
                         [command, timeout_s](const DomainCall& call) -> Push {
                           VirText answer(virDomainQemuAgentCommand(call.get(), command.c_str(), timeout_s, 0));
                           if (!answer) throw call.error();
                           return push_value(std::string(answer.get()));
                         });
}

int agent_command(lua_State* L) {
  Args args(L, "Domain.agent_command");
  std::string command = args.text(2, "json");
  auto timeout_s = args.optional_integer(3, "timeout_s", 1, longest_agent_wait_s).value_or(usual_agent_wait_s);
  return ask_agent(L, "Domain.agent_command", command, static_cast<int>(timeout_s));
}

// Commands of qemu-ga that change nothing in the guest. [qemu qga/qapi-schema.json]
bool only_reads(const std::string& command) {
  for (const char* exact : {"guest-info", "guest-ping", "guest-network-get-interfaces", "guest-fsfreeze-status",
                            "guest-exec-status", "guest-ssh-get-authorized-keys"}) {
    if (command == exact) return true;
  }
  return command.rfind("guest-get-", 0) == 0;
}

int agent_query(lua_State* L) {
  Args args(L, "Domain.agent_query");
  std::string text = args.text(2, "json");
  auto timeout_s = args.optional_integer(3, "timeout_s", 1, longest_agent_wait_s).value_or(usual_agent_wait_s);
  auto command = nlohmann::json::parse(text, nullptr, false);
  bool named = command.is_object() && command.contains("execute") && command["execute"].is_string();
  if (!named) args.fail(2, "json", "an object with the field \"execute\"");
  if (!only_reads(command["execute"])) {
    throw Error("virt", "NOT_A_QUERY", "the agent's " + command["execute"].get<std::string>() + " may change the guest")
        .with_hint("use domain:agent_command for it");
  }
  return ask_agent(L, "Domain.agent_query", text, static_cast<int>(timeout_s));
}

int hostname(lua_State* L) {
  static constexpr EnumName<> sources[] = {
      {VIR_DOMAIN_GET_HOSTNAME_AGENT, "agent"}, {VIR_DOMAIN_GET_HOSTNAME_LEASE, "lease"}, {0, "any"}};
  Options options(L, 2, "Domain.hostname");
  auto source = options.choice("source", enum_names(sources));
  options.finish();
  auto flags = static_cast<unsigned>(enum_number(sources, source.value_or("any")));
  return run_domain_call(L, begin_domain_call(L, "Domain.hostname", "read the host name in domain"),
                         [flags](const DomainCall& call) -> Push {
                           VirText name(virDomainGetHostname(call.get(), flags));
                           if (!name) throw call.error();
                           return push_value(std::string(name.get()));
                         });
}

int time_ms(lua_State* L) {
  return run_domain_call(L, begin_domain_call(L, "Domain.time_ms", "read the clock of domain"),
                         [](const DomainCall& call) -> Push {
                           long long seconds = 0;
                           unsigned nanoseconds = 0;
                           call.checked(virDomainGetTime(call.get(), &seconds, &nanoseconds, 0));
                           return push_value(static_cast<int64_t>(seconds) * 1000 + nanoseconds / 1000000);
                         });
}

int set_time_ms(lua_State* L) {
  int64_t milliseconds = Args(L, "Domain.set_time_ms").integer(2, "time_ms", 0);
  return change_domain(L, "Domain.set_time_ms", "set the clock of domain", [milliseconds](virDomainPtr domain) {
    return virDomainSetTime(domain, milliseconds / 1000, static_cast<unsigned>(milliseconds % 1000 * 1000000), 0);
  });
}

int sync_time(lua_State* L) {
  return change_domain(L, "Domain.sync_time", "set the clock of domain",
                       [](virDomainPtr domain) { return virDomainSetTime(domain, 0, 0, VIR_DOMAIN_TIME_SYNC); });
}

struct FileSystem {
  std::string mount_point;
  std::string name;
  std::string type;
  std::vector<std::string> disks;
};

int file_systems(lua_State* L) {
  return run_domain_call(L, begin_domain_call(L, "Domain.file_systems", "list the file systems of domain"),
                         [](const DomainCall& call) -> Push {
                           virDomainFSInfoPtr* found = nullptr;
                           int count = call.checked(virDomainGetFSInfo(call.get(), &found, 0));
                           std::vector<FileSystem> list;
                           for (int i = 0; i < count; ++i) {
                             FileSystem one{found[i]->mountpoint, found[i]->name, found[i]->fstype, {}};
                             for (size_t k = 0; k < found[i]->ndevAlias; ++k)
                               one.disks.emplace_back(found[i]->devAlias[k]);
                             list.push_back(std::move(one));
                             virDomainFSInfoFree(found[i]);
                           }
                           free(found);
                           return [list = std::move(list)](lua_State* state) {
                             lua_createtable(state, static_cast<int>(list.size()), 0);
                             lua_Integer index = 0;
                             for (const FileSystem& one : list) {
                               lua_createtable(state, 0, 4);
                               core::set_field(state, "mount_point", one.mount_point);
                               core::set_field(state, "name", one.name);
                               core::set_field(state, "type", one.type);
                               core::set_field(state, "disks", one.disks);
                               lua_rawseti(state, -2, ++index);
                             }
                             return 1;
                           };
                         });
}

std::vector<std::string> read_mount_points(lua_State* L, const char* function) {
  Args args(L, function);
  return args.absent(2) ? std::vector<std::string>() : args.text_list(2, "mount_points");
}

using FreezeCall = int (*)(virDomainPtr, const char**, unsigned, unsigned);

int freeze_or_thaw(lua_State* L, const char* function, const char* verb, FreezeCall freeze_call) {
  auto mount_points = read_mount_points(L, function);
  return run_domain_call(L, begin_domain_call(L, function, verb), [=](const DomainCall& call) -> Push {
    std::vector<const char*> texts;
    for (const std::string& one : mount_points) texts.push_back(one.c_str());
    const char** list = texts.empty() ? nullptr : texts.data();
    return push_value(call.checked(freeze_call(call.get(), list, static_cast<unsigned>(texts.size()), 0)));
  });
}

int freeze(lua_State* L) {
  return freeze_or_thaw(L, "Domain.freeze", "freeze the file systems of domain", virDomainFSFreeze);
}

int thaw(lua_State* L) { return freeze_or_thaw(L, "Domain.thaw", "thaw the file systems of domain", virDomainFSThaw); }

}  // namespace

std::vector<core::Function> domain_guest_methods() {
  constexpr const char* errors =
      "NO_DOMAIN, AGENT_UNRESPONSIVE, AGENT_COMMAND_FAILED, OPERATION_INVALID, OPERATION_FAILED, UNSUPPORTED, "
      "CONNECTION_LOST, BAD_ARGUMENT";
  core::Value same{"domain", "virt.Domain", "The same domain."};
  core::Value json{"json", "string", "As {\"execute\":\"guest-info\"}."};
  core::Value timeout{"timeout_s", "integer", "How long to wait for the answer; 5 without."};
  timeout.name += "?";
  core::Value answer{"json", "string", "The agent's answer, with its field \"return\"."};
  core::Value mount_points{"mount_points?", "string[]", "All of them without it."};
  return {
      {"addresses",
       addresses,
       "Interfaces with their addresses.",
       {{"source", "string",
         "lease: from libvirt's own DHCP. agent: from inside the guest. arp: from the host's table."}},
       {{"interfaces", "table[]", "name, mac, addresses: a list of { type = ipv4 or ipv6, address, prefix }."}},
       errors,
       Blocking::yes},
      {"agent_command",
       agent_command,
       "Runs a command of the QEMU guest agent.",
       {json, timeout},
       {answer},
       errors,
       Blocking::yes,
       Effect::changes},
      {"agent_query",
       agent_query,
       "Runs a command of the QEMU guest agent that only reads (guest-get-*, guest-info, guest-ping, "
       "guest-network-get-interfaces, ...), also while planning.",
       {json, timeout},
       {answer},
       std::string("NOT_A_QUERY, ") + errors,
       Blocking::yes},
      {"hostname",
       hostname,
       "The guest's host name.",
       {{"options?", "table", "source: agent, lease, any (default)."}},
       {{"name", "string", "Its name."}},
       std::string("NO_HOSTNAME, ") + errors,
       Blocking::yes},
      {"time_ms",
       time_ms,
       "The guest's clock, by the agent.",
       {},
       {{"time_ms", "integer", "Since 1970, UTC."}},
       errors,
       Blocking::yes},
      {"set_time_ms",
       set_time_ms,
       "Sets the guest's clock, by the agent.",
       {{"time_ms", "integer", "Since 1970, UTC."}},
       {same},
       errors,
       Blocking::yes,
       Effect::changes},
      {"sync_time",
       sync_time,
       "Sets the guest's clock from its hardware clock, by the agent.",
       {},
       {same},
       errors,
       Blocking::yes,
       Effect::changes},
      {"file_systems",
       file_systems,
       "Mounted file systems, by the agent.",
       {},
       {{"file_systems", "table[]", "mount_point, name, type, disks: targets as vda."}},
       errors,
       Blocking::yes},
      {"freeze",
       freeze,
       "Flushes and stops writes to file systems, by the agent. Thaw them soon.",
       {mount_points},
       {{"count", "integer", "File systems frozen."}},
       errors,
       Blocking::yes,
       Effect::changes},
      {"thaw",
       thaw,
       "Lets frozen file systems go on.",
       {mount_points},
       {{"count", "integer", "File systems thawed."}},
       errors,
       Blocking::yes,
       Effect::changes},
  };
}

}  // namespace drover::virt
