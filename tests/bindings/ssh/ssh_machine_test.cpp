// Programs and files of a host over a real sshd.
#include "bindings/ssh/ssh_machine.h"

#include <catch2/catch.hpp>

#include "tests/bindings/ssh/test_server.h"

using namespace drover;
using namespace drover::ssh;
using namespace drover::ssh::test;

namespace {

core::ExecRequest request(std::vector<std::string> argv, std::string input = "") {
  core::ExecRequest result;
  result.argv = std::move(argv);
  result.input = std::move(input);
  return result;
}

std::string all_bytes(size_t size) {
  std::string data(size, '\0');
  for (size_t i = 0; i < size; ++i) data[i] = static_cast<char>((i * 7 + i / 256) & 0xff);
  return data;
}

}  // namespace

TEST_CASE("a program over SSH gives its two streams and its exit code", "[ssh]") {
  TestServer server;
  core::CancelToken token;
  auto machine = SshMachine::connect(server.options(), token);
  REQUIRE_FALSE(machine->is_local());
  REQUIRE(machine->name() == server.options().target);

  auto result = machine->exec(request({"sh", "-c", "echo out; echo err >&2; exit 7"}), token);
  REQUIRE(result.output == "out\n");
  REQUIRE(result.errors == "err\n");
  REQUIRE(result.exit_code == 7);
  REQUIRE(result.signal.empty());

  SECTION("input of a megabyte comes back byte for byte") {
    std::string data = all_bytes(1 << 20);
    REQUIRE(machine->exec(request({"cat"}, data), token).output == data);
  }
  SECTION("the environment and odd arguments arrive") {
    auto asked = request({"sh", "-c", "printf '%s|%s' \"$GREETING\" \"$1\"", "sh", "a'b\\ \n$(id) *"});
    asked.environment = {{"GREETING", "hello 'you' $HOME"}};
    REQUIRE(machine->exec(asked, token).output == "hello 'you' $HOME|a'b\\ \n$(id) *");
  }
  SECTION("a signal is named") {
    auto killed = machine->exec(request({"sh", "-c", "kill -TERM $$"}), token);
    REQUIRE(killed.signal == "TERM");
    REQUIRE(killed.exit_code == 143);
  }
  SECTION("a missing program is NO_PROGRAM, and 127 of a program is a result") {
    Error error("", "", "");
    REQUIRE(code_of([&] { machine->exec(request({"no-such-program-here"}), token); }, &error) == "NO_PROGRAM");
    REQUIRE(error.message.find("no-such-program-here") != std::string::npos);
    REQUIRE(machine->exec(request({"sh", "-c", "exit 127"}), token).exit_code == 127);
  }
  SECTION("more output than allowed is an error, and the program is ended") {
    auto asked = request({"yes"});
    asked.most_output_bytes = 100000;
    auto start = Clock::now();
    REQUIRE(code_of([&] { machine->exec(asked, token); }) == "OUTPUT_TOO_LARGE");
    REQUIRE(milliseconds_since(start) < 3000);
    REQUIRE(machine->exec(request({"echo", "on"}), token).output == "on\n");
  }
  SECTION("a timeout ends the program on the host, also one that ignores TERM") {
    std::string mark = server.folder / "survivor";
    auto asked = request({"sh", "-c", "trap '' TERM; echo $$ > \"$1\"; while :; do sleep 0.05; done", "sh", mark});
    asked.timeout_ms = 500;
    auto start = Clock::now();
    REQUIRE(code_of([&] { machine->exec(asked, token); }) == "TIMEOUT");
    REQUIRE(milliseconds_since(start) < 2500);
    pid_t pid = std::stoi(read_text(mark));
    for (int i = 0; i < 100 && kill(pid, 0) == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    REQUIRE(kill(pid, 0) != 0);
  }
  SECTION("a cancel ends the call within a second, and the program with it") {
    std::string mark = server.folder / "cancelled";
    core::CancelToken stop;
    std::thread canceller([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      stop.cancel();
    });
    auto start = Clock::now();
    auto asked = request({"sh", "-c", "echo $$ > \"$1\"; exec sleep 60", "sh", mark});
    REQUIRE(code_of([&] { machine->exec(asked, stop); }) == "CANCELLED");
    REQUIRE(milliseconds_since(start) < 1300);
    canceller.join();
    pid_t pid = std::stoi(read_text(mark));
    for (int i = 0; i < 100 && kill(pid, 0) == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    REQUIRE(kill(pid, 0) != 0);
  }
  SECTION("after close nothing runs") {
    machine->close();
    REQUIRE(code_of([&] { machine->exec(request({"true"}), token); }) == "CLOSED");
  }
}

TEST_CASE("files over SSH are read and replaced whole", "[ssh]") {
  TestServer server;
  core::CancelToken token;
  auto machine = SshMachine::connect(server.options(), token);
  std::string path = server.folder / "a file with 'quotes' and\nnewline";
  std::string data = all_bytes(300000);

  machine->write_file(path, data, 0640, token);
  REQUIRE(read_text(path) == data);
  REQUIRE(machine->read_file(path, 1 << 20, token) == data);
  auto info = machine->stat_file(path, token);
  REQUIRE(info);
  REQUIRE(info->type == "file");
  REQUIRE(info->size_bytes == 300000);
  REQUIRE(info->mode == 0640);
  REQUIRE(info->uid == getuid());
  REQUIRE(info->modified_s > 1600000000);

  machine->write_file(path, "", 0600, token);
  REQUIRE(machine->read_file(path, 10, token).empty());
  REQUIRE(machine->stat_file(server.folder.path(), token)->type == "directory");
  REQUIRE_FALSE(machine->stat_file(server.folder / "nothing", token));
  REQUIRE(code_of([&] { machine->read_file(server.folder / "nothing", 10, token); }) == "NO_FILE");
  REQUIRE(code_of([&] { machine->write_file(server.folder / "no/folder", "x", 0600, token); }) == "NO_FILE");
  machine->write_file(path, "12345678901", 0600, token);
  REQUIRE(code_of([&] { machine->read_file(path, 10, token); }) == "TOO_LARGE");
  // Nothing temporary stays beside it.
  for (const auto& entry : std::filesystem::directory_iterator(server.folder.path())) {
    REQUIRE(entry.path().filename().string().rfind(".drover", 0) != 0);
  }
}

TEST_CASE("fifty programs of a second each end in under two seconds, over few connections", "[ssh]") {
  TestServer server;
  core::CancelToken token;
  auto machine = SshMachine::connect(server.options(), token);
  auto start = Clock::now();
  std::vector<std::thread> threads;
  std::atomic<int> ended{0};
  for (int i = 0; i < 50; ++i) {
    threads.emplace_back([&] {
      core::CancelToken own;
      if (machine->exec(request({"sleep", "1"}), own).exit_code == 0) ++ended;
    });
  }
  for (auto& thread : threads) thread.join();
  int64_t took_ms = milliseconds_since(start);
  INFO("50 programs took " << took_ms << " ms over " << server.connections() << " connections");
  REQUIRE(ended == 50);
  REQUIRE(took_ms < 2000);
  REQUIRE(server.connections() <= 6);
}

TEST_CASE("a server that allows two sessions per connection is served all the same", "[ssh]") {
  TestServer server("MaxSessions 2\n");
  core::CancelToken token;
  auto machine = SshMachine::connect(server.options(), token);
  std::vector<std::thread> threads;
  std::atomic<int> ended{0};
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&] {
      core::CancelToken own;
      if (machine->exec(request({"sleep", "0.1"}), own).exit_code == 0) ++ended;
    });
  }
  for (auto& thread : threads) thread.join();
  REQUIRE(ended == 20);
}

TEST_CASE("a lost connection is an error for what ran, and the next call connects again", "[ssh]") {
  TestServer server;
  core::CancelToken token;
  auto machine = SshMachine::connect(server.options(), token);
  std::thread killer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    server.stop();
    server.start();
  });
  Error error("", "", "");
  REQUIRE(code_of([&] { machine->exec(request({"sleep", "30"}), token); }, &error) == "CONNECTION_LOST");
  REQUIRE(error.host == machine->name());
  killer.join();
  REQUIRE(machine->exec(request({"echo", "again"}), token).output == "again\n");
}
