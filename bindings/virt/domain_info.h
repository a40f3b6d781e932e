// The answer of Domain.info. A table of five fields takes a fifth of the time of the whole libvirt call on a driver of
// this process; a record of fixed size a twentieth (tests/bench). So info is a record: info.state, pairs(info).
// Tested by tests/bindings/virt/domain_test.lua.
#pragma once

#include "bindings/virt/domain.h"

namespace drover::virt {

int push_domain_info(lua_State* L, const virDomainInfo& info);

// core::check_object<Domain> at index 1 without its look-ups.
const Domain& check_domain_fast(lua_State* L, const char* function);

}  // namespace drover::virt
