// Shows the error that every layer throws: what it carries, how it is added to, and the error of a cancellation.
#include "host/base/error.h"

#include <catch2/catch.hpp>
#include <cstring>

using namespace drover;

TEST_CASE("an error has a kind, a sentence, and nothing else until it is told") {
  Error error("virt", "NO_DOMAIN", "there is no domain 'web1'");
  CHECK(error.domain == "virt");
  CHECK(error.code == "NO_DOMAIN");
  CHECK(std::strcmp(error.what(), "there is no domain 'web1'") == 0);
  CHECK((error.native + error.op + error.host + error.object + error.hint).empty());
  CHECK(error.cause == nullptr);
}

TEST_CASE("what is added goes into its own field, and the error can be thrown as it is") {
  try {
    throw Error("ssh", "AUTH_FAILED", "kvm2 does not let you in")
        .on_host("kvm2")
        .on_object("root")
        .during("ssh.connect")
        .with_hint("add your key")
        .with_native("libssh 1: denied");
  } catch (const Error& error) {
    CHECK(error.host == "kvm2");
    CHECK(error.object == "root");
    CHECK(error.op == "ssh.connect");
    CHECK(error.hint == "add your key");
    CHECK(error.native == "libssh 1: denied");
    CHECK(error.message == "kvm2 does not let you in");
  }
}

TEST_CASE("a cause is kept with its own fields, also after the first error is gone") {
  Error outer("virt", "NO_CONNECTION", "cannot connect");
  {
    Error inner("ssh", "HOST_KEY_UNKNOWN", "the key is not known");
    inner.on_host("kvm2").because(Error("host", "NO_FILE", "there is no known_hosts"));
    outer.because(inner);
    inner.message = "changed later";
  }
  Error copy = outer;
  REQUIRE(copy.cause != nullptr);
  CHECK(copy.cause->message == "the key is not known");
  CHECK(copy.cause->host == "kvm2");
  REQUIRE(copy.cause->cause != nullptr);
  CHECK(copy.cause->cause->code == "NO_FILE");
}

TEST_CASE("the error of what was stopped says what that was, where it is known") {
  CHECK(cancelled_error("sleep").message == "cancelled: sleep");
  CHECK(cancelled_error("").message == "cancelled");
  CHECK(cancelled_error("interrupted").message == "interrupted");
  for (const char* operation : {"sleep", "", "interrupted"}) {
    CHECK(cancelled_error(operation).code == "CANCELLED");  // by which pcall lets it pass
    CHECK(cancelled_error(operation).op == operation);
  }
}
