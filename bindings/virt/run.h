// Where a call into libvirt runs: on a worker thread, or directly when the driver is inside this process.
// Functions that use it are registered with Blocking::yes; Lua's await takes an operation or ready results alike.
#pragma once

#include "bindings/core/operation.h"
#include "bindings/virt/vir_connection.h"

namespace drover::virt {

inline int run(lua_State* L, const ConnectionPtr& connection, std::string description,
               std::function<core::Push(core::CancelToken&)> work, core::OnCancel on_cancel = core::OnCancel::abandon) {
  if (!connection->in_process()) return core::start_work(L, std::move(description), std::move(work), on_cancel);
  core::CancelToken never_cancelled;
  return work(never_cancelled)(L);
}

}  // namespace drover::virt
