// The module "virt": libvirt for scripts. Connections, domains, migration, statistics, events; storage, networks.
//
// How its files think:
// - A call into libvirt runs on a worker thread, except where the driver is inside this process (test:///...): that one
//   never waits for a remote and is called directly (run.h).
// - Everything that Lua holds carries its connection, and the connection knows what Lua holds of it, so that
//   Connection.close really ends it (vir_connection.h).
// - The error of a call is read on the thread of the call, at once (vir_error.h). Tested by tests/bindings/virt.
#pragma once

#include "bindings/core/module.h"

namespace drover::virt {

const core::Module& module();

}  // namespace drover::virt
