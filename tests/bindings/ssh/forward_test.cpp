// Forwarding through a real sshd, both ways, with more data than any window, and without leftovers.
#include "bindings/ssh/forward.h"

#include <sys/un.h>

#include <catch2/catch.hpp>

#include "tests/bindings/ssh/test_server.h"

using namespace drover;
using namespace drover::ssh;
using namespace drover::ssh::test;

namespace {

UniqueFd connect_unix(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
  return fd;
}

UniqueFd connect_tcp(int port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
  return fd;
}

// Gives back what it gets, in capitals of its own: each byte plus one.
class EchoServer {
 public:
  explicit EchoServer(UniqueFd listener) : listener_(std::move(listener)) {
    thread_ = std::thread([this] {
      while (true) {
        UniqueFd fd(accept(listener_.get(), nullptr, nullptr));
        if (!fd.valid()) return;
        std::thread([fd = std::move(fd)] {
          char buffer[16384];
          ssize_t size;
          while ((size = recv(fd.get(), buffer, sizeof buffer, 0)) > 0) {
            for (ssize_t i = 0; i < size; ++i) ++buffer[i];
            for (ssize_t done = 0; done < size;) {
              ssize_t count = send(fd.get(), buffer + done, static_cast<size_t>(size - done), MSG_NOSIGNAL);
              if (count <= 0) return;
              done += count;
            }
          }
        }).detach();
      }
    });
  }
  ~EchoServer() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

 private:
  UniqueFd listener_;
  std::thread thread_;
};

UniqueFd listen_unix(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  listen(fd.get(), 16);
  return fd;
}

UniqueFd listen_tcp(int port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  listen(fd.get(), 16);
  return fd;
}

std::string exchange(const UniqueFd& fd, const std::string& data) {
  std::thread writer([&] {
    for (size_t done = 0; done < data.size();) {
      ssize_t count = send(fd.get(), data.data() + done, data.size() - done, MSG_NOSIGNAL);
      if (count <= 0) return;
      done += static_cast<size_t>(count);
    }
    shutdown(fd.get(), SHUT_WR);
  });
  std::string answer;
  char buffer[16384];
  ssize_t size;
  while ((size = recv(fd.get(), buffer, sizeof buffer, 0)) > 0) answer.append(buffer, static_cast<size_t>(size));
  writer.join();
  return answer;
}

std::string pattern(size_t size) {
  std::string data(size, '\0');
  for (size_t i = 0; i < size; ++i) data[i] = static_cast<char>(i * 31 + i / 4096);
  return data;
}

std::string plus_one(std::string data) {
  for (char& byte : data) ++byte;
  return data;
}

}  // namespace

TEST_CASE("a UNIX socket here reaches one on the host, and is gone after close", "[ssh]") {
  TestServer server;
  core::CancelToken token;
  auto machine = SshMachine::connect(server.options(), token);
  EchoServer echo(listen_unix(server.folder / "remote.sock"));
  ForwardTarget target;
  target.remote_path = server.folder / "remote.sock";
  std::string path = server.folder / "local.sock";
  Forward forward = forward_unix(machine, path, target, token);
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  REQUIRE((info.st_mode & 0777) == 0600);

  std::string data = pattern(5 << 20);
  REQUIRE(exchange(connect_unix(path), data) == plus_one(data));
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      std::string mine = pattern(100000 + static_cast<size_t>(i));
      if (exchange(connect_unix(path), mine) == plus_one(mine)) ++right;
    });
  }
  for (auto& thread : threads) thread.join();
  REQUIRE(right == 8);
  // Programs run beside it over the same connection.
  core::ExecRequest request;
  request.argv = {"echo", "in"};
  REQUIRE(machine->exec(request, token).output == "in\n");
  REQUIRE(server.connections() == 1);
  REQUIRE(code_of([&] { forward_unix(machine, path, target, token); }) == "PATH_BUSY");
  REQUIRE(forward.task->status().connections == 9);

  UniqueFd open = connect_unix(path);
  forward.close();
  char byte;
  REQUIRE(recv(open.get(), &byte, 1, 0) <= 0);
  REQUIRE_FALSE(std::filesystem::exists(path));
  REQUIRE_FALSE(forward.task->status().open);
  forward.close();
}

TEST_CASE("a port here reaches one on the host; what the host refuses is counted", "[ssh]") {
  TestServer server;
  core::CancelToken token;
  auto machine = SshMachine::connect(server.options(), token);
  int port = free_port();
  ForwardTarget target;
  target.remote_host = "127.0.0.1";
  target.remote_port = port;
  Forward forward = forward_tcp(machine, 0, target, token);
  int local = std::stoi(forward.local_address.substr(forward.local_address.find(':') + 1));
  REQUIRE(exchange(connect_tcp(local), "x").empty());
  REQUIRE(forward.task->status().refused == 1);
  REQUIRE_FALSE(forward.task->status().last_error.empty());
  EchoServer echo(listen_tcp(port));
  REQUIRE(exchange(connect_tcp(local), "hello") == "ifmmp");
  REQUIRE(code_of([&] { forward_tcp(machine, local, target, token); }) == "PORT_BUSY");
  forward.close();
  REQUIRE_FALSE(connect_tcp(local).valid());
}

TEST_CASE("a forwarding ends with its connection and leaves no socket", "[ssh]") {
  TestServer server;
  core::CancelToken token;
  auto machine = SshMachine::connect(server.options(), token);
  ForwardTarget target;
  target.remote_path = server.folder / "remote.sock";
  std::string path = server.folder / "local.sock";
  Forward forward = forward_unix(machine, path, target, token);
  server.stop();
  REQUIRE(forward.task->wait_closed(3000));
  REQUIRE_FALSE(std::filesystem::exists(path));
  REQUIRE_FALSE(forward.task->status().last_error.empty());
}
