// Shows that states and reasons have names, and that numbers of a newer libvirt do too.
#include "bindings/virt/domain_names.h"

#include <libvirt/libvirt.h>

#include <catch2/catch.hpp>

#include "bindings/virt/event_kinds.h"
#include "tests/bindings/virt/libvirt_header.h"

using namespace drover::virt;

namespace {

// Every "PREFIX_WORD = number" of the header must have a name that is not "unknown-number".
void check_complete(const std::string& prefix, size_t least, const std::function<std::string(int)>& name_of) {
  auto numbers = names_in_header("\\s" + prefix + "_[A-Z_]+\\s*=\\s*([0-9]+)\\s*[,/]");
  CHECK(numbers.size() >= least);
  for (const std::string& number : numbers) {
    INFO(prefix << " " << number);
    CHECK(name_of(std::stoi(number)).rfind("unknown-", 0) == std::string::npos);
  }
}

}  // namespace

TEST_CASE("every reason of libvirt's header has a name", "[virt]") {
  using Reason = std::pair<const char*, int>;
  for (auto [prefix, state] :
       {Reason{"VIR_DOMAIN_RUNNING", VIR_DOMAIN_RUNNING}, Reason{"VIR_DOMAIN_PAUSED", VIR_DOMAIN_PAUSED},
        Reason{"VIR_DOMAIN_SHUTOFF", VIR_DOMAIN_SHUTOFF}, Reason{"VIR_DOMAIN_CRASHED", VIR_DOMAIN_CRASHED}}) {
    int of_state = state;
    check_complete(prefix, 2, [of_state](int reason) { return domain_reason_name(of_state, reason); });
  }
  CHECK(domain_state_name(VIR_DOMAIN_PAUSED) == "paused");
  CHECK(domain_reason_name(VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_MIGRATION) == "migration");
  CHECK(domain_reason_name(VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_POSTCOPY_FAILED) == "post_copy_failed");
  CHECK(domain_reason_name(VIR_DOMAIN_RUNNING, 99) == "unknown-99");
}

TEST_CASE("every job and block job of libvirt's header has a name", "[virt]") {
  check_complete("VIR_DOMAIN_JOB_OPERATION", 11, job_operation_name);
  check_complete("VIR_DOMAIN_BLOCK_JOB_TYPE", 6, block_job_type_name);
}

TEST_CASE("every lifecycle detail of libvirt's header has a name", "[virt]") {
  using Detail = std::pair<const char*, int>;
  for (auto [prefix, event] : {Detail{"VIR_DOMAIN_EVENT_DEFINED", VIR_DOMAIN_EVENT_DEFINED},
                               Detail{"VIR_DOMAIN_EVENT_UNDEFINED", VIR_DOMAIN_EVENT_UNDEFINED},
                               Detail{"VIR_DOMAIN_EVENT_STARTED", VIR_DOMAIN_EVENT_STARTED},
                               Detail{"VIR_DOMAIN_EVENT_SUSPENDED", VIR_DOMAIN_EVENT_SUSPENDED},
                               Detail{"VIR_DOMAIN_EVENT_RESUMED", VIR_DOMAIN_EVENT_RESUMED},
                               Detail{"VIR_DOMAIN_EVENT_STOPPED", VIR_DOMAIN_EVENT_STOPPED},
                               Detail{"VIR_DOMAIN_EVENT_SHUTDOWN", VIR_DOMAIN_EVENT_SHUTDOWN},
                               Detail{"VIR_DOMAIN_EVENT_CRASHED", VIR_DOMAIN_EVENT_CRASHED}}) {
    int of_event = event;
    check_complete(prefix, 2, [of_event](int detail) { return lifecycle_detail_name(of_event, detail); });
  }
  CHECK(lifecycle_event_name(VIR_DOMAIN_EVENT_STOPPED) == "stopped");
  CHECK(lifecycle_detail_name(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_MIGRATED) == "migrated");
}
