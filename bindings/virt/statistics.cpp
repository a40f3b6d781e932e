#include "bindings/virt/statistics.h"

#include "bindings/virt/domain.h"
#include "bindings/virt/enums.h"
#include "bindings/virt/scalar.h"

namespace drover::virt {

namespace {

using core::Blocking;
using core::CancelToken;
using core::Options;
using core::Push;

constexpr EnumName<> groups[] = {
    {VIR_DOMAIN_STATS_STATE, "state"},
    {VIR_DOMAIN_STATS_CPU_TOTAL, "cpu_total"},
    {VIR_DOMAIN_STATS_BALLOON, "balloon"},
    {VIR_DOMAIN_STATS_VCPU, "vcpu"},
    {VIR_DOMAIN_STATS_INTERFACE, "interface"},
    {VIR_DOMAIN_STATS_BLOCK, "block"},
    {VIR_DOMAIN_STATS_PERF, "perf"},
    {VIR_DOMAIN_STATS_IOTHREAD, "iothread"},
    {VIR_DOMAIN_STATS_MEMORY, "memory"},
    {VIR_DOMAIN_STATS_DIRTYRATE, "dirtyrate"},
    {VIR_DOMAIN_STATS_VM, "vm"},
};

constexpr FlagOption filters[] = {
    {"active", VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE},
    {"inactive", VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE},
    {"persistent", VIR_CONNECT_GET_ALL_DOMAINS_STATS_PERSISTENT},
    {"transient", VIR_CONNECT_GET_ALL_DOMAINS_STATS_TRANSIENT},
    {"running", VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING},
    {"paused", VIR_CONNECT_GET_ALL_DOMAINS_STATS_PAUSED},
    {"shutoff", VIR_CONNECT_GET_ALL_DOMAINS_STATS_SHUTOFF},
    {"other_state", VIR_CONNECT_GET_ALL_DOMAINS_STATS_OTHER},
};

constexpr FlagOption manners[] = {
    {"nowait", VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT},
    {"backing", VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING},
    {"enforce", VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS},
};

unsigned read_groups(Options& options) {
  unsigned bits = 0;
  auto asked = options.text_list("stats");
  if (!asked) return 0;  // libvirt: all that it has
  for (const std::string& name : *asked) {
    bool known = false;
    for (const auto& group : groups) {
      if (name != group.name) continue;
      bits |= static_cast<unsigned>(group.number);
      known = true;
    }
    if (known) continue;
    std::string names;
    for (const std::string& one : enum_names(groups)) names += (names.empty() ? "" : ", ") + one;
    options.fail("stats", "some of " + names, "'" + name + "'");
  }
  return bits;
}

struct DomainStats {
  std::string name;
  std::string uuid;
  Fields fields;
};

void push_stats(lua_State* L, const DomainStats& one) {
  lua_createtable(L, 0, 3);
  core::set_field(L, "name", one.name);
  core::set_field(L, "uuid", one.uuid);
  lua_createtable(L, 0, static_cast<int>(one.fields.size()));
  set_fields(L, one.fields);
  lua_setfield(L, -2, "stats");
}

std::vector<DomainStats> take_records(virDomainStatsRecordPtr* records, int count) {
  std::vector<DomainStats> list;
  list.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    const virDomainStatsRecord& record = *records[i];
    list.push_back({virDomainGetName(record.dom), uuid_of(record.dom), fields_of(record.params, record.nparams)});
  }
  virDomainStatsRecordListFree(records);
  return list;
}

int all_domain_stats(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.all_domain_stats");
  Options options(L, 2, "Connection.all_domain_stats");
  unsigned bits = read_groups(options);
  unsigned flags = read_flags(options, filters) | read_flags(options, manners);
  options.finish();
  auto pointer = connection->use("read the statistics of all domains");
  return run(L, connection, "statistics of all domains", [connection, pointer, bits, flags](CancelToken&) -> Push {
    virDomainStatsRecordPtr* records = nullptr;
    int count = virConnectGetAllDomainStats(pointer.get(), bits, &records, flags);
    if (count < 0) throw connection->error("read the statistics of all domains");
    return [list = take_records(records, count)](lua_State* state) {
      lua_createtable(state, static_cast<int>(list.size()), 0);
      lua_Integer index = 0;
      for (const DomainStats& one : list) {
        push_stats(state, one);
        lua_rawseti(state, -2, ++index);
      }
      return 1;
    };
  });
}

int stats(lua_State* L) {
  Options options(L, 2, "Domain.stats");
  unsigned bits = read_groups(options);
  unsigned flags = read_flags(options, manners);
  options.finish();
  return run_domain_call(L, begin_domain_call(L, "Domain.stats", "read the statistics of domain"),
                         [bits, flags](const DomainCall& call) -> Push {
                           virDomainPtr domains[] = {call.get(), nullptr};
                           virDomainStatsRecordPtr* records = nullptr;
                           int count = call.checked(virDomainListGetStats(domains, bits, &records, flags));
                           auto list = take_records(records, count);
                           return [fields = list.empty() ? Fields() : list[0].fields](lua_State* state) {
                             lua_createtable(state, 0, static_cast<int>(fields.size()));
                             set_fields(state, fields);
                             return 1;
                           };
                         });
}

constexpr const char* options_doc =
    "stats: list of state, cpu_total, balloon, vcpu, interface, block, perf, iothread, memory, dirtyrate, vm; all that "
    "the host has without it. nowait: boolean, what a domain held by a job cannot tell at once is left out, and holds "
    "nobody up. backing: boolean, the backing chain of disks too. enforce: boolean, UNSUPPORTED instead of leaving out "
    "what the host cannot tell.";

constexpr const char* names_doc =
    "Flat, under libvirt's own names, as [\"block.0.rd.bytes\"]: see virsh domstats. Memory under balloon.* is in KiB, "
    "times are in nanoseconds.";

}  // namespace

std::vector<core::Function> statistics_methods_of_connection() {
  return {
      {"all_domain_stats",
       all_domain_stats,
       "Statistics of all domains in one call.",
       {{"options?", "table",
         std::string(options_doc) + " " +
             "Booleans that choose domains: active, inactive, persistent, transient, running, paused, shutoff, "
             "other_state."}},
       {{"list", "table[]", std::string("name, uuid, stats. ") + names_doc}},
       "UNSUPPORTED, CONNECTION_LOST, CONNECTION_CLOSED",
       Blocking::yes},
  };
}

std::vector<core::Function> statistics_methods_of_domain() {
  return {
      {"stats",
       stats,
       "Its statistics in one call.",
       {{"options?", "table", options_doc}},
       {{"stats", "table", names_doc}},
       "NO_DOMAIN, UNSUPPORTED, CONNECTION_LOST, CONNECTION_CLOSED",
       Blocking::yes},
  };
}

}  // namespace drover::virt
