// The names that scripts see for libvirt's states, reasons, jobs and statistics groups: the constant's own words in
// lower case. The test reads libvirt's header and proves that none is missing.
// Tested by tests/bindings/virt/domain_names_test.cpp.
#pragma once

#include <string>

#include "bindings/virt/enums.h"

namespace drover::virt {

std::string domain_state_name(int state);
// A pointer to a constant, for the fast path of Domain.info; nullptr for an unknown one.
const char* known_domain_state_name(int state);
std::string domain_reason_name(int state, int reason);

std::string job_type_name(int type);
std::string job_operation_name(int operation);
std::string block_job_type_name(int type);

}  // namespace drover::virt
