// authorized_keys as bytes: what is added is removed, and nothing else is touched.
#include "bindings/ssh/authorized_keys.h"

#include <catch2/catch.hpp>
#include <random>

#include "tests/bindings/ssh/test_server.h"

using namespace drover;
using namespace drover::ssh;
using drover::ssh::test::code_of;

namespace {

const std::string blob = "AAAAC3NzaC1lZDI1NTE5AAAAIJx0VNwfZ1r8Sm2yd1hVbq0z6jVxkq1Zt0nTn0aX7n1C";
const std::string mark = "drover run=7f lease=3";
const std::string line = "restrict,command=\"a \\\"b\\\" c\" ssh-ed25519 " + blob + " " + mark;

// A file as people, tools and accidents leave them.
std::string random_file(std::mt19937& random) {
  auto below = [&](unsigned limit) { return static_cast<unsigned>(random() % limit); };
  const std::vector<std::string> samples{
      "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 admin@example.org",
      "ssh-ed25519 " + blob + " somebody else",          // the same key of another
      "ssh-ed25519 " + blob + " " + mark + " and more",  // nearly our mark
      "ssh-ed25519 " + blob,
      "from=\"10.0.0.0/8\",command=\"echo 'a b' # \\\"x\\\"\" ssh-rsa AAAAB3Nza x",
      "# a comment with ssh-ed25519 " + blob + " " + mark,
      "  \t ",
      "",
      "no-pty ecdsa-sha2-nistp256 AAAAE2Vj two  blanks\t",
      "command=\"never closed ssh-ed25519 " + blob + " " + mark,
      "garbage",
      std::string("\x00\xff\xfe binary \x01", 12),
      std::string(20000, 'x'),
  };
  std::string contents;
  unsigned lines = below(8);
  const char* ending = below(4) == 0 ? "\r\n" : "\n";
  for (unsigned i = 0; i < lines; ++i) {
    contents += samples[below(static_cast<unsigned>(samples.size()))];
    if (i + 1 < lines || below(3) != 0) contents += ending;
  }
  return contents;
}

}  // namespace

TEST_CASE("adding a key and removing it gives the same bytes, for thousands of odd files", "[ssh]") {
  std::mt19937 random(20240501);
  for (int i = 0; i < 8000; ++i) {
    std::string before = random_file(random);
    AddedLine added = add_line(before, line);
    INFO("file " << i << ": " << before.substr(0, 300));
    // A quote that was never closed swallows nothing: lines stand alone.
    REQUIRE(find_line(added.contents, blob, mark) == Presence::ours);
    RemovedLine removed = remove_line(added.contents, blob, mark, added.added_newline);
    REQUIRE(removed.removed);
    REQUIRE(removed.contents == before);
    // Once more finds nothing and changes nothing.
    REQUIRE_FALSE(remove_line(before, blob, mark, added.added_newline).removed);
    REQUIRE(remove_line(before, blob, mark, added.added_newline).contents == before);
  }
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
