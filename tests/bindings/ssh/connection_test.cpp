// The connection as an actor: dead peers, cancelled connects, quiet programs.
#include "bindings/ssh/connection.h"

#include <catch2/catch.hpp>

#include "bindings/ssh/ssh_machine.h"
#include "tests/bindings/ssh/test_server.h"

using namespace drover;
using namespace drover::ssh;
using namespace drover::ssh::test;

TEST_CASE("a host that stops answering is found by keepalive", "[ssh]") {
  TestServer server;
  core::CancelToken token;
  ConnectOptions options = server.options();
  REQUIRE(options.dead_after_ms <= 15000);
  options.keepalive_ms = 150;
  options.dead_after_ms = 600;
  auto machine = SshMachine::connect(options, token);
  core::ExecRequest request;
  request.argv = {"sleep", "1.5"};
  // Quiet is not dead: sshd answers for a program that says nothing.
  REQUIRE(machine->exec(request, token).exit_code == 0);
  std::thread freezer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    server.signal_all(SIGSTOP);
  });
  request.argv = {"sleep", "30"};
  auto start = Clock::now();
  Error error("", "", "");
  REQUIRE(code_of([&] { machine->exec(request, token); }, &error) == "CONNECTION_LOST");
  REQUIRE(Clock::now() - start < std::chrono::milliseconds(2500));
  REQUIRE(error.message.find("has not answered") != std::string::npos);
  freezer.join();
}

TEST_CASE("the file descriptors and threads of closed connections are given back", "[ssh]") {
  TestServer server;
  core::CancelToken token;
  auto count = [](const char* what) {
    std::filesystem::directory_iterator folder(what);
    return std::distance(begin(folder), end(folder));
  };
  { auto first = SshMachine::connect(server.options(), token); }
  auto descriptors = count("/proc/self/fd"), threads = count("/proc/self/task");
  for (int i = 0; i < 5; ++i) {
    auto machine = SshMachine::connect(server.options(), token);
    core::ExecRequest request;
    request.argv = {"true"};
    machine->exec(request, token);
  }
  for (int i = 0; i < 100 && count("/proc/self/task") > threads; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  REQUIRE(count("/proc/self/fd") <= descriptors);
  REQUIRE(count("/proc/self/task") <= threads);
}
