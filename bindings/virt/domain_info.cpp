#include "bindings/virt/domain_info.h"

#include <cstring>

#include "bindings/virt/domain_names.h"
#include "bindings/virt/scalar.h"

namespace drover::virt {

namespace {

constexpr const char* record_name = "virt.DomainInfo";

// Its address is the key of the registry: found without hashing a name.
char record_key = 0;

struct Field {
  const char* name;
  void (*push)(lua_State* L, const virDomainInfo& info);
};

constexpr Field fields[] = {
    {"state",
     [](lua_State* L, const virDomainInfo& info) {
       if (const char* known = known_domain_state_name(info.state)) {
         core::push(L, known);
       } else {
         core::push(L, domain_state_name(info.state));
       }
     }},
    {"memory_bytes",
     [](lua_State* L, const virDomainInfo& info) { core::push(L, static_cast<int64_t>(info.memory) * kib); }},
    {"max_memory_bytes",
     [](lua_State* L, const virDomainInfo& info) { core::push(L, static_cast<int64_t>(info.maxMem) * kib); }},
    {"vcpus", [](lua_State* L, const virDomainInfo& info) { core::push(L, static_cast<int>(info.nrVirtCpu)); }},
    {"cpu_time_ns", [](lua_State* L, const virDomainInfo& info) { core::push(L, to_integer(info.cpuTime)); }},
};

const virDomainInfo& check_info(lua_State* L) {
  return *static_cast<const virDomainInfo*>(luaL_checkudata(L, 1, record_name));
}

int read_field(lua_State* L) {
  // Reached through the metatable, which scripts cannot take off: the value is an info.
  const auto& info = *static_cast<const virDomainInfo*>(lua_touserdata(L, 1));
  const char* name = lua_tostring(L, 2);
  if (name == nullptr) return 0;
  for (const Field& field : fields) {
    if (std::strcmp(field.name, name) != 0) continue;
    field.push(L, info);
    return 1;
  }
  return 0;
}

int next_field(lua_State* L) {
  const virDomainInfo& info = check_info(L);
  const char* last = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : nullptr;
  bool found = last == nullptr;
  for (const Field& field : fields) {
    if (found) {
      core::push(L, field.name);
      field.push(L, info);
      return 2;
    }
    found = std::strcmp(field.name, last) == 0;
  }
  return 0;
}

int walk_fields(lua_State* L) {
  check_info(L);
  lua_pushcfunction(L, next_field);
  lua_pushvalue(L, 1);
  return 2;
}

int describe_info(lua_State* L) {
  const virDomainInfo& info = check_info(L);
  std::string text = "{ ";
  for (const Field& field : fields) {
    field.push(L, info);
    text += std::string(&field == fields ? "" : ", ") + field.name + " = " + lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  core::push(L, text + " }");
  return 1;
}

void push_record_metatable(lua_State* L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &record_key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  luaL_newmetatable(L, record_name);
  const luaL_Reg functions[] = {
      {"__index", read_field}, {"__pairs", walk_fields}, {"__tostring", describe_info}, {nullptr, nullptr}};
  luaL_setfuncs(L, functions, 0);
  core::set_field(L, "__metatable", record_name);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &record_key);
}

}  // namespace

int push_domain_info(lua_State* L, const virDomainInfo& info) {
  void* memory = lua_newuserdatauv(L, sizeof info, 0);
  std::memcpy(memory, &info, sizeof info);
  push_record_metatable(L);
  lua_setmetatable(L, -2);
  return 1;
}

const Domain& check_domain_fast(lua_State* L, const char* function) {
  // Light userdata has no length; any other userdata of this size may be read to its end.
  if (lua_rawlen(L, 1) >= sizeof(Domain) && lua_type(L, 1) == LUA_TUSERDATA) {
    const auto* domain = static_cast<const Domain*>(lua_touserdata(L, 1));
    if (domain->mark == &Domain::its_mark) return *domain;
  }
  return core::check_object<Domain>(L, 1, function);
}

}  // namespace drover::virt
