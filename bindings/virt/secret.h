// What a script may know of libvirt's secrets: that they are there, and for what. No function of drover reads the
// value of a secret (virSecretGetValue is not bound, and the test holds that). Tested by
// tests/bindings/virt/secret_test.lua.
#pragma once

#include "bindings/core/module.h"

namespace drover::virt {

std::vector<core::Function> secret_methods_of_connection();

}  // namespace drover::virt
