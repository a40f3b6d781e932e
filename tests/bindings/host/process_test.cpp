// Shows how a program ends: by itself, by a timeout, by a cancel, by too much output; and that nothing leaks.
#include "bindings/host/process.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "host/base/error.h"
#include "host/base/unique_fd.h"
#include "tests/base/error_of.h"

using namespace drover;
using core::CancelToken;
using core::ExecRequest;
using core::ExecResult;

namespace {

ExecRequest program(std::vector<std::string> argv) {
  ExecRequest request;
  request.argv = std::move(argv);
  request.timeout_ms = 10000;
  return request;
}

ExecResult run(const ExecRequest& request) {
  CancelToken token;
  return host::run_process(request, "here", token);
}

std::string code_of_run(const ExecRequest& request) {
  return tests::code_of([&] { run(request); });
}

size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

bool has_child() { return waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

class Stopwatch {
 public:
  int64_t elapsed_ms() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace

TEST_CASE("a program's output, errors and exit code come back") {
  ExecResult result = run(program({"sh", "-c", "echo out; echo err >&2; exit 3"}));
  CHECK(result.output == "out\n");
  CHECK(result.errors == "err\n");
  CHECK(result.exit_code == 3);
  CHECK(result.signal.empty());
}

TEST_CASE("arguments reach the program as they are") {
  ExecResult result = run(program({"printf", "%s|", "a b", "$HOME", "'\"", "", "*"}));
  CHECK(result.output == "a b|$HOME|'\"||*|");
}

TEST_CASE("a signal that ends a program is named") {
  ExecResult result = run(program({"sh", "-c", "kill -SEGV $$"}));
  CHECK(result.signal == "SEGV");
  CHECK(result.exit_code == 128 + SIGSEGV);
}

TEST_CASE("megabytes go in and out at the same time") {
  ExecRequest request = program({"cat"});
  for (int i = 0; i < 400000; ++i) request.input += "0123456789";
  CHECK(run(request).output == request.input);
}

TEST_CASE("a program that does not read its input is no error") {
  ExecRequest request = program({"true"});
  request.input = std::string(8 << 20, 'x');
  CHECK(run(request).exit_code == 0);
}

TEST_CASE("without input a program reads the end of its input at once") { CHECK(run(program({"cat"})).output.empty()); }

TEST_CASE("the environment is drover's, with changes, and messages are in English") {
  ExecRequest request = program({"sh", "-c", "echo $ANSWER $LC_ALL; [ -n \"$PATH\" ]"});
  request.environment = {{"ANSWER", "42"}};
  ExecResult result = run(request);
  CHECK(result.output == "42 C.UTF-8\n");
  CHECK(result.exit_code == 0);
}

TEST_CASE("a program that is not there or may not run is an error of its own") {
  CHECK(code_of_run(program({"no-such-program-of-drover"})) == "NO_PROGRAM");
  CHECK(code_of_run(program({"/no/such/program"})) == "NO_PROGRAM");
  CHECK(code_of_run(program({"/etc/passwd"})) == "NO_PERMISSION");
  CHECK(code_of_run(program({})) == "BAD_ARGUMENT");
}

TEST_CASE("a timeout ends a program and what it started, even when TERM is ignored") {
  ExecRequest request = program({"sh", "-c", "trap '' TERM; sleep 31.4159 & sleep 31.4159"});
  request.timeout_ms = 100;
  Stopwatch watch;
  CHECK(code_of_run(request) == "TIMEOUT");
  CHECK(watch.elapsed_ms() >= 100);
  CHECK(watch.elapsed_ms() < 1500);
  CHECK_FALSE(has_child());
  CHECK(run(program({"pgrep", "-f", "sleep 31[.]4159"})).exit_code == 1);
}

TEST_CASE("a cancel from another thread ends a program within a second") {
  CancelToken token;
  std::thread other([&token] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    token.cancel();
  });
  Stopwatch watch;
  std::string code;
  try {
    host::run_process(program({"sleep", "30"}), "here", token);
  } catch (const Error& error) {
    code = error.code;
  }
  other.join();
  CHECK(code == "CANCELLED");
  CHECK(watch.elapsed_ms() < 1000);
  CHECK_FALSE(has_child());
}

TEST_CASE("a process left in the background does not hold the result") {
  Stopwatch watch;
  ExecResult result = run(program({"sh", "-c", "sleep 27 & echo $!"}));
  CHECK(watch.elapsed_ms() < 1000);
  pid_t left = std::stoi(result.output);
  CHECK(kill(left, SIGKILL) == 0);  // it was not ended with its parent: a daemon that a program starts must live on
}

TEST_CASE("too much output is an error and ends the program") {
  ExecRequest request = program({"yes"});
  request.most_output_bytes = 100000;
  CHECK(code_of_run(request) == "OUTPUT_TOO_LARGE");
  CHECK_FALSE(has_child());
}

TEST_CASE("a program inherits three descriptors and drover keeps none") {
  UniqueFd careless(open("/dev/null", O_RDONLY));  // as a library without close-on-exec would
  size_t before = open_descriptors();
  ExecResult result = run(program({"sh", "-c", "ls /proc/$$/fd"}));
  CHECK(result.output.find("3\n") == std::string::npos);
  for (int i = 0; i < 50; ++i) run(program({"true"}));
  CHECK(code_of_run(program({"no-such-program-of-drover"})) == "NO_PROGRAM");
  CHECK(open_descriptors() == before);
  CHECK_FALSE(has_child());
}

TEST_CASE("a program has no terminal to ask on") {
  CHECK(run(program({"sh", "-c", "exec 3</dev/tty"})).exit_code != 0);
}

TEST_CASE("programs of the system folders are found without them in PATH") {
  CHECK(host::find_program("/any/path") == "/any/path");
  CHECK(host::find_program("ip").find("/ip") != std::string::npos);
  CHECK(host::find_program("no-such-program-of-drover").empty());
}
