#include "bindings/virt/event_kinds.h"

#include <thread>

#include "bindings/virt/domain_names.h"
#include "bindings/virt/enums.h"
#include "bindings/virt/job_fields.h"

namespace drover::virt {

namespace {

// What a callback of libvirt gets as its opaque pointer; it lives until libvirt frees it.
struct Subscription {
  std::shared_ptr<EventQueue> queue;
  std::string kind;
};

void deliver(virDomainPtr domain, void* opaque, Fields fields) {
  auto* subscription = static_cast<Subscription*>(opaque);
  char uuid[VIR_UUID_STRING_BUFLEN] = "";
  virDomainGetUUIDString(domain, uuid);
  subscription->queue->push({subscription->kind, virDomainGetName(domain), uuid, std::move(fields)});
}

std::string text_of(const char* text) { return text != nullptr ? text : ""; }

void on_lifecycle(virConnectPtr, virDomainPtr domain, int event, int detail, void* opaque) {
  deliver(domain, opaque, {{"event", lifecycle_event_name(event)}, {"detail", lifecycle_detail_name(event, detail)}});
}

void on_plain(virConnectPtr, virDomainPtr domain, void* opaque) { deliver(domain, opaque, {}); }

void on_reason(virConnectPtr, virDomainPtr domain, int, void* opaque) { deliver(domain, opaque, {}); }

void on_clock(virConnectPtr, virDomainPtr domain, long long offset_s, void* opaque) {
  deliver(domain, opaque, {{"offset_s", static_cast<int64_t>(offset_s)}});
}

void on_watchdog(virConnectPtr, virDomainPtr domain, int action, void* opaque) {
  static constexpr EnumName<> actions[] = {
      {VIR_DOMAIN_EVENT_WATCHDOG_NONE, "none"},          {VIR_DOMAIN_EVENT_WATCHDOG_PAUSE, "pause"},
      {VIR_DOMAIN_EVENT_WATCHDOG_RESET, "reset"},        {VIR_DOMAIN_EVENT_WATCHDOG_POWEROFF, "poweroff"},
      {VIR_DOMAIN_EVENT_WATCHDOG_SHUTDOWN, "shutdown"},  {VIR_DOMAIN_EVENT_WATCHDOG_DEBUG, "debug"},
      {VIR_DOMAIN_EVENT_WATCHDOG_INJECTNMI, "injectnmi"}};
  deliver(domain, opaque, {{"action", enum_name(actions, action)}});
}

void on_io_error(virConnectPtr, virDomainPtr domain, const char* path, const char* alias, int action,
                 const char* reason, void* opaque) {
  static constexpr EnumName<> actions[] = {{VIR_DOMAIN_EVENT_IO_ERROR_NONE, "none"},
                                           {VIR_DOMAIN_EVENT_IO_ERROR_PAUSE, "pause"},
                                           {VIR_DOMAIN_EVENT_IO_ERROR_REPORT, "report"}};
  deliver(domain, opaque,
          {{"path", text_of(path)},
           {"device", text_of(alias)},
           {"action", enum_name(actions, action)},
           {"reason", text_of(reason)}});
}

void on_block_job(virConnectPtr, virDomainPtr domain, const char* disk, int type, int status, void* opaque) {
  static constexpr EnumName<> statuses[] = {{VIR_DOMAIN_BLOCK_JOB_COMPLETED, "completed"},
                                            {VIR_DOMAIN_BLOCK_JOB_FAILED, "failed"},
                                            {VIR_DOMAIN_BLOCK_JOB_CANCELED, "canceled"},
                                            {VIR_DOMAIN_BLOCK_JOB_READY, "ready"}};
  deliver(domain, opaque,
          {{"disk", text_of(disk)}, {"type", block_job_type_name(type)}, {"status", enum_name(statuses, status)}});
}

void on_disk_change(virConnectPtr, virDomainPtr domain, const char* old_path, const char* new_path, const char* alias,
                    int, void* opaque) {
  deliver(domain, opaque,
          {{"old_path", text_of(old_path)}, {"new_path", text_of(new_path)}, {"device", text_of(alias)}});
}

void on_tray(virConnectPtr, virDomainPtr domain, const char* alias, int reason, void* opaque) {
  deliver(domain, opaque, {{"device", text_of(alias)}, {"open", reason == VIR_DOMAIN_EVENT_TRAY_CHANGE_OPEN}});
}

void on_balloon(virConnectPtr, virDomainPtr domain, unsigned long long size_kib, void* opaque) {
  deliver(domain, opaque, {{"memory_bytes", to_integer(size_kib * kib)}});
}

void on_device(virConnectPtr, virDomainPtr domain, const char* alias, void* opaque) {
  deliver(domain, opaque, {{"device", text_of(alias)}});
}

void on_agent(virConnectPtr, virDomainPtr domain, int state, int reason, void* opaque) {
  static constexpr EnumName<> states[] = {
      {VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED, "connected"},
      {VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_DISCONNECTED, "disconnected"}};
  static constexpr EnumName<> reasons[] = {
      {VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_UNKNOWN, "unknown"},
      {VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_DOMAIN_STARTED, "domain_started"},
      {VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL, "channel"}};
  deliver(domain, opaque, {{"event", enum_name(states, state)}, {"detail", enum_name(reasons, reason)}});
}

void on_iteration(virConnectPtr, virDomainPtr domain, int iteration, void* opaque) {
  deliver(domain, opaque, {{"iteration", static_cast<int64_t>(iteration)}});
}

void on_job(virConnectPtr, virDomainPtr domain, virTypedParameterPtr list, int count, void* opaque) {
  deliver(domain, opaque, job_fields(list, count));
}

void on_metadata(virConnectPtr, virDomainPtr domain, int type, const char* uri, void* opaque) {
  static constexpr EnumName<> types[] = {{VIR_DOMAIN_METADATA_DESCRIPTION, "description"},
                                         {VIR_DOMAIN_METADATA_TITLE, "title"},
                                         {VIR_DOMAIN_METADATA_ELEMENT, "element"}};
  deliver(domain, opaque, {{"type", enum_name(types, type)}, {"uri", text_of(uri)}});
}

struct EventKind {
  const char* name;
  int id;
  virConnectDomainEventGenericCallback callback;
};

template <class Callback>
virConnectDomainEventGenericCallback as_callback(Callback callback) {
  return VIR_DOMAIN_EVENT_CALLBACK(callback);
}

const std::vector<EventKind>& event_kinds() {
  static const std::vector<EventKind> kinds{
      {"lifecycle", VIR_DOMAIN_EVENT_ID_LIFECYCLE, as_callback(on_lifecycle)},
      {"reboot", VIR_DOMAIN_EVENT_ID_REBOOT, as_callback(on_plain)},
      {"clock", VIR_DOMAIN_EVENT_ID_RTC_CHANGE, as_callback(on_clock)},
      {"watchdog", VIR_DOMAIN_EVENT_ID_WATCHDOG, as_callback(on_watchdog)},
      {"io_error", VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, as_callback(on_io_error)},
      {"control_error", VIR_DOMAIN_EVENT_ID_CONTROL_ERROR, as_callback(on_plain)},
      {"block_job", VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, as_callback(on_block_job)},
      {"disk_change", VIR_DOMAIN_EVENT_ID_DISK_CHANGE, as_callback(on_disk_change)},
      {"tray", VIR_DOMAIN_EVENT_ID_TRAY_CHANGE, as_callback(on_tray)},
      {"pmwakeup", VIR_DOMAIN_EVENT_ID_PMWAKEUP, as_callback(on_reason)},
      {"pmsuspend", VIR_DOMAIN_EVENT_ID_PMSUSPEND, as_callback(on_reason)},
      {"balloon", VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, as_callback(on_balloon)},
      {"device_added", VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, as_callback(on_device)},
      {"device_removed", VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, as_callback(on_device)},
      {"device_removal_failed", VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, as_callback(on_device)},
      {"agent", VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, as_callback(on_agent)},
      {"migration_iteration", VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION, as_callback(on_iteration)},
      {"job", VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, as_callback(on_job)},
      {"metadata", VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, as_callback(on_metadata)},
  };
  return kinds;
}

}  // namespace

std::vector<std::string> event_kind_names() {
  std::vector<std::string> names;
  for (const EventKind& kind : event_kinds()) names.push_back(kind.name);
  return names;
}

bool EventRegistration::add(const std::string& kind, virDomainPtr domain, const std::shared_ptr<EventQueue>& queue) {
  for (const EventKind& known : event_kinds()) {
    if (kind != known.name) continue;
    auto* subscription = new Subscription{queue, kind};
    int id = virConnectDomainEventRegisterAny(connection_.get(), domain, known.id, known.callback, subscription,
                                              [](void* opaque) { delete static_cast<Subscription*>(opaque); });
    if (id < 0) {
      delete subscription;
      return false;
    }
    ids_.push_back(id);
    return true;
  }
  return false;
}

void EventRegistration::remove_all() {
  for (int id : std::exchange(ids_, {})) virConnectDomainEventDeregisterAny(connection_.get(), id);
  virResetLastError();
  connection_.reset();
}

EventRegistration::~EventRegistration() {
  if (ids_.empty()) return;
  if (in_process_) {
    remove_all();
    return;
  }
  auto remains = std::make_shared<EventRegistration>(std::move(connection_), true);
  remains->ids_ = std::exchange(ids_, {});
  std::thread([remains] { remains->remove_all(); }).detach();
}

}  // namespace drover::virt
