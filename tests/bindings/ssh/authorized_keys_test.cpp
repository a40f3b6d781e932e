// authorized_keys as bytes: what is added is removed, and nothing else is touched.
#include "bindings/ssh/authorized_keys.h"

#include <catch2/catch.hpp>

#include "tests/bindings/ssh/random_keys.h"
#include "tests/bindings/ssh/test_server.h"

using namespace drover;
using namespace drover::ssh;
using drover::ssh::test::code_of;
using drover::ssh::test::RandomKeys;

namespace {

const std::string blob = "AAAAC3NzaC1lZDI1NTE5AAAAIJx0VNwfZ1r8Sm2yd1hVbq0z6jVxkq1Zt0nTn0aX7n1C";
const std::string mark = "drover run=7f lease=3";
const std::string line = "restrict,command=\"a \\\"b\\\" c\" ssh-ed25519 " + blob + " " + mark;

}  // namespace

TEST_CASE("adding a key and removing it gives the same bytes, for thirty thousand odd files", "[ssh]") {
  RandomKeys random;
  random.mention(blob, mark);
  // REQUIRE costs more than what it looks at, so one of them is for a thousand files.
  std::string wrong;
  for (int i = 0; i < 30000 && wrong.empty(); ++i) {
    std::string before = random.file();
    auto expect = [&](bool holds, const char* what) {
      if (!holds && wrong.empty()) wrong = std::string(what) + ", file " + std::to_string(i) + ": " + before;
    };
    AddedLine added = add_line(before, line);
    // A quote that was never closed swallows nothing: lines stand alone.
    expect(find_line(added.contents, blob, mark) == Presence::ours, "the added line is not found");
    expect(added.contents.compare(0, before.size(), before) == 0, "what was there is changed");
    RemovedLine removed = remove_line(added.contents, blob, mark, added.added_newline);
    expect(removed.removed && removed.contents == before, "adding and removing is not the same file");
    // Once more finds nothing and changes nothing.
    RemovedLine again = remove_line(before, blob, mark, added.added_newline);
    expect(!again.removed && again.contents == before, "what is not ours is removed");
    // Somebody else's line behind ours stays, on a line of its own.
    std::string other = random.line(), later = added.contents + other;
    std::string kept = remove_line(later, blob, mark, added.added_newline).contents;
    expect(kept == (other.empty() ? before : before + (added.added_newline ? "\n" : "") + other),
           "an appended line is hurt");
  }
  INFO("seed " << random.seed());
  REQUIRE(wrong.empty());
}

TEST_CASE("what others append while our line is there stays whole", "[ssh]") {
  std::string before = "ssh-rsa AAAAB3Nza one";
  AddedLine added = add_line(before, line);
  REQUIRE(added.added_newline);
  std::string appended = added.contents + "ssh-rsa AAAAB3Nzb two\n";
  RemovedLine removed = remove_line(appended, blob, mark, added.added_newline);
  REQUIRE(removed.contents == "ssh-rsa AAAAB3Nza one\nssh-rsa AAAAB3Nzb two\n");
}

TEST_CASE("only the line with our key and our mark is ours", "[ssh]") {
  REQUIRE(find_line("", blob, mark) == Presence::absent);
  REQUIRE(find_line("ssh-ed25519 " + blob + " other\n", blob, mark) == Presence::foreign);
  REQUIRE(find_line("ssh-ed25519 AAAAother " + mark + "\n", blob, mark) == Presence::absent);
  REQUIRE(find_line(line, blob, mark) == Presence::ours);
  REQUIRE(find_line(line + "\r\n", blob, mark) == Presence::ours);
  REQUIRE(find_line("# " + line + "\n", blob, mark) == Presence::absent);
  std::string contents = "\n# x\n" + line + "\n";
  auto lines = parse_authorized_keys(contents);
  REQUIRE(lines.size() == 1);
  REQUIRE(lines[0].options == "restrict,command=\"a \\\"b\\\" c\"");
  REQUIRE(lines[0].comment == mark);
}

TEST_CASE("a line that is not one line is refused", "[ssh]") {
  for (std::string bad : {std::string(), std::string("a\nb"), std::string("a\r"), std::string("a\0b", 3)}) {
    REQUIRE(code_of([&] { add_line("", bad); }) == "BAD_ARGUMENT");
  }
}

TEST_CASE("the options of a line are written as sshd reads them", "[ssh]") {
  LineOptions options;
  REQUIRE(format_options(options) == "restrict");
  options.port_forwarding = true;
  options.from = "192.0.2.7,2001:db8::/32";
  options.expiry = expiry_text(1700000001);
  options.command = "virt-ssh-helper 'qemu:///system' \"x\"";
  REQUIRE(format_options(options) ==
          "restrict,port-forwarding,permitlisten=\"localhost:1\",from=\"192.0.2.7,2001:db8::/"
          "32\",expiry-time=\"202311142214Z\","
          "command=\"virt-ssh-helper 'qemu:///system' \\\"x\\\"\"");
  REQUIRE(expiry_text(1700000040) == "202311142214Z");  // a full minute is itself

  LineOptions none;
  none.restricted = false;
  REQUIRE(format_options(none).empty());
  auto refused = [](auto change) {
    LineOptions bad;
    change(bad);
    return code_of([&] { format_options(bad); });
  };
  REQUIRE(refused([](LineOptions& o) { o.from = "a\" ssh-rsa"; }) == "BAD_ARGUMENT");
  REQUIRE(refused([](LineOptions& o) { o.command = "a\nb"; }) == "BAD_ARGUMENT");
  REQUIRE(refused([](LineOptions& o) { o.command = "ends in \\"; }) == "BAD_ARGUMENT");
  REQUIRE(refused([](LineOptions& o) { o.command = "a \\\" b"; }) == "BAD_ARGUMENT");
}
