#include "bindings/virt/vir_ref.h"

#include <atomic>
#include <system_error>
#include <thread>

namespace drover::virt {

namespace {

// The program's first thread, which runs this at its start, is the one of Lua.
const std::thread::id lua_thread = std::this_thread::get_id();
std::atomic<int> closing_connections{0};

}  // namespace

void connection_is_closing() { ++closing_connections; }
void connection_has_ended() { --closing_connections; }

bool giving_back_may_wait() { return closing_connections > 0 && std::this_thread::get_id() == lua_thread; }

void give_back_on_another_thread(std::function<void()> give_back) {
  try {
    std::thread(std::move(give_back)).detach();
  } catch (const std::system_error&) {
    // No thread is to be had: the reference stays for the rest of the process, which waits for nobody.
  }
}

}  // namespace drover::virt
