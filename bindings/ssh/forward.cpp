#include "bindings/ssh/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace drover::ssh {

namespace {

constexpr size_t buffer_bytes = 65536;
constexpr size_t most_links = 256;  // more wait in the kernel's queue
constexpr int64_t close_timeout_ms = 1000;

Error listen_error(const SshMachine& machine, const std::string& address, int problem, const char* busy_code) {
  const char* code = problem == EADDRINUSE                          ? busy_code
                     : problem == EACCES || problem == EPERM        ? "NO_PERMISSION"
                     : problem == ENOENT || problem == ENAMETOOLONG ? "BAD_ARGUMENT"
                                                                    : "FAILED";
  return Error("ssh", code, "cannot listen on " + address + ": " + strerror(problem))
      .on_host(machine.name())
      .on_object(address)
      .with_native("errno " + std::to_string(problem));
}

Forward start(std::shared_ptr<SshMachine> machine, UniqueFd listener, std::string socket_path, std::string address,
              ForwardTarget target, core::CancelToken& token) {
  Forward forward;
  // Made first: it removes the socket's file when there is no connection.
  forward.task = std::make_shared<ForwardTask>(std::move(listener), std::move(socket_path), std::move(target));
  forward.connection = machine->pool().connection(token);
  forward.machine = std::move(machine);
  forward.local_address = std::move(address);
  forward.connection->submit(forward.task);
  return forward;
}

}  // namespace

ForwardTask::ForwardTask(UniqueFd listener, std::string socket_path, ForwardTarget target)
    : listener_(std::move(listener)), socket_path_(std::move(socket_path)), target_(std::move(target)) {}

ForwardTask::~ForwardTask() {
  if (!socket_path_.empty() && listener_.valid()) unlink(socket_path_.c_str());
}

void ForwardTask::close() {
  std::lock_guard lock(mutex_);
  closing_ = true;
}

ForwardTask::Status ForwardTask::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

bool ForwardTask::wait_closed(int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [this] { return !status_.open; });
}

bool ForwardTask::step(ssh_session session, Clock::time_point) {
  bool closing;
  {
    std::lock_guard lock(mutex_);
    closing = closing_;
  }
  if (closing) {
    end_all("");
    return true;
  }
  accept_new(session);
  for (auto link = links_.begin(); link != links_.end();) {
    if (step_link(session, *link)) {
      ssh_channel_free(link->channel);
      link = links_.erase(link);
    } else {
      ++link;
    }
  }
  return false;
}

void ForwardTask::accept_new(ssh_session session) {
  while (links_.size() < most_links) {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) return;
    Link link;
    link.fd = std::move(fd);
    link.channel = ssh_channel_new(session);
    links_.push_back(std::move(link));
    std::lock_guard lock(mutex_);
    ++status_.connections;
  }
}

// True when the link is over.
bool ForwardTask::step_link(ssh_session session, Link& link) {
  if (!link.open && !open_link(session, link)) return !link.fd.valid();
  if (!pump_in(link) || !pump_out(link)) return true;
  return link.eof_sent && link.shut;
}

bool ForwardTask::open_link(ssh_session session, Link& link) {
  int result =
      target_.remote_path.empty()
          ? ssh_channel_open_forward(link.channel, target_.remote_host.c_str(), target_.remote_port, "127.0.0.1", 0)
          : ssh_channel_open_forward_unix(link.channel, target_.remote_path.c_str(), "127.0.0.1", 0);
  if (result == SSH_AGAIN) return false;
  if (result == SSH_OK) {
    link.open = true;
    return true;
  }
  {
    std::lock_guard lock(mutex_);
    ++status_.refused;
    status_.last_error = ssh_get_error(session);
  }
  link.fd.reset();  // after the count: who sees the end may look at it
  return false;
}

// From the local side to the host. False when it broke.
bool ForwardTask::pump_out(Link& link) {
  while (!link.eof_sent) {
    if (link.to_remote.empty() && !link.local_ended) {
      char buffer[buffer_bytes];
      ssize_t size = recv(link.fd.get(), buffer, sizeof buffer, 0);
      if (size < 0) return errno == EAGAIN || errno == EINTR;
      if (size == 0) link.local_ended = true;
      link.to_remote.assign(buffer, static_cast<size_t>(size));
    }
    if (link.to_remote.empty()) {
      ssh_channel_send_eof(link.channel);
      link.eof_sent = true;
      return true;
    }
    uint32_t size = std::min(static_cast<uint32_t>(link.to_remote.size()), ssh_channel_window_size(link.channel));
    if (size == 0) return true;  // the host's window opens with a packet
    int written = ssh_channel_write(link.channel, link.to_remote.data(), size);
    if (written < 0) return false;
    if (written == 0) return true;
    link.to_remote.erase(0, static_cast<size_t>(written));
  }
  return true;
}

// From the host to the local side. False when it broke.
bool ForwardTask::pump_in(Link& link) {
  while (!link.shut) {
    if (link.to_local.empty() && !link.remote_ended) {
      char buffer[buffer_bytes];
      int size = ssh_channel_read_nonblocking(link.channel, buffer, sizeof buffer, 0);
      if (size > 0) {
        link.to_local.assign(buffer, static_cast<size_t>(size));
      } else if (size == SSH_EOF || ssh_channel_is_eof(link.channel) || ssh_channel_is_closed(link.channel)) {
        link.remote_ended = true;
      } else {
        return size == 0;
      }
    }
    if (link.to_local.empty()) {
      shutdown(link.fd.get(), SHUT_WR);
      link.shut = true;
      return true;
    }
    ssize_t written = send(link.fd.get(), link.to_local.data(), link.to_local.size(), MSG_NOSIGNAL);
    if (written < 0) return errno == EAGAIN || errno == EINTR;
    link.to_local.erase(0, static_cast<size_t>(written));
  }
  return true;
}

std::vector<ChannelTask::Interest> ForwardTask::interests() const {
  std::vector<Interest> wanted;
  if (links_.size() < most_links) wanted.push_back({listener_.get(), POLLIN});
  for (const Link& link : links_) {
    short events = 0;
    if (link.open && link.to_remote.empty() && !link.local_ended) events |= POLLIN;
    if (!link.to_local.empty()) events |= POLLOUT;
    if (events != 0) wanted.push_back({link.fd.get(), events});
  }
  return wanted;
}

void ForwardTask::abandon(const Error& error) { end_all(error.message); }

void ForwardTask::end_all(const std::string& reason) {
  for (Link& link : links_) ssh_channel_free(link.channel);
  links_.clear();
  if (!socket_path_.empty() && listener_.valid()) unlink(socket_path_.c_str());
  listener_.reset();
  std::lock_guard lock(mutex_);
  status_.open = false;
  if (!reason.empty()) status_.last_error = reason;
  changed_.notify_all();
}

void Forward::close() {
  task->close();
  connection->wake();
  task->wait_closed(close_timeout_ms);
}

namespace {

// A listening socket of mode 0600 at path. Throws PATH_BUSY, NO_PERMISSION.
UniqueFd listen_at(const SshMachine& machine, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    throw listen_error(machine, path, ENAMETOOLONG, "PATH_BUSY");
  }
  memcpy(address.sun_path, path.data(), path.size());
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  fchmod(listener.get(), 0600);  // before bind: the file is never open to others
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    throw listen_error(machine, path, errno, "PATH_BUSY");
  }
  if (listen(listener.get(), SOMAXCONN) != 0) {
    int problem = errno;
    unlink(path.c_str());
    throw listen_error(machine, path, problem, "PATH_BUSY");
  }
  return listener;
}

}  // namespace

Forward forward_unix(std::shared_ptr<SshMachine> machine, const std::string& local_path, ForwardTarget target,
                     core::CancelToken& token) {
  UniqueFd listener = listen_at(*machine, local_path);
  return start(std::move(machine), std::move(listener), local_path, local_path, std::move(target), token);
}

Forward forward_unix_nameless(std::shared_ptr<SshMachine> machine, ForwardTarget target, core::CancelToken& token) {
  char folder[] = "/tmp/drover-XXXXXX";
  if (mkdtemp(folder) == nullptr) throw listen_error(*machine, folder, errno, "PATH_BUSY");
  std::string path = std::string(folder) + "/socket";
  UniqueFd listener;
  try {
    listener = listen_at(*machine, path);
  } catch (const Error&) {
    rmdir(folder);
    throw;
  }
  // The socket lives on in its descriptor when its name is gone; connecting through /proc reaches it all the same.
  auto place = std::make_shared<UniqueFd>(open(path.c_str(), O_PATH | O_CLOEXEC));
  int problem = errno;
  unlink(path.c_str());
  rmdir(folder);
  if (!place->valid()) throw listen_error(*machine, path, problem, "PATH_BUSY");
  std::string address = "/proc/self/fd/" + std::to_string(place->get());
  Forward forward = start(std::move(machine), std::move(listener), "", address, std::move(target), token);
  forward.place = std::move(place);
  return forward;
}

Forward forward_tcp(std::shared_ptr<SshMachine> machine, int local_port, ForwardTarget target,
                    core::CancelToken& token) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(local_port));
  UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int on = 1;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socklen_t size = sizeof address;
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener.get(), SOMAXCONN) != 0 ||
      getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw listen_error(*machine, "127.0.0.1:" + std::to_string(local_port), errno, "PORT_BUSY");
  }
  std::string text = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  return start(std::move(machine), std::move(listener), "", text, std::move(target), token);
}

}  // namespace drover::ssh
