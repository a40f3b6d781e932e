// Names of lifecycle events and their details: the constants' own words in lower case.
// Tested by tests/bindings/virt/domain_names_test.cpp.
#include "bindings/virt/enums.h"
#include "bindings/virt/event_kinds.h"

namespace drover::virt {

namespace {

constexpr EnumName<> lifecycle_events[] = {
    {VIR_DOMAIN_EVENT_DEFINED, "defined"},   {VIR_DOMAIN_EVENT_UNDEFINED, "undefined"},
    {VIR_DOMAIN_EVENT_STARTED, "started"},   {VIR_DOMAIN_EVENT_SUSPENDED, "suspended"},
    {VIR_DOMAIN_EVENT_RESUMED, "resumed"},   {VIR_DOMAIN_EVENT_STOPPED, "stopped"},
    {VIR_DOMAIN_EVENT_SHUTDOWN, "shutdown"}, {VIR_DOMAIN_EVENT_PMSUSPENDED, "pmsuspended"},
    {VIR_DOMAIN_EVENT_CRASHED, "crashed"},
};

constexpr EnumName<> defined_details[] = {
    {VIR_DOMAIN_EVENT_DEFINED_ADDED, "added"},
    {VIR_DOMAIN_EVENT_DEFINED_UPDATED, "updated"},
    {VIR_DOMAIN_EVENT_DEFINED_RENAMED, "renamed"},
    {VIR_DOMAIN_EVENT_DEFINED_FROM_SNAPSHOT, "from_snapshot"},
};
constexpr EnumName<> undefined_details[] = {
    {VIR_DOMAIN_EVENT_UNDEFINED_REMOVED, "removed"},
    {VIR_DOMAIN_EVENT_UNDEFINED_RENAMED, "renamed"},
};
constexpr EnumName<> started_details[] = {
    {VIR_DOMAIN_EVENT_STARTED_BOOTED, "booted"},     {VIR_DOMAIN_EVENT_STARTED_MIGRATED, "migrated"},
    {VIR_DOMAIN_EVENT_STARTED_RESTORED, "restored"}, {VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT, "from_snapshot"},
    {VIR_DOMAIN_EVENT_STARTED_WAKEUP, "wakeup"},
};
constexpr EnumName<> suspended_details[] = {
    {VIR_DOMAIN_EVENT_SUSPENDED_PAUSED, "paused"},
    {VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED, "migrated"},
    {VIR_DOMAIN_EVENT_SUSPENDED_IOERROR, "ioerror"},
    {VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG, "watchdog"},
    {VIR_DOMAIN_EVENT_SUSPENDED_RESTORED, "restored"},
    {VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT, "from_snapshot"},
    {VIR_DOMAIN_EVENT_SUSPENDED_API_ERROR, "api_error"},
    {VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY, "post_copy"},
    {VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED, "post_copy_failed"},
};
constexpr EnumName<> resumed_details[] = {
    {VIR_DOMAIN_EVENT_RESUMED_UNPAUSED, "unpaused"},
    {VIR_DOMAIN_EVENT_RESUMED_MIGRATED, "migrated"},
    {VIR_DOMAIN_EVENT_RESUMED_FROM_SNAPSHOT, "from_snapshot"},
    {VIR_DOMAIN_EVENT_RESUMED_POSTCOPY, "post_copy"},
    {VIR_DOMAIN_EVENT_RESUMED_POSTCOPY_FAILED, "post_copy_failed"},
};
constexpr EnumName<> stopped_details[] = {
    {VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, "shutdown"},
    {VIR_DOMAIN_EVENT_STOPPED_DESTROYED, "destroyed"},
    {VIR_DOMAIN_EVENT_STOPPED_CRASHED, "crashed"},
    {VIR_DOMAIN_EVENT_STOPPED_MIGRATED, "migrated"},
    {VIR_DOMAIN_EVENT_STOPPED_SAVED, "saved"},
    {VIR_DOMAIN_EVENT_STOPPED_FAILED, "failed"},
    {VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT, "from_snapshot"},
};
constexpr EnumName<> shutdown_details[] = {
    {VIR_DOMAIN_EVENT_SHUTDOWN_FINISHED, "finished"},
    {VIR_DOMAIN_EVENT_SHUTDOWN_GUEST, "guest"},
    {VIR_DOMAIN_EVENT_SHUTDOWN_HOST, "host"},
};
constexpr EnumName<> pmsuspended_details[] = {
    {VIR_DOMAIN_EVENT_PMSUSPENDED_MEMORY, "memory"},
    {VIR_DOMAIN_EVENT_PMSUSPENDED_DISK, "disk"},
};
constexpr EnumName<> crashed_details[] = {
    {VIR_DOMAIN_EVENT_CRASHED_PANICKED, "panicked"},
    {VIR_DOMAIN_EVENT_CRASHED_CRASHLOADED, "crashloaded"},
};

}  // namespace

std::string lifecycle_event_name(int event) { return enum_name(lifecycle_events, event); }

std::string lifecycle_detail_name(int event, int detail) {
  switch (event) {
    case VIR_DOMAIN_EVENT_DEFINED:
      return enum_name(defined_details, detail);
    case VIR_DOMAIN_EVENT_UNDEFINED:
      return enum_name(undefined_details, detail);
    case VIR_DOMAIN_EVENT_STARTED:
      return enum_name(started_details, detail);
    case VIR_DOMAIN_EVENT_SUSPENDED:
      return enum_name(suspended_details, detail);
    case VIR_DOMAIN_EVENT_RESUMED:
      return enum_name(resumed_details, detail);
    case VIR_DOMAIN_EVENT_STOPPED:
      return enum_name(stopped_details, detail);
    case VIR_DOMAIN_EVENT_SHUTDOWN:
      return enum_name(shutdown_details, detail);
    case VIR_DOMAIN_EVENT_PMSUSPENDED:
      return enum_name(pmsuspended_details, detail);
    case VIR_DOMAIN_EVENT_CRASHED:
      return enum_name(crashed_details, detail);
    default:
      return "unknown-" + std::to_string(detail);
  }
}

}  // namespace drover::virt
