// Disks and interfaces of a domain: sizes, statistics, block jobs, resize, errors. A disk is named by its target
// ("vda") or its source path. Tested by tests/bindings/virt/domain_block_test.lua and the lab.
#include "bindings/virt/domain.h"
#include "bindings/virt/domain_names.h"
#include "bindings/virt/scalar.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::Effect;
using core::Options;
using core::Push;

Push push_fields(Fields fields) {
  return [fields = std::move(fields)](lua_State* L) {
    lua_createtable(L, 0, static_cast<int>(fields.size()));
    set_fields(L, fields);
    return 1;
  };
}

int block_info(lua_State* L) {
  std::string disk = Args(L, "Domain.block_info").text(2, "disk");
  return run_domain_call(L, begin_domain_call(L, "Domain.block_info", "read the size of disk " + disk + " of domain"),
                         [disk](const DomainCall& call) -> Push {
                           virDomainBlockInfo info{};
                           call.checked(virDomainGetBlockInfo(call.get(), disk.c_str(), &info, 0));
                           return push_fields({{"capacity_bytes", to_integer(info.capacity)},
                                               {"allocation_bytes", to_integer(info.allocation)},
                                               {"physical_bytes", to_integer(info.physical)}});
                         });
}

int block_stats(lua_State* L) {
  std::string disk = Args(L, "Domain.block_stats").text(2, "disk");
  return run_domain_call(
      L, begin_domain_call(L, "Domain.block_stats", "read the statistics of disk " + disk + " of domain"),
      [disk](const DomainCall& call) -> Push {
        virDomainBlockStatsStruct stats{};
        call.checked(virDomainBlockStats(call.get(), disk.c_str(), &stats, sizeof stats));
        Fields fields;
        const std::pair<const char*, long long> figures[] = {{"read_requests", stats.rd_req},
                                                             {"read_bytes", stats.rd_bytes},
                                                             {"write_requests", stats.wr_req},
                                                             {"write_bytes", stats.wr_bytes},
                                                             {"errors", stats.errs}};
        for (const auto& [name, value] : figures) {
          if (value >= 0) fields.emplace_back(name, static_cast<int64_t>(value));  // -1: the driver does not know
        }
        return push_fields(std::move(fields));
      });
}

int interface_stats(lua_State* L) {
  std::string device = Args(L, "Domain.interface_stats").text(2, "device");
  return run_domain_call(
      L, begin_domain_call(L, "Domain.interface_stats", "read the statistics of interface " + device + " of domain"),
      [device](const DomainCall& call) -> Push {
        virDomainInterfaceStatsStruct stats{};
        call.checked(virDomainInterfaceStats(call.get(), device.c_str(), &stats, sizeof stats));
        Fields fields;
        const std::pair<const char*, long long> figures[] = {
            {"rx_bytes", stats.rx_bytes}, {"rx_packets", stats.rx_packets}, {"rx_errors", stats.rx_errs},
            {"rx_drops", stats.rx_drop},  {"tx_bytes", stats.tx_bytes},     {"tx_packets", stats.tx_packets},
            {"tx_errors", stats.tx_errs}, {"tx_drops", stats.tx_drop}};
        for (const auto& [name, value] : figures) {
          if (value >= 0) fields.emplace_back(name, static_cast<int64_t>(value));
        }
        return push_fields(std::move(fields));
      });
}

int block_job(lua_State* L) {
  std::string disk = Args(L, "Domain.block_job").text(2, "disk");
  return run_domain_call(L, begin_domain_call(L, "Domain.block_job", "look at the job of disk " + disk + " of domain"),
                         [disk](const DomainCall& call) -> Push {
                           virDomainBlockJobInfo info{};
                           int found = call.checked(virDomainGetBlockJobInfo(
                               call.get(), disk.c_str(), &info, VIR_DOMAIN_BLOCK_JOB_INFO_BANDWIDTH_BYTES));
                           if (found == 0) {
                             return [](lua_State* state) {
                               lua_pushnil(state);
                               return 1;
                             };
                           }
                           return push_fields({{"type", block_job_type_name(info.type)},
                                               {"bandwidth_bytes_per_s", to_integer(info.bandwidth)},
                                               {"current", to_integer(info.cur)},
                                               {"total", to_integer(info.end)}});
                         });
}

int abort_block_job(lua_State* L) {
  static constexpr FlagOption choices[] = {{"async", VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC},
                                           {"pivot", VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT}};
  std::string disk = Args(L, "Domain.abort_block_job").text(2, "disk");
  Options options(L, 3, "Domain.abort_block_job");
  unsigned flags = read_flags(options, choices);
  options.finish();
  return change_domain(L, "Domain.abort_block_job", "end the job of disk " + disk + " of domain",
                       [=](virDomainPtr domain) { return virDomainBlockJobAbort(domain, disk.c_str(), flags); });
}

int block_resize(lua_State* L) {
  Args args(L, "Domain.block_resize");
  std::string disk = args.text(2, "disk");
  int64_t bytes = args.integer(3, "capacity_bytes", 1);
  return change_domain(L, "Domain.block_resize", "resize disk " + disk + " of domain", [=](virDomainPtr domain) {
    return virDomainBlockResize(domain, disk.c_str(), static_cast<unsigned long long>(bytes),
                                VIR_DOMAIN_BLOCK_RESIZE_BYTES);
  });
}

int disk_errors(lua_State* L) {
  return run_domain_call(
      L, begin_domain_call(L, "Domain.disk_errors", "read the disk errors of domain"),
      [](const DomainCall& call) -> Push {
        int most = call.checked(virDomainGetDiskErrors(call.get(), nullptr, 0, 0));
        std::vector<virDomainDiskError> found(static_cast<size_t>(most));
        int count = most == 0 ? 0 : call.checked(virDomainGetDiskErrors(call.get(), found.data(), found.size(), 0));
        std::map<std::string, std::string> errors;
        for (int i = 0; i < count; ++i) {
          virDomainDiskError& one = found[static_cast<size_t>(i)];
          errors[one.disk] = one.error == VIR_DOMAIN_DISK_ERROR_NO_SPACE ? "no_space" : "unspecified";
          free(one.disk);
        }
        return push_value(std::move(errors));
      });
}

}  // namespace

std::vector<core::Function> domain_block_methods() {
  constexpr const char* gone = "NO_DOMAIN, INVALID_ARGUMENT, OPERATION_INVALID, UNSUPPORTED, CONNECTION_LOST";
  core::Value disk{"disk", "string", "Target name as vda, or source path."};
  core::Value same{"domain", "virt.Domain", "The same domain."};
  return {
      {"block_info",
       block_info,
       "Sizes of a disk.",
       {disk},
       {{"info", "table",
         "capacity_bytes: as the guest sees it. allocation_bytes: written so far. physical_bytes: of the file."}},
       gone,
       Blocking::yes},
      {"block_stats",
       block_stats,
       "Requests and bytes of a disk of a running domain.",
       {disk},
       {{"stats", "table",
         "read_requests, read_bytes, write_requests, write_bytes, errors; what is unknown is missing."}},
       gone,
       Blocking::yes},
      {"interface_stats",
       interface_stats,
       "Traffic of an interface, as the host sees its device.",
       {{"device", "string", "Target device as vnet0, or MAC address."}},
       {{"stats", "table", "rx_ and tx_, each with bytes, packets, errors, drops; what is unknown is missing."}},
       gone,
       Blocking::yes},
      {"block_job",
       block_job,
       "The block job of a disk, or nil when there is none.",
       {disk},
       {{"job?", "table",
         "type: pull, copy, commit, active_commit, backup. bandwidth_bytes_per_s. current, total: progress; they are "
         "equal when a copy is ready."}},
       gone,
       Blocking::yes},
      {"abort_block_job",
       abort_block_job,
       "Ends the block job of a disk.",
       {disk,
        {"options?", "table", "pivot: boolean, goes over to the copy. async: boolean, does not wait for the end."}},
       {same},
       "NO_DOMAIN, INVALID_ARGUMENT, OPERATION_INVALID, RESOURCE_BUSY, CONNECTION_LOST, READ_ONLY",
       Blocking::yes,
       Effect::changes},
      {"block_resize",
       block_resize,
       "Gives a disk of a running domain another size; a smaller one loses data.",
       {disk, {"capacity_bytes", "integer", "The new size in bytes."}},
       {same},
       "NO_DOMAIN, INVALID_ARGUMENT, OPERATION_INVALID, NO_SPACE, UNSUPPORTED, CONNECTION_LOST, READ_ONLY",
       Blocking::yes,
       Effect::changes},
      {"disk_errors",
       disk_errors,
       "Disks that stopped on an error.",
       {},
       {{"errors", "table", "By disk: no_space or unspecified; empty when all is well."}},
       gone,
       Blocking::yes},
  };
}

}  // namespace drover::virt
