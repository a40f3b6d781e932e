// virt.Domain: what scripts hold of a domain, and the pieces that its methods are made of. The methods are spread over
// the files domain_*.cpp by subject; module.cpp puts them together. Tested by tests/bindings/virt/domain_test.lua.
#pragma once

#include "bindings/core/module.h"
#include "bindings/core/object.h"
#include "bindings/virt/connection.h"
#include "bindings/virt/run.h"

namespace drover::virt {

struct Domain {
  static constexpr const char* lua_name = "virt.Domain";
  explicit Domain(Handle<virDomainPtr> owned) : handle(std::move(owned)) {}
  Domain(Domain&&) = default;
  ~Domain() { mark = nullptr; }

  // Nothing but a living Domain begins with this address: check_domain_fast knows it by that.
  static const char its_mark;
  const char* volatile mark = &its_mark;
  Handle<virDomainPtr> handle;
};

using DomainRef = VirRef<virDomainPtr>;

// One call on a domain: a reference of its own, and the words for its errors.
struct DomainCall {
  DomainRef domain;
  ConnectionPtr connection;
  std::string name;
  std::string attempt;  // "start domain 'web'"

  virDomainPtr get() const { return domain.get(); }
  Error error() const { return connection->error(attempt, name); }
  // Throws the error of the call when its result is negative; otherwise gives the result.
  int checked(int result) const {
    if (result < 0) throw error();
    return result;
  }
};

// The domain at index 1. function: "Domain.start"; verb: "start domain", "read the state of domain".
DomainCall begin_domain_call(lua_State* L, const char* function, const std::string& verb);

using DomainWork = std::function<core::Push(const DomainCall&)>;

int run_domain_call(lua_State* L, DomainCall call, DomainWork work);

// A call that changes the domain at index 1, and gives the domain back.
int change_domain(lua_State* L, const char* function, const std::string& verb, std::function<int(virDomainPtr)> change);

core::Push push_domain(ConnectionPtr connection, DomainRef domain);
inline core::Push push_domain(const DomainCall& call) { return push_domain(call.connection, call.domain); }

// Looks a domain up by UUID when the text is one, by name otherwise. Throws NO_DOMAIN.
DomainRef look_up_domain(const VirConnection& connection, virConnectPtr pointer, const std::string& name_or_uuid);
std::string uuid_of(virDomainPtr domain);

// Options live and config as libvirt's flags; neither means the current state (live when it runs).
unsigned read_impact(core::Options& options);
extern const char* const impact_doc;

struct FlagOption {
  const char* name;
  unsigned flag;
};

template <class Table>
unsigned read_flags(core::Options& options, const Table& table) {
  unsigned flags = 0;
  for (const FlagOption& option : table) {
    if (options.flag(option.name)) flags |= option.flag;
  }
  return flags;
}

std::vector<core::Function> domain_methods_of_connection();  // domain_lookup.cpp
std::vector<core::Function> domain_state_methods();
std::vector<core::Function> domain_lifecycle_methods();
std::vector<core::Function> domain_definition_methods();
std::vector<core::Function> domain_device_methods();
std::vector<core::Function> domain_memory_methods();
std::vector<core::Function> domain_block_methods();
std::vector<core::Function> domain_guest_methods();
std::vector<core::Function> domain_job_methods();
std::vector<core::Function> domain_migration_methods();

}  // namespace drover::virt
