// Where the person who runs drover is at home. A service of systemd has no $HOME, and is to find the same keys, known
// hosts and inventory as the same user at a terminal.
// Tested by tests/base/home_test.cpp and tests/transcripts/install_test.
#pragma once

#include <string>

namespace drover {

// $HOME, or what the user database says of this process's user; "/" when nobody knows.
std::string home_folder();

// Sets $HOME to it where it is missing, for Lua, for libraries, and for the programs that drover starts. Before
// threads.
void provide_home();

}  // namespace drover
