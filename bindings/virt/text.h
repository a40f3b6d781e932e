// Texts that libvirt allocates. Tested by tests/bindings/virt/domain_test.lua.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

namespace drover::virt {

struct FreeText {
  void operator()(char* text) const { std::free(text); }
};

// Owns what libvirt returned; null when the call failed.
using VirText = std::unique_ptr<char, FreeText>;

}  // namespace drover::virt
