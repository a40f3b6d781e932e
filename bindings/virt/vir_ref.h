// One counted reference to an object of libvirt. Copying takes another reference, the destructor gives it back.
// libvirt counts them atomically, so a copy may go to a worker thread. Tested by tests/bindings/virt/vir_ref_test.cpp.
#pragma once

#include <libvirt/libvirt.h>

#include <utility>

namespace drover::virt {

// How the objects of one kind are counted.
template <class Pointer>
struct VirCounting;

#define DROVER_VIR_COUNTING(Pointer, ref_function, free_function)      \
  template <>                                                          \
  struct VirCounting<Pointer> {                                        \
    static void take(Pointer pointer) { ref_function(pointer); }       \
    static void give_back(Pointer pointer) { free_function(pointer); } \
  }

DROVER_VIR_COUNTING(virConnectPtr, virConnectRef, virConnectClose);
DROVER_VIR_COUNTING(virDomainPtr, virDomainRef, virDomainFree);
DROVER_VIR_COUNTING(virDomainSnapshotPtr, virDomainSnapshotRef, virDomainSnapshotFree);
DROVER_VIR_COUNTING(virDomainCheckpointPtr, virDomainCheckpointRef, virDomainCheckpointFree);
DROVER_VIR_COUNTING(virStoragePoolPtr, virStoragePoolRef, virStoragePoolFree);
DROVER_VIR_COUNTING(virStorageVolPtr, virStorageVolRef, virStorageVolFree);
DROVER_VIR_COUNTING(virNetworkPtr, virNetworkRef, virNetworkFree);
DROVER_VIR_COUNTING(virInterfacePtr, virInterfaceRef, virInterfaceFree);
DROVER_VIR_COUNTING(virSecretPtr, virSecretRef, virSecretFree);
DROVER_VIR_COUNTING(virNodeDevicePtr, virNodeDeviceRef, virNodeDeviceFree);

#undef DROVER_VIR_COUNTING

template <class Pointer>
class VirRef {
 public:
  VirRef() = default;
  // Takes over a reference that the caller owns, as the functions of libvirt return them.
  explicit VirRef(Pointer owned) : pointer_(owned) {}
  VirRef(const VirRef& other) : pointer_(other.pointer_) {
    if (pointer_ != nullptr) VirCounting<Pointer>::take(pointer_);
  }
  VirRef(VirRef&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  VirRef& operator=(VirRef other) noexcept {
    std::swap(pointer_, other.pointer_);
    return *this;
  }
  ~VirRef() { reset(); }

  // One more reference to an object that somebody else owns, as an event callback gets them.
  static VirRef share(Pointer borrowed) {
    if (borrowed != nullptr) VirCounting<Pointer>::take(borrowed);
    return VirRef(borrowed);
  }

  void reset() {
    if (Pointer old = std::exchange(pointer_, nullptr)) VirCounting<Pointer>::give_back(old);
  }

  Pointer get() const { return pointer_; }
  explicit operator bool() const { return pointer_ != nullptr; }

 private:
  Pointer pointer_ = nullptr;
};

}  // namespace drover::virt
