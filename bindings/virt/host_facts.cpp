// The host behind a connection: names, versions, size, memory. Tested by tests/bindings/virt/connection_test.lua.
#include "bindings/virt/host_facts.h"

#include "bindings/virt/connection.h"
#include "bindings/virt/run.h"
#include "bindings/virt/scalar.h"
#include "bindings/virt/text.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::CancelToken;
using core::Push;

using Ask = std::function<Push(const VirConnection&, virConnectPtr)>;

int ask(lua_State* L, const char* function, const std::string& attempt, Ask question) {
  const ConnectionPtr& connection = check_connection(L, 1, function);
  auto pointer = connection->use(attempt);
  return run(L, connection, attempt, [connection, pointer, question = std::move(question)](CancelToken&) {
    return question(*connection, pointer.get());
  });
}

int ask_text(lua_State* L, const char* function, const std::string& attempt, char* (*question)(virConnectPtr)) {
  return ask(L, function, attempt, [=](const VirConnection& connection, virConnectPtr pointer) -> Push {
    VirText text(question(pointer));
    if (!text) throw connection.error(attempt);
    return push_value(std::string(text.get()));
  });
}

int uri(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.uri");
  core::push(L, connection->uri());
  return 1;
}

int type(lua_State* L) {
  return ask(L, "Connection.type", "ask for the hypervisor",
             [](const VirConnection& connection, virConnectPtr pointer) -> Push {
               const char* name = virConnectGetType(pointer);
               if (name == nullptr) throw connection.error("ask for the hypervisor");
               return push_value(name);
             });
}

int hostname(lua_State* L) {
  return ask_text(L, "Connection.hostname", "ask for the host's name", virConnectGetHostname);
}

int ask_version(lua_State* L, const char* function, const char* attempt,
                int (*question)(virConnectPtr, unsigned long*)) {
  return ask(L, function, attempt, [=](const VirConnection& connection, virConnectPtr pointer) -> Push {
    unsigned long number = 0;
    if (question(pointer, &number) < 0) throw connection.error(attempt);
    return push_value(version_text(number));
  });
}

int libvirt_version(lua_State* L) {
  return ask_version(L, "Connection.libvirt_version", "ask for the version of libvirt", virConnectGetLibVersion);
}

int hypervisor_version(lua_State* L) {
  return ask_version(L, "Connection.hypervisor_version", "ask for the version of the hypervisor", virConnectGetVersion);
}

int ask_boolean(lua_State* L, const char* function, const char* attempt, int (*question)(virConnectPtr)) {
  return ask(L, function, attempt, [=](const VirConnection& connection, virConnectPtr pointer) -> Push {
    int answer = question(pointer);
    if (answer < 0) throw connection.error(attempt);
    return [answer](lua_State* state) {
      core::push(state, answer > 0);
      return 1;
    };
  });
}

int is_encrypted(lua_State* L) {
  return ask_boolean(L, "Connection.is_encrypted", "ask whether the connection is encrypted", virConnectIsEncrypted);
}

int is_secure(lua_State* L) {
  return ask_boolean(L, "Connection.is_secure", "ask whether the connection is secure", virConnectIsSecure);
}

int node_info(lua_State* L) {
  return ask(L, "Connection.node_info", "read the size of the host",
             [](const VirConnection& connection, virConnectPtr pointer) -> Push {
               virNodeInfo info{};
               if (virNodeGetInfo(pointer, &info) < 0) throw connection.error("read the size of the host");
               return [info](lua_State* L_) {
                 lua_createtable(L_, 0, 8);
                 core::set_field(L_, "cpu_model", static_cast<const char*>(info.model));
                 core::set_field(L_, "memory_bytes", static_cast<int64_t>(info.memory) * kib);
                 core::set_field(L_, "cpus", info.cpus);
                 core::set_field(L_, "cpu_mhz", info.mhz);
                 core::set_field(L_, "numa_nodes", info.nodes);
                 core::set_field(L_, "sockets", info.sockets);
                 core::set_field(L_, "cores", info.cores);
                 core::set_field(L_, "threads", info.threads);
                 return 1;
               };
             });
}

int memory(lua_State* L) {
  return ask(L, "Connection.memory", "read the memory of the host",
             [](const VirConnection& connection, virConnectPtr pointer) -> Push {
               int count = 0;
               constexpr int all_cells = VIR_NODE_MEMORY_STATS_ALL_CELLS;
               std::vector<virNodeMemoryStats> stats;
               if (virNodeGetMemoryStats(pointer, all_cells, nullptr, &count, 0) == 0) {
                 stats.resize(static_cast<size_t>(count));
                 if (count > 0 && virNodeGetMemoryStats(pointer, all_cells, stats.data(), &count, 0) < 0) {
                   throw connection.error("read the memory of the host");
                 }
               } else {
                 throw connection.error("read the memory of the host");
               }
               Fields fields;
               for (const virNodeMemoryStats& one : stats) {
                 fields.emplace_back(std::string(one.field) + "_bytes", to_integer(one.value * kib));
               }
               return [fields](lua_State* state) {
                 lua_newtable(state);
                 set_fields(state, fields);
                 return 1;
               };
             });
}

int free_memory_bytes(lua_State* L) {
  return ask(L, "Connection.free_memory_bytes", "read the free memory of the host",
             [](const VirConnection& connection, virConnectPtr pointer) -> Push {
               unsigned long long bytes = virNodeGetFreeMemory(pointer);
               if (bytes == 0) throw connection.error("read the free memory of the host");
               return [bytes](lua_State* state) {
                 core::push(state, to_integer(bytes));
                 return 1;
               };
             });
}

int max_vcpus(lua_State* L) {
  auto type_name = Args(L, "Connection.max_vcpus").optional_text(2, "type");
  return ask(L, "Connection.max_vcpus", "ask for the most CPUs of a domain",
             [type_name](const VirConnection& connection, virConnectPtr pointer) -> Push {
               int most = virConnectGetMaxVcpus(pointer, type_name ? type_name->c_str() : nullptr);
               if (most < 0) throw connection.error("ask for the most CPUs of a domain");
               return [most](lua_State* state) {
                 core::push(state, most);
                 return 1;
               };
             });
}

constexpr const char* gone = "CONNECTION_LOST, CONNECTION_CLOSED, UNSUPPORTED";

core::Function question(const char* name, lua_CFunction call, const char* doc, const char* result_type,
                        const char* result_doc = "") {
  return {name, call, doc, {}, {{"answer", result_type, result_doc}}, gone, Blocking::yes};
}

}  // namespace

std::vector<core::Function> host_methods_of_connection() {
  return {
      {"uri", uri, "As it was opened. Asks nobody.", {}, {{"uri", "string", ""}}},
      question("type", type, "The hypervisor's driver: QEMU, TEST, ...", "string"),
      question("hostname", hostname, "The host's own name.", "string"),
      question("libvirt_version", libvirt_version, "The version of libvirt there.", "string", "As 9.0.0."),
      question("hypervisor_version", hypervisor_version, "The version of the hypervisor there.", "string",
               "As 7.2.22."),
      question("is_encrypted", is_encrypted, "Whether nobody between can read it.", "boolean"),
      question("is_secure", is_secure, "Whether it is encrypted, or local to one machine.", "boolean"),
      question("node_info", node_info, "The size of the host.", "table",
               "cpu_model (architecture), memory_bytes, cpus, cpu_mhz, numa_nodes, sockets, cores, threads; the last "
               "three per the level above."),
      question("memory", memory, "The host's memory now.", "table",
               "total_bytes, free_bytes, buffers_bytes, cached_bytes."),
      question("free_memory_bytes", free_memory_bytes, "The host's free memory.", "integer"),
      {"max_vcpus",
       max_vcpus,
       "The most CPUs that a domain can have.",
       {{"type?", "string", "Domain type as kvm, qemu."}},
       {{"count", "integer", "How many."}},
       gone,
       Blocking::yes},
  };
}

}  // namespace drover::virt
