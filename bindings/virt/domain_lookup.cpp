// Methods of virt.Connection that find and make domains. Tested by tests/bindings/virt/domain_test.lua.
#include "bindings/virt/domain.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::CancelToken;
using core::Effect;
using core::Options;
using core::Push;

constexpr FlagOption list_filters[] = {
    {"active", VIR_CONNECT_LIST_DOMAINS_ACTIVE},
    {"inactive", VIR_CONNECT_LIST_DOMAINS_INACTIVE},
    {"persistent", VIR_CONNECT_LIST_DOMAINS_PERSISTENT},
    {"transient", VIR_CONNECT_LIST_DOMAINS_TRANSIENT},
    {"running", VIR_CONNECT_LIST_DOMAINS_RUNNING},
    {"paused", VIR_CONNECT_LIST_DOMAINS_PAUSED},
    {"shutoff", VIR_CONNECT_LIST_DOMAINS_SHUTOFF},
    {"other_state", VIR_CONNECT_LIST_DOMAINS_OTHER},
    {"has_managed_save", VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE},
    {"no_managed_save", VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE},
    {"autostart", VIR_CONNECT_LIST_DOMAINS_AUTOSTART},
    {"no_autostart", VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART},
    {"has_snapshot", VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT},
    {"no_snapshot", VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT},
    {"has_checkpoint", VIR_CONNECT_LIST_DOMAINS_HAS_CHECKPOINT},
    {"no_checkpoint", VIR_CONNECT_LIST_DOMAINS_NO_CHECKPOINT},
};

int domains(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.domains");
  Options options(L, 2, "Connection.domains");
  unsigned flags = read_flags(options, list_filters);
  options.finish();
  auto pointer = connection->use("list domains");
  return run(L, connection, "list of domains", [connection, pointer, flags](CancelToken&) -> Push {
    virDomainPtr* found = nullptr;
    int count = virConnectListAllDomains(pointer.get(), &found, flags);
    if (count < 0) throw connection->error("list domains");
    std::vector<DomainRef> list;
    list.reserve(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) list.emplace_back(found[i]);
    free(found);
    return [connection, list = std::move(list)](lua_State* state) {
      lua_createtable(state, static_cast<int>(list.size()), 0);
      lua_Integer index = 0;
      for (const DomainRef& domain : list) {
        core::push_object(state, Domain{Handle<virDomainPtr>(connection, domain)});
        lua_rawseti(state, -2, ++index);
      }
      return 1;
    };
  });
}

int domain(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.domain");
  std::string name = Args(L, "Connection.domain").text(2, "name_or_uuid");
  auto pointer = connection->use("find domain '" + name + "'");
  return run(L, connection, "look-up of domain " + name, [connection, pointer, name](CancelToken&) -> Push {
    return push_domain(connection, look_up_domain(*connection, pointer.get(), name));
  });
}

int find_domain(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.find_domain");
  std::string name = Args(L, "Connection.find_domain").text(2, "name_or_uuid");
  auto pointer = connection->use("find domain '" + name + "'");
  return run(L, connection, "look-up of domain " + name, [connection, pointer, name](CancelToken&) -> Push {
    try {
      return push_domain(connection, look_up_domain(*connection, pointer.get(), name));
    } catch (const Error& error) {
      if (error.code != "NO_DOMAIN") throw;
    }
    return [](lua_State* state) {
      lua_pushnil(state);
      return 1;
    };
  });
}

using MakeDomain = virDomainPtr (*)(virConnectPtr, const char*, unsigned);

int make_domain(lua_State* L, const char* function, const std::string& attempt, unsigned flags, MakeDomain make) {
  const ConnectionPtr& connection = check_connection(L, 1, function);
  std::string xml = Args(L, function).text(2, "xml");
  auto pointer = connection->use(attempt);
  return run(L, connection, attempt, [connection, pointer, xml, flags, make, attempt](CancelToken&) -> Push {
    DomainRef made(make(pointer.get(), xml.c_str(), flags));
    if (!made) throw connection->error(attempt);
    return push_domain(connection, made);
  });
}

int define(lua_State* L) {
  static constexpr FlagOption choices[] = {{"validate", VIR_DOMAIN_DEFINE_VALIDATE}};
  Options options(L, 3, "Connection.define");
  unsigned flags = read_flags(options, choices);
  options.finish();
  return make_domain(L, "Connection.define", "define a domain", flags, virDomainDefineXMLFlags);
}

int create(lua_State* L) {
  static constexpr FlagOption choices[] = {
      {"paused", VIR_DOMAIN_START_PAUSED},
      {"autodestroy", VIR_DOMAIN_START_AUTODESTROY},
      {"validate", VIR_DOMAIN_START_VALIDATE},
  };
  Options options(L, 3, "Connection.create");
  unsigned flags = read_flags(options, choices);
  options.finish();
  return make_domain(L, "Connection.create", "create a domain", flags, virDomainCreateXML);
}

}  // namespace

std::vector<core::Function> domain_methods_of_connection() {
  return {
      {"domains",
       domains,
       "The domains of the host, all of them without a filter.",
       {{"filter?", "table",
         "Booleans. Of one group any is enough, groups are combined: active, inactive; persistent, transient; running, "
         "paused, shutoff, other_state; has_managed_save, no_managed_save; autostart, no_autostart; "
         "has_snapshot, no_snapshot; has_checkpoint, no_checkpoint."}},
       {{"domains", "virt.Domain[]", ""}},
       "CONNECTION_LOST, UNKNOWN_OPTION",
       Blocking::yes},
      {"domain",
       domain,
       "One domain.",
       {{"name_or_uuid", "string", "Its name or its UUID."}},
       {{"domain", "virt.Domain", ""}},
       "NO_DOMAIN, CONNECTION_LOST",
       Blocking::yes},
      {"find_domain",
       find_domain,
       "One domain, or nil when there is none of that name or UUID.",
       {{"name_or_uuid", "string", "Its name or its UUID."}},
       {{"domain?", "virt.Domain", ""}},
       "CONNECTION_LOST",
       Blocking::yes},
      {"define",
       define,
       "Defines a persistent domain, or changes the definition of the one with this UUID.",
       {{"xml", "string", "Domain XML."}, {"options?", "table", "validate: boolean, against libvirt's schema."}},
       {{"domain", "virt.Domain", ""}},
       "BAD_XML, ALREADY_EXISTS, UNSUPPORTED, READ_ONLY",
       Blocking::yes,
       Effect::changes},
      {"create",
       create,
       "Starts a domain that is not defined: it is gone when it stops.",
       {{"xml", "string", "Domain XML."},
        {"options?", "table", "paused: boolean. autodestroy: boolean, ends with this connection. validate: boolean."}},
       {{"domain", "virt.Domain", ""}},
       "BAD_XML, ALREADY_EXISTS, UNSUPPORTED, READ_ONLY, NO_SPACE",
       Blocking::yes,
       Effect::changes},
  };
}

}  // namespace drover::virt
