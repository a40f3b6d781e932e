// virt.Volume: a volume of a storage pool. Tested by tests/bindings/virt/storage_test.lua.
#pragma once

#include "bindings/virt/object_call.h"

namespace drover::virt {

struct Volume {
  static constexpr const char* lua_name = "virt.Volume";
  static constexpr const char* kind = "volume";
  using Pointer = virStorageVolPtr;
  static const char* name_of(Pointer pointer) { return virStorageVolGetName(pointer); }

  Handle<Pointer> handle;
};

core::Class volume_class();
std::vector<core::Function> volume_methods_of_connection();

}  // namespace drover::virt
