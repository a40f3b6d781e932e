// authorized_keys as bytes: a line is added or removed, and every other byte stays as it is: options, comments, CRLF,
// lines that mean nothing to anybody. Pure; the file itself is authorize.h.
// Invariant: remove_line(add_line(contents)) == contents. Tested by tests/bindings/ssh/authorized_keys_test.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drover::ssh {

// What sshd would read of one line.
struct AuthorizedLine {
  size_t begin = 0;  // of the line in the contents
  size_t end = 0;    // behind its newline, or the end of the contents
  std::string_view options;
  std::string_view type;
  std::string_view blob;
  std::string_view comment;  // without trailing blanks
};

// The lines that hold a key; comments and lines that sshd ignores are left out.
std::vector<AuthorizedLine> parse_authorized_keys(std::string_view contents);

struct AddedLine {
  std::string contents;
  bool added_newline = false;  // the file did not end in one; give it to remove_line
};

// The line is added at the end, as it is, with a newline. Throws BAD_ARGUMENT when it is not one line.
AddedLine add_line(std::string_view contents, std::string_view line);

struct RemovedLine {
  std::string contents;
  bool removed = false;
};

// Removes the lines that have this key and this comment, and no other. With added_newline, the newline before our line
// goes too when our line is the last one: somebody who appended meanwhile needs it.
RemovedLine remove_line(std::string_view contents, std::string_view blob, std::string_view mark, bool added_newline);

enum class Presence { absent, ours, foreign };
// foreign: the key is there, with other comments only.
Presence find_line(std::string_view contents, std::string_view blob, std::string_view mark);

struct LineOptions {
  bool restricted = true;        // "restrict": no shell services but what follows
  bool port_forwarding = false;  // also UNIX sockets, which restrict alone refuses; permitopen cannot name those
  std::string from;              // addresses and CIDR blocks, comma-separated
  std::string expiry;            // as expiry_text gives it
  std::string command;           // run instead of what the client asks for
};

// "restrict,port-forwarding,from=\"...\",..." or "". Throws BAD_ARGUMENT for a value that sshd could not read back.
std::string format_options(const LineOptions& options);

// "YYYYMMDDHHMMZ", the minute at or after that time. Z (UTC) is read by OpenSSH 9.1 and later [sshd(8)].
std::string expiry_text(int64_t unix_time_s);

}  // namespace drover::ssh
