// Shows what becomes of a program that fails on a machine: one error with the host, the last line that it said, its
// argv, and its exit code. What the machines themselves do is shown beside them (host/local_machine, ssh/ssh_machine).
#include "bindings/core/machine.h"

#include <catch2/catch.hpp>

#include "tests/bindings/firewall/fake_machine.h"

using namespace drover;

namespace {

Error error_of(core::ExecResult result, std::vector<std::string> argv = {"nft", "list", "a b"}) {
  tests::FakeMachine machine;
  machine.answer("", std::move(result));
  core::CancelToken token;
  core::ExecRequest request;
  request.argv = std::move(argv);
  try {
    exec_checked(machine, request, token);
  } catch (const Error& error) {
    return error;
  }
  return {"test", "NOTHING", "nothing was thrown"};
}

}  // namespace

TEST_CASE("a program that ends well gives its result, whatever it wrote to its errors") {
  tests::FakeMachine machine;
  machine.answer("true", core::ExecResult{0, "", "output", "a warning"});
  core::CancelToken token;
  core::ExecRequest request;
  request.argv = {"true"};
  core::ExecResult result = exec_checked(machine, request, token);
  CHECK(result.output == "output");
  CHECK(result.errors == "a warning");
}

TEST_CASE("one that fails is an error with its exit code, the last line of what it said, its host and its argv") {
  Error error = error_of({3, "", "output", "\n first line\nsecond line\n"});
  CHECK(error.code == "COMMAND_FAILED");
  CHECK(error.message == "nft failed with exit code 3: second line");
  CHECK(error.host == "kvm1");
  CHECK(error.object == "nft list a b");
  CHECK(error.native == "exit code 3; first line\nsecond line");
}

TEST_CASE("one that said nothing on its errors is quoted from its output; one that was silent is named") {
  CHECK(error_of({1, "", "said here\n", ""}).message == "nft failed with exit code 1: said here");
  CHECK(error_of({1, "", "", ""}).message == "nft failed with exit code 1");
  CHECK(error_of({143, "TERM", "", ""}).message == "nft was ended by the signal TERM");
  CHECK(error_of({1, "", "", ""}).hint.find("check = false") != std::string::npos);
}
