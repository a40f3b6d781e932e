#include "bindings/virt/job_fields.h"

#include "bindings/virt/domain_names.h"

namespace drover::virt {

namespace {

struct JobField {
  const char* libvirt_name;
  const char* name;
};

constexpr JobField job_field_table[] = {
    {VIR_DOMAIN_JOB_OPERATION, "operation"},
    {VIR_DOMAIN_JOB_TIME_ELAPSED, "time_elapsed_ms"},
    {VIR_DOMAIN_JOB_TIME_ELAPSED_NET, "time_elapsed_net_ms"},
    {VIR_DOMAIN_JOB_TIME_REMAINING, "time_remaining_ms"},
    {VIR_DOMAIN_JOB_DOWNTIME, "downtime_ms"},
    {VIR_DOMAIN_JOB_DOWNTIME_NET, "downtime_net_ms"},
    {VIR_DOMAIN_JOB_SETUP_TIME, "setup_time_ms"},
    {VIR_DOMAIN_JOB_DATA_TOTAL, "data_total_bytes"},
    {VIR_DOMAIN_JOB_DATA_PROCESSED, "data_processed_bytes"},
    {VIR_DOMAIN_JOB_DATA_REMAINING, "data_remaining_bytes"},
    {VIR_DOMAIN_JOB_MEMORY_TOTAL, "memory_total_bytes"},
    {VIR_DOMAIN_JOB_MEMORY_PROCESSED, "memory_processed_bytes"},
    {VIR_DOMAIN_JOB_MEMORY_REMAINING, "memory_remaining_bytes"},
    {VIR_DOMAIN_JOB_MEMORY_CONSTANT, "memory_constant_pages"},
    {VIR_DOMAIN_JOB_MEMORY_NORMAL, "memory_normal_pages"},
    {VIR_DOMAIN_JOB_MEMORY_NORMAL_BYTES, "memory_normal_bytes"},
    {VIR_DOMAIN_JOB_MEMORY_BPS, "memory_bytes_per_s"},
    {VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE, "memory_dirty_rate_pages_per_s"},
    {VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE, "memory_page_size_bytes"},
    {VIR_DOMAIN_JOB_MEMORY_ITERATION, "memory_iteration"},
    {VIR_DOMAIN_JOB_MEMORY_POSTCOPY_REQS, "memory_post_copy_requests"},
    {VIR_DOMAIN_JOB_DISK_TOTAL, "disk_total_bytes"},
    {VIR_DOMAIN_JOB_DISK_PROCESSED, "disk_processed_bytes"},
    {VIR_DOMAIN_JOB_DISK_REMAINING, "disk_remaining_bytes"},
    {VIR_DOMAIN_JOB_DISK_BPS, "disk_bytes_per_s"},
    {VIR_DOMAIN_JOB_COMPRESSION_CACHE, "compression_cache_bytes"},
    {VIR_DOMAIN_JOB_COMPRESSION_BYTES, "compression_bytes"},
    {VIR_DOMAIN_JOB_COMPRESSION_PAGES, "compression_pages"},
    {VIR_DOMAIN_JOB_COMPRESSION_CACHE_MISSES, "compression_cache_misses"},
    {VIR_DOMAIN_JOB_COMPRESSION_OVERFLOW, "compression_overflows"},
    {VIR_DOMAIN_JOB_AUTO_CONVERGE_THROTTLE, "auto_converge_throttle_percent"},
    {VIR_DOMAIN_JOB_SUCCESS, "success"},
    {VIR_DOMAIN_JOB_ERRMSG, "error_message"},
    {VIR_DOMAIN_JOB_DISK_TEMP_USED, "disk_temp_used_bytes"},
    {VIR_DOMAIN_JOB_DISK_TEMP_TOTAL, "disk_temp_total_bytes"},
};

}  // namespace

const char* job_field_name(const std::string& libvirt_name) {
  for (const JobField& field : job_field_table) {
    if (libvirt_name == field.libvirt_name) return field.name;
  }
  return nullptr;
}

Fields job_fields(const virTypedParameter* list, int count) {
  Fields fields;
  for (int i = 0; i < count; ++i) {
    const char* known = job_field_name(list[i].field);
    Scalar value = scalar_of(list[i]);
    if (std::string(list[i].field) == VIR_DOMAIN_JOB_OPERATION) {
      value = job_operation_name(static_cast<int>(std::get<int64_t>(value)));
    }
    fields.emplace_back(known != nullptr ? known : list[i].field, std::move(value));
  }
  return fields;
}

}  // namespace drover::virt
