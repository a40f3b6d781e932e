// The figures of a job under names with units. The test reads libvirt's header and proves that every VIR_DOMAIN_JOB_
// field has one. Tested by tests/bindings/virt/job_fields_test.cpp.
#pragma once

#include "bindings/virt/scalar.h"

namespace drover::virt {

// Unknown ones (of a newer daemon) keep libvirt's name.
Fields job_fields(const virTypedParameter* list, int count);

// The name for one of libvirt's, or nullptr.
const char* job_field_name(const std::string& libvirt_name);

}  // namespace drover::virt
