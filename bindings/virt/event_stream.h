// virt.EventStream: events as something that a task waits for. Tested by tests/bindings/virt/events_test.lua.
#pragma once

#include "bindings/core/module.h"

namespace drover::virt {

std::vector<core::Function> event_methods_of_connection();
core::Class event_stream_class();

}  // namespace drover::virt
