// The kinds of events: their names, and the callbacks that turn libvirt's arguments into an Event.
// Tested by tests/bindings/virt/events_test.lua and the lab.
#pragma once

#include <functional>
#include <memory>

#include "bindings/virt/event_queue.h"
#include "bindings/virt/vir_connection.h"

namespace drover::virt {

std::vector<std::string> event_kind_names();

// Registrations with one connection; its end gives them back (which may ask the daemon, so not on the main thread of a
// connection that is not in this process).
class EventRegistration {
 public:
  EventRegistration(VirRef<virConnectPtr> connection, bool in_process)
      : connection_(std::move(connection)), in_process_(in_process) {}
  ~EventRegistration();
  EventRegistration(const EventRegistration&) = delete;
  EventRegistration& operator=(const EventRegistration&) = delete;

  // Blocks. domain may be null: all domains. Returns false when libvirt refused.
  bool add(const std::string& kind, virDomainPtr domain, const std::shared_ptr<EventQueue>& queue);
  // Blocks.
  void remove_all();

 private:
  VirRef<virConnectPtr> connection_;
  bool in_process_;
  std::vector<int> ids_;
};

std::string lifecycle_event_name(int event);
std::string lifecycle_detail_name(int event, int detail);

}  // namespace drover::virt
