// Reading what a domain is and does: names, state, info, flags. Tested by tests/bindings/virt/domain_test.lua.
#include "bindings/virt/domain.h"
#include "bindings/virt/domain_info.h"
#include "bindings/virt/domain_names.h"

namespace drover::virt {

namespace {

using core::Blocking;
using core::Push;

int name(lua_State* L) {
  core::push(L, virDomainGetName(core::check_object<Domain>(L, 1, "Domain.name").handle.get("read the name")));
  return 1;
}

int uuid(lua_State* L) {
  core::push(L, uuid_of(core::check_object<Domain>(L, 1, "Domain.uuid").handle.get("read the UUID")));
  return 1;
}

int id(lua_State* L) {
  return run_domain_call(L, begin_domain_call(L, "Domain.id", "read the id of domain"),
                         [](const DomainCall& call) -> Push {
                           unsigned number = virDomainGetID(call.get());
                           virResetLastError();
                           return [number](lua_State* state) {
                             if (number == static_cast<unsigned>(-1)) {
                               lua_pushnil(state);
                             } else {
                               core::push(state, number);
                             }
                             return 1;
                           };
                         });
}

int state(lua_State* L) {
  return run_domain_call(L, begin_domain_call(L, "Domain.state", "read the state of domain"),
                         [](const DomainCall& call) -> Push {
                           int number = 0;
                           int reason = 0;
                           call.checked(virDomainGetState(call.get(), &number, &reason, 0));
                           return [number, reason](lua_State* L_) {
                             lua_createtable(L_, 0, 4);
                             core::set_field(L_, "state", domain_state_name(number));
                             core::set_field(L_, "reason", domain_reason_name(number, reason));
                             core::set_field(L_, "state_code", number);
                             core::set_field(L_, "reason_code", reason);
                             return 1;
                           };
                         });
}

int await_results(lua_State* L, int, lua_KContext below) { return lua_gettop(L) - static_cast<int>(below); }

// Waits for the operation on the top of the stack as Lua's wrapper of blocking functions does, without that wrapper's
// cost for the calls that need not wait. lua_callk and not lua_yieldk: the wait itself stays in Lua's await, and this
// is the last thing that the function does, so no C++ object is alive across it.
int await_operation(lua_State* L, const char* name) {
  int operation = lua_gettop(L);
  core::check_object<core::OperationHandle>(L, operation, name).operation->set_origin(name);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "drover.core") != LUA_TTABLE || lua_getfield(L, -1, "await") != LUA_TFUNCTION) {
    lua_settop(L, operation);  // a state without stdlib, as in unit tests: the operation itself
    return 1;
  }
  lua_pushvalue(L, operation);
  int below = lua_gettop(L) - 2;
  lua_callk(L, 1, LUA_MULTRET, below, await_results);
  return await_results(L, LUA_OK, below);
}

int info(lua_State* L) {
  // Called for every domain of a host again and again: on a driver of this process nothing but the call itself.
  const auto& handle = check_domain_fast(L, "Domain.info").handle;
  if (handle.connection()->in_process()) {
    virDomainInfo answer{};
    if (virDomainGetInfo(handle.get("read the info of a domain"), &answer) == 0) return push_domain_info(L, answer);
    throw begin_domain_call(L, "Domain.info", "read the info of domain").error();
  }
  run_domain_call(L, begin_domain_call(L, "Domain.info", "read the info of domain"),
                  [](const DomainCall& call) -> Push {
                    virDomainInfo answer{};
                    call.checked(virDomainGetInfo(call.get(), &answer));
                    return [answer](lua_State* state) { return push_domain_info(state, answer); };
                  });
  return await_operation(L, "Domain.info");
}

int ask(lua_State* L, const char* function, const char* verb, int (*question)(virDomainPtr)) {
  return run_domain_call(L, begin_domain_call(L, function, verb), [question](const DomainCall& call) -> Push {
    return push_value(call.checked(question(call.get())) > 0);
  });
}

int is_active(lua_State* L) { return ask(L, "Domain.is_active", "ask for the state of domain", virDomainIsActive); }

int is_persistent(lua_State* L) {
  return ask(L, "Domain.is_persistent", "ask for the definition of domain", virDomainIsPersistent);
}

int is_updated(lua_State* L) {
  return ask(L, "Domain.is_updated", "ask for the definition of domain", virDomainIsUpdated);
}

int has_managed_save(lua_State* L) {
  return ask(L, "Domain.has_managed_save", "ask for the saved state of domain",
             [](virDomainPtr domain) { return virDomainHasManagedSaveImage(domain, 0); });
}

int autostart(lua_State* L) {
  return ask(L, "Domain.autostart", "read autostart of domain", [](virDomainPtr domain) {
    int on = 0;
    return virDomainGetAutostart(domain, &on) < 0 ? -1 : on;
  });
}

int snapshots(lua_State* L) {
  return run_domain_call(L, begin_domain_call(L, "Domain.snapshots", "list the snapshots of domain"),
                         [](const DomainCall& call) -> Push {
                           virDomainSnapshotPtr* found = nullptr;
                           int count = call.checked(virDomainListAllSnapshots(call.get(), &found, 0));
                           std::vector<std::string> names;
                           for (int i = 0; i < count; ++i) {
                             VirRef<virDomainSnapshotPtr> one(found[i]);
                             names.emplace_back(virDomainSnapshotGetName(one.get()));
                           }
                           free(found);
                           return push_value(std::move(names));
                         });
}

int checkpoints(lua_State* L) {
  return run_domain_call(L, begin_domain_call(L, "Domain.checkpoints", "list the checkpoints of domain"),
                         [](const DomainCall& call) -> Push {
                           virDomainCheckpointPtr* found = nullptr;
                           int count = call.checked(virDomainListAllCheckpoints(call.get(), &found, 0));
                           std::vector<std::string> names;
                           for (int i = 0; i < count; ++i) {
                             VirRef<virDomainCheckpointPtr> one(found[i]);
                             names.emplace_back(virDomainCheckpointGetName(one.get()));
                           }
                           free(found);
                           return push_value(std::move(names));
                         });
}

int connection_of(lua_State* L) {
  const auto& handle = core::check_object<Domain>(L, 1, "Domain.connection").handle;
  core::push_object(L, Connection{handle.connection()});
  return 1;
}

int tostring(lua_State* L) {
  const auto& handle = core::check_object<Domain>(L, 1, "Domain.tostring").handle;
  if (handle.connection()->closed()) {
    core::push(L, "virt.Domain (closed)");
  } else {
    core::push(L, std::string("virt.Domain ") + virDomainGetName(handle.get("read the name")) + " on " + handle.host());
  }
  return 1;
}

constexpr const char* gone = "NO_DOMAIN, CONNECTION_LOST, CONNECTION_CLOSED";

core::Function question(const char* name, lua_CFunction call, const char* doc) {
  return {name, call, doc, {}, {{"answer", "boolean", ""}}, gone, Blocking::yes};
}

}  // namespace

std::vector<core::Function> domain_state_methods() {
  return {
      {"name", name, "Its name. Asks nobody.", {}, {{"name", "string", "Its name."}}, "CONNECTION_CLOSED"},
      {"uuid", uuid, "Its UUID. Asks nobody.", {}, {{"uuid", "string", "Its UUID."}}, "CONNECTION_CLOSED"},
      {"connection", connection_of, "The connection that it came from.", {}, {{"connection", "virt.Connection", ""}}},
      {"tostring", tostring, "virt.Domain NAME on HOST.", {}, {{"text", "string", "What it says."}}},
      {"id",
       id,
       "The number of the running domain; nil when it does not run.",
       {},
       {{"id?", "integer", ""}},
       gone,
       Blocking::yes},
      {"state",
       state,
       "State and reason. Both are needed to judge a move: paused for migration is not paused by a user.",
       {},
       {{"state", "table",
         "state: nostate, running, blocked, paused, shutdown, shutoff, crashed, pmsuspended. reason: libvirt's, in "
         "lower case, as booted, migrated, user, migration, post_copy, post_copy_failed, shutdown, destroyed. "
         "state_code, reason_code: libvirt's numbers."}},
       gone,
       Blocking::yes},
      {"info",
       info,
       "State and size in one call. The answer is a record to read from: info.state; pairs(info) walks it. It waits as "
       "every other call, except on test:///.",
       {},
       {{"info", "virt.DomainInfo", "state, memory_bytes, max_memory_bytes, vcpus, cpu_time_ns."}},
       gone},
      question("is_active", is_active, "Whether it runs or is paused."),
      question("is_persistent", is_persistent, "Whether it has a definition that stays when it stops."),
      question("is_updated", is_updated, "Whether its definition differs from what runs."),
      question("has_managed_save", has_managed_save, "Whether its state was saved, to be restored at the next start."),
      question("autostart", autostart, "Whether it starts with its host."),
      {"snapshots", snapshots, "The names of its snapshots.", {}, {{"names", "string[]", ""}}, gone, Blocking::yes},
      {"checkpoints",
       checkpoints,
       "The names of its checkpoints.",
       {},
       {{"names", "string[]", ""}},
       "NO_DOMAIN, CONNECTION_LOST, CONNECTION_CLOSED, UNSUPPORTED",
       Blocking::yes},
  };
}

}  // namespace drover::virt
