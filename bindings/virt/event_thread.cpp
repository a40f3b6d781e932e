#include "bindings/virt/event_thread.h"

#include <libvirt/libvirt.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "bindings/virt/vir_error.h"

namespace drover::virt {

namespace {

std::once_flag started;
std::atomic<bool> runs{false};

void run_events() {
  // An error of one round must not become a busy loop; the next round may be well again.
  constexpr auto pause_after_error = std::chrono::milliseconds(100);
  while (true) {
    if (virEventRunDefaultImpl() < 0) std::this_thread::sleep_for(pause_after_error);
  }
}

}  // namespace

void ensure_event_thread() {
  std::call_once(started, [] {
    if (virEventRegisterDefaultImpl() < 0) throw last_error("start libvirt's event loop", "localhost");
    // Detached: it waits in poll() for ever, and the program ends without asking it.
    std::thread(run_events).detach();
    runs = true;
  });
}

bool event_thread_runs() { return runs; }

}  // namespace drover::virt
