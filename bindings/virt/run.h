// Where a call into libvirt runs: on a worker thread, or directly when the driver is inside this process.
// Functions that use it are registered with Blocking::yes; Lua's await takes an operation or ready results alike.
// Tested by tests/lab/suites/virt.
#pragma once

#include "bindings/core/object.h"
#include "bindings/core/operation.h"
#include "bindings/core/runtime.h"
#include "bindings/virt/vir_connection.h"

namespace drover::virt {

// As core::start_work, for a call on a connection: it ends with CONNECTION_LOST when the connection is lost, be the
// call itself inside libvirt as long as it may.
inline int start_call(lua_State* L, const ConnectionPtr& connection, std::string description,
                      std::function<core::Push(core::CancelToken&)> work, core::OnCancel on_cancel) {
  connection->check_alive(description);
  core::start_work(L, std::move(description), std::move(work), on_cancel);
  connection->add_call(core::check_object<core::OperationHandle>(L, -1, "operation").operation,
                       core::Runtime::of(L).loop().mailbox());
  return 1;
}

inline int run(lua_State* L, const ConnectionPtr& connection, std::string description,
               std::function<core::Push(core::CancelToken&)> work, core::OnCancel on_cancel = core::OnCancel::abandon) {
  if (!connection->in_process()) {
    return start_call(L, connection, std::move(description), std::move(work), on_cancel);
  }
  core::CancelToken never_cancelled;
  return work(never_cancelled)(L);
}

// The results of one value.
template <class T>
core::Push push_value(T value) {
  return [value = std::move(value)](lua_State* L) {
    core::push(L, value);
    return 1;
  };
}

}  // namespace drover::virt
