// One counted reference to an object of libvirt. Copying takes another reference, the destructor gives it back.
// libvirt counts them atomically, so a copy may go to a worker thread. Tested by tests/bindings/virt/vir_ref_test.cpp.
//
// Invariant: Lua's thread never waits for the other side of a connection. Whoever gives back the last reference to a
// connection, or to something that came from it, ends that connection, and libvirt waits for the answer to that. While
// a connection is open its VirConnection has one; after that, what is collected on Lua's thread may be the last.
#pragma once

#include <libvirt/libvirt.h>

#include <functional>
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

// A connection to another process whose owner gave its reference back, or did so with the last one: from the one to the
// other what is given back on Lua's thread goes to a thread of its own. Any thread.
void connection_is_closing();
void connection_has_ended();

// Whether giving a reference back on this thread may wait for the other side of a connection.
bool giving_back_may_wait();
void give_back_on_another_thread(std::function<void()> give_back);

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
    Pointer old = std::exchange(pointer_, nullptr);
    if (old == nullptr) return;
    if (giving_back_may_wait()) {
      give_back_on_another_thread([old] { VirCounting<Pointer>::give_back(old); });
    } else {
      VirCounting<Pointer>::give_back(old);
    }
  }

  // Gives the reference to the caller, who gives it back.
  Pointer release() { return std::exchange(pointer_, nullptr); }

  Pointer get() const { return pointer_; }
  explicit operator bool() const { return pointer_ != nullptr; }

 private:
  Pointer pointer_ = nullptr;
};

}  // namespace drover::virt
