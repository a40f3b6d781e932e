#include "bindings/ssh/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <chrono>

#include "host/base/error.h"

namespace drover::ssh {

namespace {

using Clock = std::chrono::steady_clock;

// How long unacknowledged data may stay so before the kernel gives the peer up; the SSH keepalive is the second net.
constexpr int unacknowledged_limit_ms = 15000;
constexpr int poll_slice_ms = 50;

std::string place(const HostConfig& host) { return host.host + " port " + std::to_string(host.port); }

Error no_connection(const HostConfig& host, int problem) {
  std::string why = problem == ECONNREFUSED ? "refused: nothing listens there, or a firewall refuses"
                    : problem == ETIMEDOUT  ? "no answer in " + std::to_string(host.connect_timeout_ms) + " ms"
                                            : strerror(problem);
  std::string hint = problem == ECONNREFUSED ? "is sshd running there, and on this port?"
                     : problem == ETIMEDOUT  ? "is the host up, and does a firewall drop the connection?"
                                             : "look at the address and the routes";
  return Error("ssh", "NO_CONNECTION", "cannot connect to " + place(host) + ": " + why)
      .on_host(host.name)
      .with_native("errno " + std::to_string(problem) + ": " + strerror(problem))
      .with_hint(hint);
}

void set_options(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  int limit_ms = unacknowledged_limit_ms;
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof limit_ms);
}

// 0, or the errno of the failed attempt.
int finish_connect(int fd, Clock::time_point deadline, core::CancelToken& token) {
  while (true) {
    token.throw_if_cancelled("ssh.connect");
    pollfd wanted{fd, POLLOUT, 0};
    int ready = poll(&wanted, 1, poll_slice_ms);
    if (ready > 0) {
      int problem = 0;
      socklen_t size = sizeof problem;
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
      return problem;
    }
    if (Clock::now() >= deadline) return ETIMEDOUT;
  }
}

UniqueFd connect_tcp(const HostConfig& host, core::CancelToken& token) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  int answer = getaddrinfo(host.host.c_str(), std::to_string(host.port).c_str(), &wanted, &found);
  if (answer != 0) {
    throw Error("ssh", "NO_NAME", "'" + host.host + "' does not resolve: " + gai_strerror(answer))
        .on_host(host.name)
        .with_native("getaddrinfo " + std::to_string(answer))
        .with_hint("look at the name, /etc/hosts, ~/.ssh/config and the inventory");
  }
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  auto deadline = Clock::now() + std::chrono::milliseconds(host.connect_timeout_ms);
  int problem = ENETUNREACH;
  for (addrinfo* address = found; address != nullptr; address = address->ai_next) {
    UniqueFd fd(socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) continue;
    set_options(fd.get());
    problem = connect(fd.get(), address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    if (problem == EINPROGRESS) problem = finish_connect(fd.get(), deadline, token);
    if (problem == 0) return fd;
  }
  throw no_connection(host, problem);
}

}  // namespace

Stream dial(const HostConfig& host, core::CancelToken& token) {
  std::vector<std::string> argv = proxy_argv(host);
  if (argv.empty()) return Stream{connect_tcp(host, token), nullptr};
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw no_connection(host, errno);
  UniqueFd ours(ends[0]), theirs(ends[1]);
  fcntl(ours.get(), F_SETFL, O_NONBLOCK);
  auto proxy = std::make_unique<Child>(argv, theirs.get(), theirs.get());
  return Stream{std::move(ours), std::move(proxy)};
}

}  // namespace drover::ssh
