#include "bindings/terminal/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "bindings/core/args.h"
#include "bindings/core/operation.h"
#include "host/base/output.h"
#include "host/base/unique_fd.h"
#include "host/base/visible.h"

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
  core::push(L, standard_output().write(text));
  return 1;
}

int shown(lua_State* L) {
  core::push(L, drover::visible(Args(L, "terminal.visible").text(1, "text")));
  return 1;
}

// One line of the person at the terminal, whatever standard input is. Looks up now and then for a cancel.
std::string read_answer(int fd, core::CancelToken& token) {
  constexpr int look_up_ms = 50;
  constexpr size_t longest_answer = 4096;
  std::string answer;
  while (answer.size() < longest_answer) {
    token.throw_if_cancelled("terminal.ask");
    pollfd wanted{fd, POLLIN, 0};
    if (poll(&wanted, 1, look_up_ms) <= 0) continue;
    char letter = 0;
    ssize_t count = read(fd, &letter, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0 || letter == '\n') break;
    answer += letter;
  }
  return answer;
}

int ask(lua_State* L) {
  std::string question = visible(Args(L, "terminal.ask").text(1, "question"));
  return core::start_work(
      L, "a question on the terminal",
      [question](core::CancelToken& token) -> core::Push {
        UniqueFd terminal(open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
        if (!terminal.valid()) {
          throw Error("terminal", "NO_TERMINAL", "there is no terminal to ask on");
        }
        if (::write(terminal.get(), question.data(), question.size()) < 0) {
          throw Error("terminal", "NO_TERMINAL", "the terminal is gone");
        }
        std::string answer = read_answer(terminal.get(), token);
        return [answer](lua_State* state) {
          core::push(state, answer);
          return 1;
        };
      },
      core::OnCancel::wait);
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
           "Writes to standard output at once, and waits for no reader: what is not taken at once is written later.",
           {{"text", "string", "Bytes, as they are."}},
           {{"written", "boolean", "False when the screen is gone."}},
           "BAD_ARGUMENT"},
          {"visible",
           shown,
           "Text of a host as it may be shown: control characters but newline and tab, and bytes that are not UTF-8, "
           "are written out, like \\x1b. The log does it, and print on a terminal.",
           {{"text", "string", "Bytes of anybody."}},
           {{"visible", "string", ""}},
           "BAD_ARGUMENT"},
          {"ask",
           ask,
           "Asks the person at the terminal for one line, whatever standard input is.",
           {{"question", "string", "Shown as terminal.visible writes it."}},
           {{"answer", "string", "Without its line end; \"\" when the terminal was closed."}},
           "NO_TERMINAL, CANCELLED, BAD_ARGUMENT",
           core::Blocking::yes},
      },
      {}};
  return definition;
}

}  // namespace drover::terminal
