// The one place where an argument list becomes text for a remote shell. SSH carries a command as one string that the
// login shell of the user parses; nothing else in drover writes shell text from data.
// Invariant: a POSIX shell that parses the text gets the same bytes back, for every byte but NUL (which is refused).
// Tested by tests/bindings/ssh/quoting_test.cpp, with arbitrary bytes through a real sh.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace drover::ssh {

// One word. Throws BAD_ARGUMENT for a NUL byte, which no argument can carry.
std::string quote_for_shell(std::string_view word);

// "exec env NAME='value' 'program' 'argument' ...": exec, so that a signal and the exit status are the program's own.
// Throws BAD_ARGUMENT for an empty list or a name that is none.
std::string command_line(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment);

}  // namespace drover::ssh
