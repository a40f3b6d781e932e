// Adding a line to authorized_keys and removing it again, the options of a line as sshd reads them, and the answer of
// the script that reads the file on a host.
#include "bindings/ssh/authorize.h"
#include "bindings/ssh/authorized_keys.h"
#include "tests/fuzz/fuzz.h"

using namespace drover;
using namespace drover::ssh;
using fuzz::expect;

namespace {

const std::string blob = "AAAAC3NzaC1lZDI1NTE5AAAAIJx0VNwfZ1r8Sm2yd1hVbq0z6jVxkq1Zt0nTn0aX7n1C";
const std::string mark = "drover run=7f lease=3";

void add_and_remove(const std::string& contents, const std::string& options) {
  std::string line = options + (options.empty() ? "" : " ") + "ssh-ed25519 " + blob + " " + mark;
  if (remove_line(contents, blob, mark, false).removed) return;  // it has our line: then it is not added
  AddedLine added = add_line(contents, line);
  expect(added.contents.compare(0, contents.size(), contents) == 0, "what was there stays");
  expect(find_line(added.contents, blob, mark) == Presence::ours, "the added line is found");
  expect(parse_authorized_keys(added.contents).back().options == options, "its options are its own");
  RemovedLine removed = remove_line(added.contents, blob, mark, added.added_newline);
  expect(removed.removed && removed.contents == contents, "adding and removing is the same file");
  // Somebody appends while ours is there: theirs stays, on a line of its own.
  const std::string other = "ssh-rsa AAAAB3Nza other\n";
  removed = remove_line(added.contents + other, blob, mark, added.added_newline);
  expect(removed.contents == contents + (added.added_newline ? "\n" : "") + other, "an appended line stays");
}

void check_lines(const std::string& contents) {
  size_t end = 0;
  for (const AuthorizedLine& line : parse_authorized_keys(contents)) {
    expect(line.begin >= end && line.end > line.begin && line.end <= contents.size(), "lines follow each other");
    expect(!line.blob.empty(), "a line of a key has a key");
    std::string_view whole = std::string_view(contents).substr(line.begin, line.end - line.begin);
    expect(whole.find('\n') == whole.npos || whole.find('\n') == whole.size() - 1, "a line is one line");
    end = line.end;
  }
}

// The value of an option as sshd takes it: opt_dequote of OpenSSH's misc.c.
std::string dequoted(std::string_view text) {
  std::string value;
  expect(!text.empty() && text.front() == '"', "a value begins with a quote");
  for (text.remove_prefix(1); !text.empty() && text.front() != '"'; text.remove_prefix(1)) {
    if (text.front() == '\\' && text.size() > 1 && text[1] == '"') text.remove_prefix(1);
    value += text.front();
  }
  expect(text == "\"", "a value ends with its quote");
  return value;
}

std::string written_options(fuzz::Data& data) {
  LineOptions options;
  options.restricted = data.ConsumeBool();
  options.port_forwarding = data.ConsumeBool();
  options.from = fuzz::text(data, 40);
  options.command = fuzz::text(data, 200);
  std::string written;
  if (!fuzz::answers([&] { written = format_options(options); })) return "";
  size_t at = written.find("command=");
  if (options.command.empty()) return written;
  // No value before it has a quote or a letter of "command" behind an equals sign.
  expect(at != written.npos && dequoted(written.substr(at + 8)) == options.command, "sshd reads the command back");
  return written;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  fuzz::Data data(bytes, size);
  std::string options = written_options(data);
  std::string contents = data.ConsumeRemainingBytesAsString();
  check_lines(contents);
  add_and_remove(contents, options);
  fuzz::answers([&] { check_permissions(parse_place(contents + "\ncontent\n"), "host"); });
  return 0;
}
