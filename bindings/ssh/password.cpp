// Passwords: from a descriptor or the terminal, never from argv or the environment.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <mutex>

#include "bindings/ssh/session.h"
#include "host/base/error.h"
#include "host/base/unique_fd.h"

namespace drover::ssh {

namespace {

constexpr size_t most_password_bytes = 1024;
constexpr int poll_slice_ms = 100;

// Puts the terminal back as it was, also when the question was cancelled.
class NoEcho {
 public:
  explicit NoEcho(int fd) : fd_(fd) {
    tcgetattr(fd_, &before_);
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ICANON | ISIG;
    tcsetattr(fd_, TCSAFLUSH, &quiet);
  }
  ~NoEcho() { tcsetattr(fd_, TCSAFLUSH, &before_); }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  int fd_;
  termios before_{};
};

// One byte at a time: what follows the line belongs to somebody else.
std::shared_ptr<Secret> read_line(int fd, const std::function<void()>& before_read) {
  auto secret = std::make_shared<Secret>(most_password_bytes);
  size_t size = 0;
  while (true) {
    before_read();
    char letter = 0;
    ssize_t count = read(fd, &letter, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error("ssh", "NO_PASSWORD", std::string("cannot read the password: ") + strerror(errno));
    if (count == 0 || letter == '\n') break;
    if (size == most_password_bytes) throw Error("ssh", "NO_PASSWORD", "the password is longer than 1024 bytes");
    secret->data()[size++] = letter;
  }
  secret->set_size(size);
  return secret;
}

// A person may take an hour to answer; a cancel is heard meanwhile.
void wait_readable(int fd, core::CancelToken& token) {
  pollfd wanted{fd, POLLIN, 0};
  do {
    token.throw_if_cancelled("ssh.connect");
  } while (poll(&wanted, 1, poll_slice_ms) == 0);
}

void write_text(int fd, const std::string& text) {
  if (write(fd, text.data(), text.size()) < 0) throw Error("ssh", "NO_TERMINAL", "cannot write to the terminal");
}

}  // namespace

std::shared_ptr<Secret> read_secret(int fd, core::CancelToken& token) {
  auto secret = read_line(fd, [&] { wait_readable(fd, token); });
  if (secret->view().empty()) {
    throw Error("ssh", "NO_PASSWORD", "descriptor " + std::to_string(fd) + " gave no password")
        .with_hint("for example: drover run ... 3< password-file, and password_fd = 3");
  }
  return secret;
}

std::shared_ptr<Secret> ask_on_terminal(const std::string& prompt, core::CancelToken& token, const char* terminal) {
  static std::mutex one_question;  // two hosts must not ask at once
  std::lock_guard lock(one_question);
  UniqueFd fd(open(terminal, O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) {
    throw Error("ssh", "NO_TERMINAL", "a password is needed, and there is no terminal to ask on")
        .with_hint("give it on a descriptor (password_fd), or use a key");
  }
  NoEcho quiet(fd.get());
  write_text(fd.get(), prompt);
  auto secret = read_line(fd.get(), [&] { wait_readable(fd.get(), token); });
  write_text(fd.get(), "\n");
  return secret;
}

}  // namespace drover::ssh
