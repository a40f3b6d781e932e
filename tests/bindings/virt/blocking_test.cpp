// Calls that block in libvirt, on a server that takes its time: they hold up neither one another nor Lua, and an
// interrupt leaves them at once.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

#include "bindings/core/error_object.h"
#include "host/base/interrupts.h"
#include "host/base/unique_fd.h"
#include "host/lua/state.h"
#include "host/run/scheduler.h"

using namespace drover;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

// Accepts connections, says nothing, and closes each after hold; with no hold it never does.
class SilentServer {
 public:
  explicit SilentServer(std::optional<Clock::duration> hold)
      : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(listener_.get(), 128) == 0);
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, hold] { serve(hold); });
  }
  ~SilentServer() {
    stop_ = true;
    thread_.join();
  }
  int port() const { return port_; }

 private:
  void serve(std::optional<Clock::duration> hold) {
    std::vector<std::pair<Clock::time_point, UniqueFd>> open;
    while (!stop_) {
      pollfd waiting{listener_.get(), POLLIN, 0};
      if (poll(&waiting, 1, 10) > 0)
        open.emplace_back(Clock::now(), UniqueFd(accept(listener_.get(), nullptr, nullptr)));
      while (hold && !open.empty() && Clock::now() - open.front().first >= *hold) open.erase(open.begin());
    }
  }

  UniqueFd listener_;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

struct Drover {
  core::Runtime runtime;
  LuaState state{runtime};
  Scheduler scheduler{state.get(), runtime};

  // Runs a chunk with the port as its argument; gives its first result as an integer. Throws its error.
  lua_Integer run(const std::string& chunk, int port) {
    lua_State* L = state.get();
    load_text(L, chunk, "@chunk.lua");
    core::push(L, port);
    std::optional<Error> error;
    // The error of the main task is a Lua error: caught by pcall, as the command line does.
    auto body = [this]() { return scheduler.run_main(1); };
    using Body = decltype(body);
    lua_pushlightuserdata(L, &body);
    lua_pushcclosure(
        L,
        [](lua_State* inner) {
          auto* function = static_cast<Body*>(lua_touserdata(inner, lua_upvalueindex(1)));
          return (*function)();
        },
        1);
    lua_insert(L, -3);
    if (lua_pcall(L, 2, 1, 0) != LUA_OK) throw core::to_error(L, -1);
    return lua_tointeger(L, -1);
  }
};

}  // namespace

TEST_CASE("fifty tasks that each wait a second in libvirt take a second together", "[virt]") {
  Drover drover;
  SilentServer server(1s);
  auto started = Clock::now();
  auto ticks = drover.run(R"(
    local port = ...
    local list, ticks, done = {}, 0, false
    for i = 1, 50 do list[i] = i end
    local clock = async.spawn(function() while not done do async.sleep(10) ticks = ticks + 1 end end)
    async.parallel(list, function()
      local ok, problem = pcall(virt.connect, "qemu+tcp://127.0.0.1:" .. port .. "/system")
      assert(not ok and problem.code == "CONNECTION_LOST", tostring(problem))
    end)
    done = true
    async.await(clock)
    return ticks)",
                          server.port());
  auto elapsed = Clock::now() - started;
  CHECK(elapsed >= 1s);
  CHECK(elapsed < 2s);
  CHECK(ticks >= 40);  // Lua went on all the time
}

TEST_CASE("an interrupt leaves a call that libvirt never ends", "[virt]") {
  Drover drover;
  {
    SilentServer server(std::nullopt);
    Clock::time_point interrupted;
    std::thread person([&] {
      std::this_thread::sleep_for(200ms);
      interrupted = Clock::now();
      interrupts().raise_from_handler(SIGINT);
    });
    std::string code;
    try {
      drover.run("virt.connect('qemu+tcp://127.0.0.1:' .. (...) .. '/system')", server.port());
    } catch (const Error& error) {
      code = error.code;
    }
    auto elapsed = Clock::now() - interrupted;
    person.join();
    CHECK(code == "CANCELLED");
    CHECK(elapsed < 1s);
    CHECK(drover.runtime.workers().pending() == 1);  // libvirt still waits; nobody waits for it
  }
  // The server is gone, so the call ends: the loop that it reports to must live until then.
  while (drover.runtime.workers().pending() > 0) std::this_thread::sleep_for(5ms);
}
