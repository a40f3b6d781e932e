// Puts the module together: each file gives its functions, its class, and the methods it adds to virt.Connection.
// Tested by tests/bindings/documented_test.lua.
#include "bindings/core/object.h"
#include "bindings/virt/connection.h"
#include "bindings/virt/domain.h"
#include "bindings/virt/event_stream.h"
#include "bindings/virt/host_facts.h"
#include "bindings/virt/interface.h"
#include "bindings/virt/network.h"
#include "bindings/virt/node_device.h"
#include "bindings/virt/secret.h"
#include "bindings/virt/statistics.h"
#include "bindings/virt/storage_pool.h"
#include "bindings/virt/storage_volume.h"
#include "bindings/virt/virt.h"

namespace drover::virt {

namespace {

std::vector<core::Function> joined(std::initializer_list<std::vector<core::Function>> lists) {
  std::vector<core::Function> all;
  for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

core::Class connection_class() {
  return {Connection::lua_name,
          "A connection to a libvirt driver, and what it manages. Close it, or give it to ctx:use.",
          joined({
              connection_methods(),
              host_methods_of_connection(),
              cpu_methods_of_connection(),
              domain_methods_of_connection(),
              pool_methods_of_connection(),
              volume_methods_of_connection(),
              network_methods_of_connection(),
              interface_methods_of_connection(),
              secret_methods_of_connection(),
              node_device_methods_of_connection(),
              statistics_methods_of_connection(),
              event_methods_of_connection(),
          }),
          core::destroy_object<Connection>};
}

core::Class domain_class() {
  return {Domain::lua_name,
          "A domain of a connection. It stays the same domain when it is renamed, stopped or undefined.",
          joined({
              domain_state_methods(),
              domain_lifecycle_methods(),
              domain_definition_methods(),
              domain_device_methods(),
              domain_memory_methods(),
              domain_block_methods(),
              domain_guest_methods(),
              domain_job_methods(),
              domain_migration_methods(),
              statistics_methods_of_domain(),
          }),
          core::destroy_object<Domain>};
}

}  // namespace

const core::Module& module() {
  static const core::Module definition{
      "virt",
      "libvirt: connections, domains, migration, statistics, events, storage, networks.",
      joined({
          connection_functions(),
      }),
      {
          connection_class(),
          domain_class(),
          pool_class(),
          volume_class(),
          network_class(),
          interface_class(),
          event_stream_class(),
      }};
  return definition;
}

}  // namespace drover::virt
