#include "bindings/terminal/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "bindings/core/args.h"

namespace drover::terminal {

namespace {

using core::Args;

int is_terminal(lua_State* L) {
  auto stream = Args(L, "terminal.is_terminal").choice(1, "stream", {"stdin", "stdout", "stderr"});
  int fd = stream == "stdin" ? STDIN_FILENO : stream == "stdout" ? STDOUT_FILENO : STDERR_FILENO;
  core::push(L, isatty(fd) == 1);
  return 1;
}

int width(lua_State* L) {
  winsize size{};
  bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  core::push(L, known ? static_cast<int>(size.ws_col) : 100);
  return 1;
}

// Past stdio's buffer, so that a live line is seen at once. A terminal that goes away is not the run's failure.
int write_now(lua_State* L) {
  std::string text = Args(L, "terminal.write").text(1, "text");
  std::fflush(stdout);  // what print wrote comes first
  size_t written = 0;
  while (written < text.size()) {
    ssize_t count = ::write(STDOUT_FILENO, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    written += static_cast<size_t>(count);
  }
  core::push(L, written == text.size());
  return 1;
}

}  // namespace

const core::Module& module() {
  static const core::Module definition{
      "terminal",
      "The screen.",
      {
          {"is_terminal",
           is_terminal,
           "Whether a stream is a terminal.",
           {{"stream", "string", "stdin, stdout or stderr."}},
           {{"is_terminal", "boolean", ""}},
           "BAD_ARGUMENT"},
          {"width", width, "Columns of the terminal; 100 when there is none.", {}, {{"columns", "integer", ""}}},
          {"write",
           write_now,
           "Writes to standard output at once.",
           {{"text", "string", "Bytes, as they are."}},
           {{"written", "boolean", "False when the screen is gone."}},
           "BAD_ARGUMENT"},
      },
      {}};
  return definition;
}

}  // namespace drover::terminal
