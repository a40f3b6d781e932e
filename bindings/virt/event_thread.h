// The thread that runs libvirt's event loop. Keepalive and events of a connection need it, and it must be registered
// before that connection is opened. A script that only uses an in-process driver without events never starts it.
// Tested by tests/bindings/virt/events_test.lua.
#pragma once

namespace drover::virt {

// Registers libvirt's own event loop and starts its thread. From any thread; the second call does nothing.
void ensure_event_thread();

bool event_thread_runs();

}  // namespace drover::virt
