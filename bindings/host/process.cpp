#include "bindings/host/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <mutex>

#include "host/base/text.h"
#include "host/base/unique_fd.h"

extern char** environ;

namespace drover::host {

namespace {

using Clock = std::chrono::steady_clock;

// TERM first; what still runs after this gets KILL. A cancelled run must end within a second.
constexpr auto time_to_end = std::chrono::milliseconds(600);

Error failure(const std::string& code, const std::string& message, const std::string& host,
              const core::ExecRequest& request) {
  return Error("host", code, message).on_host(host).on_object(join(request.argv, " "));
}

Error system_failure(const char* what, const std::string& host, const core::ExecRequest& request) {
  int number = errno;
  return failure("SYSTEM", std::string("cannot run ") + request.argv.front() + ": " + what + ": " + strerror(number),
                 host, request)
      .with_native("errno " + std::to_string(number));
}

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

bool make_pipe(Pipe& pipe) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  pipe.read_end = UniqueFd(ends[0]);
  pipe.write_end = UniqueFd(ends[1]);
  return true;
}

// glibc 2.36 declares pidfd_open() without extern "C", so C++ cannot link it.
int open_pidfd(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    // drover ignores SIGPIPE; a program that it starts must not.
    for (int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) sigaddset(&signals, signal);
    posix_spawnattr_setsigdefault(&attributes, &signals);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

// drover's own environment, changed by the request. Messages are in English, because callers read them.
std::vector<std::string> make_environment(const std::map<std::string, std::string>& changes) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string_view text(*entry);
    size_t equals = text.find('=');
    if (equals != std::string_view::npos) all[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  all["LC_ALL"] = "C.UTF-8";
  for (const auto& [name, value] : changes) all[name] = value;
  std::vector<std::string> list;
  for (const auto& [name, value] : all) list.push_back(name + "=" + value);
  return list;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

class Process {
 public:
  Process(const core::ExecRequest& request, const std::string& host) : request_(request), host_(host) {}
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (pid_ <= 0) return;
    end_group(SIGKILL);
    reap();
  }

  void start() {
    Pipe input, output, errors;
    bool has_input = !request_.input.empty();
    if ((has_input && !make_pipe(input)) || !make_pipe(output) || !make_pipe(errors)) {
      throw system_failure("no pipe", host_, request_);
    }
    SpawnSettings settings;
    if (has_input) {
      posix_spawn_file_actions_adddup2(&settings.actions, input.read_end.get(), STDIN_FILENO);
    } else {
      posix_spawn_file_actions_addopen(&settings.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    }
    posix_spawn_file_actions_adddup2(&settings.actions, output.write_end.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&settings.actions, errors.write_end.get(), STDERR_FILENO);
    // Libraries (libvirt, libssh) may hold descriptors without close-on-exec.
    posix_spawn_file_actions_addclosefrom_np(&settings.actions, STDERR_FILENO + 1);
    spawn(settings);
    pidfd_ = UniqueFd(open_pidfd(pid_));
    if (!pidfd_.valid()) throw system_failure("pidfd_open", host_, request_);
    input_ = std::move(input.write_end);
    output_ = std::move(output.read_end);
    errors_ = std::move(errors.read_end);
    for (const UniqueFd* fd : {&input_, &output_, &errors_}) {
      if (fd->valid()) set_nonblocking(fd->get());
    }
  }

  core::ExecResult finish(core::CancelToken& token) {
    // The token may outlive this call; the handler must not.
    auto wake = std::make_shared<UniqueFd>(eventfd(0, EFD_CLOEXEC));
    token.on_cancel([weak = std::weak_ptr<UniqueFd>(wake)] {
      if (auto fd = weak.lock()) eventfd_write(fd->get(), 1);
    });
    auto deadline = Clock::now() + std::chrono::milliseconds(request_.timeout_ms);
    while (!ended_) {
      wait_for_event(wake->get(), deadline);
      if (token.cancelled()) stop("CANCELLED");
      if (Clock::now() >= deadline) stop("TIMEOUT");
    }
    // What it wrote is in the pipes by now. A process that it left behind may hold them open: not waited for.
    read_all(output_, result_.output);
    read_all(errors_, result_.errors);
    reap();
    return std::move(result_);
  }

 private:
  void spawn(SpawnSettings& settings) {
    std::string path = find_program(request_.argv.front());
    if (path.empty()) {
      throw failure("NO_PROGRAM", "there is no program " + request_.argv.front(), host_, request_)
          .with_hint("install it on " + host_ + ", or give its whole path");
    }
    std::vector<std::string> arguments = request_.argv;
    std::vector<std::string> variables = make_environment(request_.environment);
    int number = posix_spawn(&pid_, path.c_str(), &settings.actions, &settings.attributes, pointers(arguments).data(),
                             pointers(variables).data());
    if (number == 0) return;
    pid_ = -1;
    std::string code = number == ENOENT ? "NO_PROGRAM" : number == EACCES ? "NO_PERMISSION" : "SYSTEM";
    throw failure(code, "cannot run " + path + ": " + strerror(number), host_, request_)
        .with_native("errno " + std::to_string(number));
  }

  void wait_for_event(int wake_fd, Clock::time_point deadline) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count() + 1;
    pollfd watched[] = {{pidfd_.get(), POLLIN, 0},
                        {wake_fd, POLLIN, 0},
                        {output_.get(), POLLIN, 0},
                        {errors_.get(), POLLIN, 0},
                        {input_.get(), POLLOUT, 0}};
    poll(watched, std::size(watched), static_cast<int>(std::clamp<int64_t>(left, 0, 60000)));
    if (watched[0].revents != 0) ended_ = true;
    if (watched[2].revents != 0) read_all(output_, result_.output);
    if (watched[3].revents != 0) read_all(errors_, result_.errors);
    if (watched[4].revents != 0) write_some();
  }

  // Reads what is there, until the end or until there is no more for now.
  void read_all(UniqueFd& fd, std::string& text) {
    char buffer[65536];
    while (fd.valid()) {
      ssize_t count = read(fd.get(), buffer, sizeof buffer);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return;
      if (count <= 0) {
        fd.reset();
        return;
      }
      text.append(buffer, static_cast<size_t>(count));
      if (text.size() > request_.most_output_bytes) {
        stop_and_reap();
        throw failure(
            "OUTPUT_TOO_LARGE",
            request_.argv.front() + " wrote more than " + std::to_string(request_.most_output_bytes) + " bytes", host_,
            request_)
            .with_hint("raise most_output_bytes, or let the program write to a file");
      }
    }
  }

  void write_some() {
    while (written_ < request_.input.size()) {
      ssize_t count = write(input_.get(), request_.input.data() + written_, request_.input.size() - written_);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return;
      if (count < 0) break;  // it does not want more: its exit code tells whether that is wrong
      written_ += static_cast<size_t>(count);
    }
    input_.reset();
  }

  [[noreturn]] void stop(const std::string& code) {
    stop_and_reap();
    if (code == "CANCELLED") throw cancelled_error(request_.argv.front()).on_host(host_);
    throw failure(
        "TIMEOUT",
        request_.argv.front() + " did not end within " + std::to_string(request_.timeout_ms) + " ms and was stopped",
        host_, request_);
  }

  void stop_and_reap() {
    end_group(SIGTERM);
    pollfd watched{pidfd_.get(), POLLIN, 0};
    auto deadline = Clock::now() + time_to_end;
    while (true) {
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
      if (left <= 0 || poll(&watched, 1, static_cast<int>(left)) > 0) break;
    }
    // Also when the leader is gone: what it had started must go too. The group's number is ours until it is reaped.
    end_group(SIGKILL);
    reap();
  }

  void end_group(int signal) {
    kill(-pid_, signal);
    kill(pid_, signal);
  }

  void reap() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    if (WIFEXITED(status)) result_.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) {
      result_.exit_code = 128 + WTERMSIG(status);
      const char* name = sigabbrev_np(WTERMSIG(status));
      result_.signal = name != nullptr ? name : std::to_string(WTERMSIG(status));
    }
  }

  const core::ExecRequest& request_;
  const std::string& host_;
  pid_t pid_ = -1;
  UniqueFd pidfd_, input_, output_, errors_;
  size_t written_ = 0;
  bool ended_ = false;
  core::ExecResult result_;
};

// What the system would cut off at a NUL byte, or take for something else; over SSH it is refused too (ssh/quoting.h).
void refuse_unsayable(const core::ExecRequest& request, const std::string& host) {
  auto refuse = [&host](const std::string& what) {
    throw Error("usage", "BAD_ARGUMENT", "exec: " + what).on_host(host);
  };
  for (const std::string& word : request.argv) {
    if (word.find('\0') != word.npos) refuse("an argument holds a NUL byte");
  }
  for (const auto& [name, value] : request.environment) {
    const char* letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    bool is_name = !name.empty() && name.find_first_not_of(letters) == name.npos && (name[0] < '0' || name[0] > '9');
    if (!is_name) refuse("'" + name + "' is no name of a variable");
    if (value.find('\0') != value.npos) refuse("the variable " + name + " holds a NUL byte");
  }
}

bool is_program(const std::string& path) { return access(path.c_str(), X_OK) == 0; }

}  // namespace

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  std::string folders =
      std::string(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin";
  for (const std::string& folder : split(folders, ':')) {
    // An empty entry means the working directory to a shell. Programs are not taken from there.
    if (!folder.empty() && folder.front() == '/' && is_program(folder + "/" + name)) return folder + "/" + name;
  }
  return "";
}

core::ExecResult run_process(const core::ExecRequest& request, const std::string& host, core::CancelToken& token) {
  if (request.argv.empty() || request.argv.front().empty()) {
    throw Error("usage", "BAD_ARGUMENT", "exec: there is no program to run").on_host(host);
  }
  if (request.timeout_ms <= 0) throw Error("usage", "BAD_ARGUMENT", "exec: timeout_ms must be at least 1");
  refuse_unsayable(request, host);
  token.throw_if_cancelled(request.argv.front());
  // A program that does not read its input is no reason for drover to die of SIGPIPE.
  static std::once_flag once;
  std::call_once(once, [] { std::signal(SIGPIPE, SIG_IGN); });
  Process process(request, host);
  process.start();
  return process.finish(token);
}

}  // namespace drover::host
