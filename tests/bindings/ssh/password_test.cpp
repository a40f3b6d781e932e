// Shows how a password is read: one line of a descriptor and not a byte more, on a terminal without echo, with an end
// on a cancel, and with the terminal as it was afterwards.
#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

#include "bindings/ssh/session.h"
#include "host/base/unique_fd.h"
#include "tests/base/error_of.h"

using namespace drover;
using namespace drover::ssh;
using drover::tests::code_of;

namespace {

// A pipe with some bytes in it.
struct Pipe {
  explicit Pipe(const std::string& text) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    reader = UniqueFd(ends[0]);
    writer = UniqueFd(ends[1]);
    REQUIRE(write(writer.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  std::string rest() {
    writer = UniqueFd();
    char buffer[64];
    ssize_t count = read(reader.get(), buffer, sizeof buffer);
    return {buffer, static_cast<size_t>(std::max<ssize_t>(count, 0))};
  }
  UniqueFd reader;
  UniqueFd writer;
};

// A terminal of the test's own: the person's end, and the name of the other one.
struct Terminal {
  Terminal() : person(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    REQUIRE(grantpt(person.get()) == 0);
    REQUIRE(unlockpt(person.get()) == 0);
    name = ptsname(person.get());
    other = UniqueFd(open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));  // else the settings go with the last user
  }
  bool echoes() const {
    termios now{};
    REQUIRE(tcgetattr(other.get(), &now) == 0);
    return (now.c_lflag & ECHO) != 0;
  }
  std::string seen() const {
    char buffer[256];
    ssize_t count = read(person.get(), buffer, sizeof buffer);
    return {buffer, static_cast<size_t>(std::max<ssize_t>(count, 0))};
  }
  UniqueFd person;
  UniqueFd other;
  std::string name;
};

}  // namespace

TEST_CASE("a descriptor gives one line, and what follows it is left to others") {
  Pipe pipe("pass word\nthe rest");
  core::CancelToken token;
  CHECK(read_secret(pipe.reader.get(), token)->view() == "pass word");
  CHECK(pipe.rest() == "the rest");
}

TEST_CASE("the end of the input ends a password, too; none at all is an error") {
  core::CancelToken token;
  Pipe last("secret");
  last.writer = UniqueFd();
  CHECK(read_secret(last.reader.get(), token)->view() == "secret");
  Pipe empty("\n");
  CHECK(code_of([&] { read_secret(empty.reader.get(), token); }) == "NO_PASSWORD");
  CHECK(code_of([&] { read_secret(999, token); }) == "NO_PASSWORD");
}

TEST_CASE("a password has an end: what is longer than 1024 bytes is none") {
  core::CancelToken token;
  Pipe longest(std::string(1024, 'x') + "\n");
  CHECK(read_secret(longest.reader.get(), token)->view().size() == 1024);
  Pipe too_long(std::string(1025, 'x') + "\n");
  CHECK(code_of([&] { read_secret(too_long.reader.get(), token); }) == "NO_PASSWORD");
}

TEST_CASE("a cancel is heard while nobody answers") {
  core::CancelToken token;
  Pipe silent("");
  std::thread person([&] { token.cancel(); });
  CHECK(code_of([&] { read_secret(silent.reader.get(), token); }) == "CANCELLED");
  person.join();
}

TEST_CASE("on a terminal the question is shown, the answer is not, and the echo comes back") {
  Terminal terminal;
  core::CancelToken token;
  REQUIRE(terminal.echoes());
  bool echoed = true;
  std::thread person([&] {
    while (terminal.seen().find("Password: ") == std::string::npos) {
    }
    echoed = terminal.echoes();
    REQUIRE(write(terminal.person.get(), "secret\n", 7) == 7);
  });
  auto secret = ask_on_terminal("Password: ", token, terminal.name.c_str());
  person.join();
  CHECK(secret->view() == "secret");
  CHECK_FALSE(echoed);
  CHECK(terminal.echoes());
  CHECK(terminal.seen().find("secret") == std::string::npos);
}

TEST_CASE("the echo comes back after a cancel; without a terminal nothing is asked") {
  Terminal terminal;
  core::CancelToken token;
  token.cancel();
  CHECK(code_of([&] { ask_on_terminal("Password: ", token, terminal.name.c_str()); }) == "CANCELLED");
  CHECK(terminal.echoes());
  core::CancelToken another;
  CHECK(code_of([&] { ask_on_terminal("Password: ", another, "/dev/there-is-none"); }) == "NO_TERMINAL");
}
