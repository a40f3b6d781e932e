// Memory and CPUs of a domain: statistics, their period, sizes. Tested by tests/bindings/virt/domain_test.lua; the
// figures themselves by the lab.
//
// The names are libvirt's and mislead: usable is what the guest can give without swapping (MemAvailable), available is
// the total it sees, unused is MemFree. Nothing is collected until a period is set, and last_update_s tells how old a
// figure is. [libvirt src/qemu/qemu_monitor_json.c]
#include "bindings/virt/domain.h"
#include "bindings/virt/enums.h"
#include "bindings/virt/scalar.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::Effect;
using core::Options;
using core::Push;

struct MemoryFigure {
  int tag;
  const char* name;
  unsigned long factor;
};

constexpr MemoryFigure memory_figures[] = {
    {VIR_DOMAIN_MEMORY_STAT_SWAP_IN, "swap_in_bytes", kib},
    {VIR_DOMAIN_MEMORY_STAT_SWAP_OUT, "swap_out_bytes", kib},
    {VIR_DOMAIN_MEMORY_STAT_MAJOR_FAULT, "major_faults", 1},
    {VIR_DOMAIN_MEMORY_STAT_MINOR_FAULT, "minor_faults", 1},
    {VIR_DOMAIN_MEMORY_STAT_UNUSED, "unused_bytes", kib},
    {VIR_DOMAIN_MEMORY_STAT_AVAILABLE, "available_bytes", kib},
    {VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON, "balloon_bytes", kib},
    {VIR_DOMAIN_MEMORY_STAT_RSS, "rss_bytes", kib},
    {VIR_DOMAIN_MEMORY_STAT_USABLE, "usable_bytes", kib},
    {VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE, "last_update_s", 1},
    {VIR_DOMAIN_MEMORY_STAT_DISK_CACHES, "disk_caches_bytes", kib},
    {VIR_DOMAIN_MEMORY_STAT_HUGETLB_PGALLOC, "hugetlb_allocations", 1},
    {VIR_DOMAIN_MEMORY_STAT_HUGETLB_PGFAIL, "hugetlb_failures", 1},
};
static_assert(std::size(memory_figures) == VIR_DOMAIN_MEMORY_STAT_NR);

int memory_stats(lua_State* L) {
  return run_domain_call(L, begin_domain_call(L, "Domain.memory_stats", "read the memory statistics of domain"),
                         [](const DomainCall& call) -> Push {
                           virDomainMemoryStatStruct answers[VIR_DOMAIN_MEMORY_STAT_NR];
                           int count =
                               call.checked(virDomainMemoryStats(call.get(), answers, VIR_DOMAIN_MEMORY_STAT_NR, 0));
                           Fields fields;
                           for (int i = 0; i < count; ++i) {
                             for (const MemoryFigure& figure : memory_figures) {
                               if (figure.tag != answers[i].tag) continue;
                               fields.emplace_back(figure.name, to_integer(answers[i].val * figure.factor));
                             }
                           }
                           return [fields](lua_State* state) {
                             lua_newtable(state);
                             set_fields(state, fields);
                             return 1;
                           };
                         });
}

int set_memory_stats_period(lua_State* L) {
  constexpr int64_t longest_s = 24 * 3600;
  int period_s = static_cast<int>(Args(L, "Domain.set_memory_stats_period").integer(2, "period_s", 0, longest_s));
  Options options(L, 3, "Domain.set_memory_stats_period");
  unsigned flags = read_impact(options);
  options.finish();
  return change_domain(L, "Domain.set_memory_stats_period", "set the memory statistics period of domain",
                       [=](virDomainPtr domain) { return virDomainSetMemoryStatsPeriod(domain, period_s, flags); });
}

int set_memory(lua_State* L) {
  int64_t bytes = Args(L, "Domain.set_memory").integer(2, "memory_bytes", kib);
  Options options(L, 3, "Domain.set_memory");
  unsigned flags = read_impact(options);
  if (options.flag("maximum")) flags |= VIR_DOMAIN_MEM_MAXIMUM;
  options.finish();
  return change_domain(L, "Domain.set_memory", "set the memory of domain", [=](virDomainPtr domain) {
    return virDomainSetMemoryFlags(domain, static_cast<unsigned long>(bytes / kib), flags);
  });
}

int max_memory_bytes(lua_State* L) {
  return run_domain_call(L, begin_domain_call(L, "Domain.max_memory_bytes", "read the memory size of domain"),
                         [](const DomainCall& call) -> Push {
                           unsigned long size_kib = virDomainGetMaxMemory(call.get());
                           if (size_kib == 0) throw call.error();
                           return push_value(to_integer(size_kib * kib));
                         });
}

constexpr FlagOption vcpu_choices[] = {
    {"maximum", VIR_DOMAIN_VCPU_MAXIMUM},
    {"guest", VIR_DOMAIN_VCPU_GUEST},
    {"hotpluggable", VIR_DOMAIN_VCPU_HOTPLUGGABLE},
};

int set_vcpus(lua_State* L) {
  constexpr int64_t most = 65536;
  auto count = static_cast<unsigned>(Args(L, "Domain.set_vcpus").integer(2, "count", 1, most));
  Options options(L, 3, "Domain.set_vcpus");
  unsigned flags = read_impact(options) | read_flags(options, vcpu_choices);
  options.finish();
  return change_domain(L, "Domain.set_vcpus", "set the CPUs of domain",
                       [=](virDomainPtr domain) { return virDomainSetVcpusFlags(domain, count, flags); });
}

int vcpus(lua_State* L) {
  Options options(L, 2, "Domain.vcpus");
  unsigned flags = read_impact(options);
  if (options.flag("maximum")) flags |= VIR_DOMAIN_VCPU_MAXIMUM;
  if (options.flag("guest")) flags |= VIR_DOMAIN_VCPU_GUEST;
  options.finish();
  return run_domain_call(L, begin_domain_call(L, "Domain.vcpus", "count the CPUs of domain"),
                         [flags](const DomainCall& call) -> Push {
                           return push_value(call.checked(virDomainGetVcpusFlags(call.get(), flags)));
                         });
}

}  // namespace

std::vector<core::Function> domain_memory_methods() {
  constexpr const char* gone = "NO_DOMAIN, OPERATION_INVALID, UNSUPPORTED, CONNECTION_LOST";
  constexpr const char* refused =
      "NO_DOMAIN, OPERATION_INVALID, INVALID_ARGUMENT, UNSUPPORTED, CONNECTION_LOST, READ_ONLY";
  core::Value same{"domain", "virt.Domain", "The same domain."};
  return {
      {"memory_stats",
       memory_stats,
       "What the balloon says of the guest's memory. A field that is missing is unknown, not zero.",
       {},
       {{"stats", "table",
         "usable_bytes: what programs can still have (MemAvailable). available_bytes: the total that the guest sees. "
         "unused_bytes: wholly free (MemFree). balloon_bytes: its size now. rss_bytes: what it takes on the host. "
         "swap_in_bytes, swap_out_bytes, disk_caches_bytes. major_faults, minor_faults, hugetlb_allocations, "
         "hugetlb_failures: counts. last_update_s: when the guest told, seconds since 1970 of the host's clock."}},
       gone,
       Blocking::yes},
      {"set_memory_stats_period",
       set_memory_stats_period,
       "How often the guest tells; nothing is collected before a period is set.",
       {{"period_s", "integer", "Seconds; 0 stops it."}, {"options?", "table", impact_doc}},
       {same},
       refused,
       Blocking::yes,
       Effect::changes},
      {"set_memory",
       set_memory,
       "Its memory, by the balloon when it runs; or its maximum.",
       {{"memory_bytes", "integer", "Bytes; libvirt rounds to KiB."},
        {"options?", "table", std::string("maximum: boolean, the maximum instead. ") + impact_doc}},
       {same},
       refused,
       Blocking::yes,
       Effect::changes},
      {"max_memory_bytes",
       max_memory_bytes,
       "The most memory that it can have.",
       {},
       {{"memory_bytes", "integer", "Bytes; libvirt rounds to KiB."}},
       gone,
       Blocking::yes},
      {"vcpus",
       vcpus,
       "The number of its CPUs.",
       {{"options?", "table",
         std::string("maximum: boolean. guest: boolean, as the agent counts those online. ") + impact_doc}},
       {{"count", "integer", "How many."}},
       "NO_DOMAIN, OPERATION_INVALID, AGENT_UNRESPONSIVE, CONNECTION_LOST",
       Blocking::yes},
      {"set_vcpus",
       set_vcpus,
       "The number of its CPUs.",
       {{"count", "integer", "How many."},
        {"options?", "table",
         std::string("maximum: boolean, the most it may have. guest: boolean, by the agent. hotpluggable: boolean. ") +
             impact_doc}},
       {same},
       refused,
       Blocking::yes,
       Effect::changes},
  };
}

}  // namespace drover::virt
