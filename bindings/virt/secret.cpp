#include "bindings/virt/secret.h"

#include "bindings/virt/enums.h"
#include "bindings/virt/object_call.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::CancelToken;
using core::Push;
using SecretRef = VirRef<virSecretPtr>;

constexpr EnumName<> usage_types[] = {
    {VIR_SECRET_USAGE_TYPE_NONE, "none"}, {VIR_SECRET_USAGE_TYPE_VOLUME, "volume"},
    {VIR_SECRET_USAGE_TYPE_CEPH, "ceph"}, {VIR_SECRET_USAGE_TYPE_ISCSI, "iscsi"},
    {VIR_SECRET_USAGE_TYPE_TLS, "tls"},   {VIR_SECRET_USAGE_TYPE_VTPM, "vtpm"},
};

struct SecretFacts {
  std::string uuid, usage_type, usage;
};

// All three are parts of the object: no call to the daemon.
SecretFacts facts_of(virSecretPtr secret) {
  const char* usage = virSecretGetUsageID(secret);
  return {uuid_text(secret, virSecretGetUUIDString), enum_name(usage_types, virSecretGetUsageType(secret)),
          usage != nullptr ? usage : ""};
}

void push_facts(lua_State* L, const SecretFacts& facts) {
  lua_createtable(L, 0, 3);
  core::set_field(L, "uuid", facts.uuid);
  core::set_field(L, "usage_type", facts.usage_type);
  core::set_field(L, "usage", facts.usage);
}

int secrets(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.secrets");
  auto pointer = connection->use("list secrets");
  return run(L, connection, "list of secrets", [connection, pointer](CancelToken&) -> Push {
    virSecretPtr* found = nullptr;
    int count = virConnectListAllSecrets(pointer.get(), &found, 0);
    if (count < 0) throw connection->error("list secrets");
    std::vector<SecretFacts> list;
    for (const SecretRef& secret : take_list(found, count)) list.push_back(facts_of(secret.get()));
    return [list](lua_State* state) {
      lua_createtable(state, static_cast<int>(list.size()), 0);
      lua_Integer index = 0;
      for (const SecretFacts& facts : list) {
        push_facts(state, facts);
        lua_rawseti(state, -2, ++index);
      }
      return 1;
    };
  });
}

int look_up(lua_State* L, const ConnectionPtr& connection, const std::string& name,
            std::function<virSecretPtr(virConnectPtr)> find) {
  std::string attempt = "find secret '" + name + "'";
  auto pointer = connection->use(attempt);
  return run(L, connection, attempt, [connection, pointer, attempt, name, find](CancelToken&) -> Push {
    SecretRef found(find(pointer.get()));
    if (found) {
      return [facts = facts_of(found.get())](lua_State* state) {
        push_facts(state, facts);
        return 1;
      };
    }
    Error error = connection->error(attempt, name);
    if (error.code != "NO_SECRET") throw error;
    return [](lua_State* state) {
      lua_pushnil(state);
      return 1;
    };
  });
}

int find_secret(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.find_secret");
  Args args(L, "Connection.find_secret");
  std::string uuid = args.text(2, "uuid");
  if (!looks_like_uuid(uuid)) args.fail(2, "uuid", "a UUID");
  return look_up(L, connection, uuid,
                 [uuid](virConnectPtr pointer) { return virSecretLookupByUUIDString(pointer, uuid.c_str()); });
}

int find_secret_by_usage(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.find_secret_by_usage");
  Args args(L, "Connection.find_secret_by_usage");
  int type = enum_number(usage_types, args.choice(2, "usage_type", enum_names(usage_types)));
  std::string usage = args.text(3, "usage");
  return look_up(L, connection, usage,
                 [type, usage](virConnectPtr pointer) { return virSecretLookupByUsage(pointer, type, usage.c_str()); });
}

}  // namespace

std::vector<core::Function> secret_methods_of_connection() {
  const core::Value found{"secret?", "table", "uuid, usage_type, usage; nil when there is none."};
  const std::string errors = "BAD_ARGUMENT, UNSUPPORTED, CONNECTION_LOST";
  return {
      {"secrets",
       secrets,
       "The secrets that the host keeps for its domains: what they are for, never their values.",
       {},
       {{"secrets", "table", "List of uuid, usage_type (none, volume, ceph, iscsi, tls, vtpm), usage."}},
       "UNSUPPORTED, CONNECTION_LOST",
       Blocking::yes},
      {"find_secret",
       find_secret,
       "Whether the host keeps this secret.",
       {{"uuid", "string", "Its UUID."}},
       {found},
       errors,
       Blocking::yes},
      {"find_secret_by_usage",
       find_secret_by_usage,
       "Whether the host keeps a secret for this use.",
       {{"usage_type", "string", "none, volume, ceph, iscsi, tls, vtpm."}, {"usage", "string", "Path or name."}},
       {found},
       errors,
       Blocking::yes},
  };
}

}  // namespace drover::virt
