// Jobs of a domain: what runs, what ran, how to end it. Type "none" cannot tell success from failure: after a move ask
// where the domain is. [nova virt/libvirt/migration.py] Tested by tests/bindings/virt/job_fields_test.cpp and the lab.
#include "bindings/virt/job_fields.h"

#include "bindings/virt/domain.h"
#include "bindings/virt/domain_names.h"

namespace drover::virt {

namespace {

using core::Blocking;
using core::Effect;
using core::Options;
using core::Push;

int read_job(lua_State* L, const char* function, unsigned flags) {
  return run_domain_call(
      L, begin_domain_call(L, function, "read the job of domain"), [flags](const DomainCall& call) -> Push {
        TypedParameters parameters;
        int type = VIR_DOMAIN_JOB_NONE;
        call.checked(virDomainGetJobStats(call.get(), &type, &parameters.list, &parameters.count, flags));
        Fields fields = job_fields(parameters.list, parameters.count);
        fields.emplace_back("type", job_type_name(type));
        return [fields = std::move(fields)](lua_State* state) {
          lua_createtable(state, 0, static_cast<int>(fields.size()));
          set_fields(state, fields);
          return 1;
        };
      });
}

int job(lua_State* L) { return read_job(L, "Domain.job", 0); }

int job_completed(lua_State* L) {
  Options options(L, 2, "Domain.job_completed");
  unsigned flags = VIR_DOMAIN_JOB_STATS_COMPLETED;
  if (options.flag("keep")) flags |= VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED;
  options.finish();
  return read_job(L, "Domain.job_completed", flags);
}

int abort_job(lua_State* L) {
  Options options(L, 2, "Domain.abort_job");
  unsigned flags = options.flag("post_copy") ? VIR_DOMAIN_ABORT_JOB_POSTCOPY : 0;
  options.finish();
  return change_domain(L, "Domain.abort_job", "abort the job of domain", [flags](virDomainPtr domain) {
    return flags == 0 ? virDomainAbortJob(domain) : virDomainAbortJobFlags(domain, flags);
  });
}

}  // namespace

std::vector<core::Function> domain_job_methods() {
  constexpr const char* gone = "NO_DOMAIN, OPERATION_INVALID, UNSUPPORTED, CONNECTION_LOST";
  core::Value fields{
      "job", "table",
      "type: none, bounded, unbounded, completed, failed, cancelled. operation: migration_out, backup, ... "
      "time_elapsed_ms, time_remaining_ms, downtime_ms (expected while it runs, measured after), setup_time_ms. "
      "data_, memory_, disk_ each with total_bytes, processed_bytes, remaining_bytes. memory_bytes_per_s, "
      "disk_bytes_per_s, memory_dirty_rate_pages_per_s, memory_page_size_bytes, memory_iteration, "
      "memory_constant_pages, "
      "memory_normal_pages, memory_normal_bytes, memory_post_copy_requests, auto_converge_throttle_percent, "
      "compression_*, disk_temp_used_bytes, disk_temp_total_bytes, success, error_message. What the host did not tell "
      "is missing."};
  return {
      {"job", job, "The job that runs, with its figures.", {}, {fields}, gone, Blocking::yes},
      {"job_completed",
       job_completed,
       "The figures of the last job. Both sides of a move have them; the source only while it still knows the domain.",
       {{"options?", "table", "keep: boolean; without it they are given once."}},
       {fields},
       gone,
       Blocking::yes},
      {"abort_job",
       abort_job,
       "Asks for an end of the job; on the source only. It may still end well: ask both hosts.",
       {{"options?", "table", "post_copy: boolean, pauses a post-copy move, to be resumed with post_copy_resume."}},
       {{"domain", "virt.Domain", "The same domain."}},
       "OPERATION_INVALID, NO_DOMAIN, CONNECTION_LOST, READ_ONLY",
       Blocking::yes,
       Effect::changes},
  };
}

}  // namespace drover::virt
