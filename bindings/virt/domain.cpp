#include "bindings/virt/domain.h"

namespace drover::virt {

const char Domain::its_mark = 0;

const char* const impact_doc =
    "live: boolean, the running domain. config: boolean, its definition. Neither: the running domain when it runs, "
    "its definition otherwise.";

DomainCall begin_domain_call(lua_State* L, const char* function, const std::string& verb) {
  const auto& handle = core::check_object<Domain>(L, 1, function).handle;
  // The name is part of the object: no call to the daemon.
  virDomainPtr pointer = handle.get(verb.c_str());
  std::string name = virDomainGetName(pointer);
  std::string attempt = verb + " '" + name + "'";
  return {DomainRef::share(pointer), handle.connection(), std::move(name), std::move(attempt)};
}

int run_domain_call(lua_State* L, DomainCall call, DomainWork work) {
  ConnectionPtr connection = call.connection;
  std::string description = call.attempt;
  return run(L, connection, std::move(description),
             [call = std::move(call), work = std::move(work)](core::CancelToken&) { return work(call); });
}

int change_domain(lua_State* L, const char* function, const std::string& verb,
                  std::function<int(virDomainPtr)> change) {
  return run_domain_call(L, begin_domain_call(L, function, verb), [change](const DomainCall& call) {
    call.checked(change(call.get()));
    return push_domain(call);
  });
}

core::Push push_domain(ConnectionPtr connection, DomainRef domain) {
  return [connection = std::move(connection), domain = std::move(domain)](lua_State* L) {
    core::push_object(L, Domain{Handle<virDomainPtr>(connection, domain)});
    return 1;
  };
}

DomainRef look_up_domain(const VirConnection& connection, virConnectPtr pointer, const std::string& name_or_uuid) {
  bool looks_like_uuid = name_or_uuid.size() == VIR_UUID_STRING_BUFLEN - 1 &&
                         name_or_uuid.find_first_not_of("0123456789abcdefABCDEF-") == std::string::npos;
  if (looks_like_uuid) {
    if (DomainRef found{virDomainLookupByUUIDString(pointer, name_or_uuid.c_str())}) return found;
    std::string_view code = last_code();
    if (code != "NO_DOMAIN" && code != "INVALID_ARGUMENT") {
      throw connection.error("find domain '" + name_or_uuid + "'", name_or_uuid);
    }
  }
  DomainRef found(virDomainLookupByName(pointer, name_or_uuid.c_str()));
  if (!found) throw connection.error("find domain '" + name_or_uuid + "'", name_or_uuid);
  return found;
}

std::string uuid_of(virDomainPtr domain) {
  char text[VIR_UUID_STRING_BUFLEN] = "";
  virDomainGetUUIDString(domain, text);
  return text;
}

unsigned read_impact(core::Options& options) {
  static constexpr FlagOption impacts[] = {{"live", VIR_DOMAIN_AFFECT_LIVE}, {"config", VIR_DOMAIN_AFFECT_CONFIG}};
  return read_flags(options, impacts);
}

}  // namespace drover::virt
