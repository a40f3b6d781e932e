#include "bindings/virt/domain_names.h"

#include <libvirt/libvirt.h>

namespace drover::virt {

namespace {

using Name = EnumName<>;

constexpr Name states[] = {
    {VIR_DOMAIN_NOSTATE, "nostate"}, {VIR_DOMAIN_RUNNING, "running"},         {VIR_DOMAIN_BLOCKED, "blocked"},
    {VIR_DOMAIN_PAUSED, "paused"},   {VIR_DOMAIN_SHUTDOWN, "shutdown"},       {VIR_DOMAIN_SHUTOFF, "shutoff"},
    {VIR_DOMAIN_CRASHED, "crashed"}, {VIR_DOMAIN_PMSUSPENDED, "pmsuspended"},
};

constexpr Name running_reasons[] = {
    {VIR_DOMAIN_RUNNING_UNKNOWN, "unknown"},
    {VIR_DOMAIN_RUNNING_BOOTED, "booted"},
    {VIR_DOMAIN_RUNNING_MIGRATED, "migrated"},
    {VIR_DOMAIN_RUNNING_RESTORED, "restored"},
    {VIR_DOMAIN_RUNNING_FROM_SNAPSHOT, "from_snapshot"},
    {VIR_DOMAIN_RUNNING_UNPAUSED, "unpaused"},
    {VIR_DOMAIN_RUNNING_MIGRATION_CANCELED, "migration_canceled"},
    {VIR_DOMAIN_RUNNING_SAVE_CANCELED, "save_canceled"},
    {VIR_DOMAIN_RUNNING_WAKEUP, "wakeup"},
    {VIR_DOMAIN_RUNNING_CRASHED, "crashed"},
    {VIR_DOMAIN_RUNNING_POSTCOPY, "post_copy"},
    {VIR_DOMAIN_RUNNING_POSTCOPY_FAILED, "post_copy_failed"},
};

constexpr Name paused_reasons[] = {
    {VIR_DOMAIN_PAUSED_UNKNOWN, "unknown"},
    {VIR_DOMAIN_PAUSED_USER, "user"},
    {VIR_DOMAIN_PAUSED_MIGRATION, "migration"},
    {VIR_DOMAIN_PAUSED_SAVE, "save"},
    {VIR_DOMAIN_PAUSED_DUMP, "dump"},
    {VIR_DOMAIN_PAUSED_IOERROR, "ioerror"},
    {VIR_DOMAIN_PAUSED_WATCHDOG, "watchdog"},
    {VIR_DOMAIN_PAUSED_FROM_SNAPSHOT, "from_snapshot"},
    {VIR_DOMAIN_PAUSED_SHUTTING_DOWN, "shutting_down"},
    {VIR_DOMAIN_PAUSED_SNAPSHOT, "snapshot"},
    {VIR_DOMAIN_PAUSED_CRASHED, "crashed"},
    {VIR_DOMAIN_PAUSED_STARTING_UP, "starting_up"},
    {VIR_DOMAIN_PAUSED_POSTCOPY, "post_copy"},
    {VIR_DOMAIN_PAUSED_POSTCOPY_FAILED, "post_copy_failed"},
};

constexpr Name shutdown_reasons[] = {
    {VIR_DOMAIN_SHUTDOWN_UNKNOWN, "unknown"},
    {VIR_DOMAIN_SHUTDOWN_USER, "user"},
};

constexpr Name shutoff_reasons[] = {
    {VIR_DOMAIN_SHUTOFF_UNKNOWN, "unknown"},     {VIR_DOMAIN_SHUTOFF_SHUTDOWN, "shutdown"},
    {VIR_DOMAIN_SHUTOFF_DESTROYED, "destroyed"}, {VIR_DOMAIN_SHUTOFF_CRASHED, "crashed"},
    {VIR_DOMAIN_SHUTOFF_MIGRATED, "migrated"},   {VIR_DOMAIN_SHUTOFF_SAVED, "saved"},
    {VIR_DOMAIN_SHUTOFF_FAILED, "failed"},       {VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT, "from_snapshot"},
    {VIR_DOMAIN_SHUTOFF_DAEMON, "daemon"},
};

constexpr Name crashed_reasons[] = {
    {VIR_DOMAIN_CRASHED_UNKNOWN, "unknown"},
    {VIR_DOMAIN_CRASHED_PANICKED, "panicked"},
};

constexpr Name job_types[] = {
    {VIR_DOMAIN_JOB_NONE, "none"},           {VIR_DOMAIN_JOB_BOUNDED, "bounded"},
    {VIR_DOMAIN_JOB_UNBOUNDED, "unbounded"}, {VIR_DOMAIN_JOB_COMPLETED, "completed"},
    {VIR_DOMAIN_JOB_FAILED, "failed"},       {VIR_DOMAIN_JOB_CANCELLED, "cancelled"},
};

constexpr Name job_operations[] = {
    {VIR_DOMAIN_JOB_OPERATION_UNKNOWN, "unknown"},
    {VIR_DOMAIN_JOB_OPERATION_START, "start"},
    {VIR_DOMAIN_JOB_OPERATION_SAVE, "save"},
    {VIR_DOMAIN_JOB_OPERATION_RESTORE, "restore"},
    {VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN, "migration_in"},
    {VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT, "migration_out"},
    {VIR_DOMAIN_JOB_OPERATION_SNAPSHOT, "snapshot"},
    {VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT, "snapshot_revert"},
    {VIR_DOMAIN_JOB_OPERATION_DUMP, "dump"},
    {VIR_DOMAIN_JOB_OPERATION_BACKUP, "backup"},
    {VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_DELETE, "snapshot_delete"},
};

constexpr Name block_job_types[] = {
    {VIR_DOMAIN_BLOCK_JOB_TYPE_UNKNOWN, "unknown"},
    {VIR_DOMAIN_BLOCK_JOB_TYPE_PULL, "pull"},
    {VIR_DOMAIN_BLOCK_JOB_TYPE_COPY, "copy"},
    {VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT, "commit"},
    {VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT, "active_commit"},
    {VIR_DOMAIN_BLOCK_JOB_TYPE_BACKUP, "backup"},
};

}  // namespace

const char* known_domain_state_name(int state) {
  for (const Name& entry : states) {
    if (entry.number == state) return entry.name;
  }
  return nullptr;
}

std::string domain_state_name(int state) { return enum_name(states, state); }

std::string domain_reason_name(int state, int reason) {
  switch (state) {
    case VIR_DOMAIN_RUNNING:
      return enum_name(running_reasons, reason);
    case VIR_DOMAIN_PAUSED:
      return enum_name(paused_reasons, reason);
    case VIR_DOMAIN_SHUTDOWN:
      return enum_name(shutdown_reasons, reason);
    case VIR_DOMAIN_SHUTOFF:
      return enum_name(shutoff_reasons, reason);
    case VIR_DOMAIN_CRASHED:
      return enum_name(crashed_reasons, reason);
    default:
      return reason == 0 ? "unknown" : "unknown-" + std::to_string(reason);
  }
}

std::string job_type_name(int type) { return enum_name(job_types, type); }
std::string job_operation_name(int operation) { return enum_name(job_operations, operation); }
std::string block_job_type_name(int type) { return enum_name(block_job_types, type); }

}  // namespace drover::virt
