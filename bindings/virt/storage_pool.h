// virt.Pool: a storage pool. Tested by tests/bindings/virt/storage_test.lua.
#pragma once

#include "bindings/virt/object_call.h"

namespace drover::virt {

struct Pool {
  static constexpr const char* lua_name = "virt.Pool";
  static constexpr const char* kind = "pool";
  using Pointer = virStoragePoolPtr;
  static const char* name_of(Pointer pointer) { return virStoragePoolGetName(pointer); }

  Handle<Pointer> handle;
};

core::Class pool_class();
std::vector<core::Function> pool_methods_of_connection();  // storage_pool_lookup.cpp

// Options build and overwrite of Pool.start and Connection.create_pool as libvirt's flags.
unsigned read_pool_build(core::Options& options);
extern const char* const pool_build_doc;

}  // namespace drover::virt
