// A private sshd for a test: its own port, host keys, configuration and authorized_keys in a folder of its own.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <thread>

#include "bindings/ssh/child.h"
#include "bindings/ssh/host_config.h"
#include "host/base/error.h"
#include "host/base/unique_fd.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"

namespace drover::ssh::test {

using tests::code_of;
using tests::read_text;
using tests::TemporaryFolder;
using tests::write_text;

inline void make_key(const std::string& path, const std::string& type = "ed25519") {
  run_child({"ssh-keygen", "-q", "-t", type, "-N", "", "-C", "test", "-f", path}, 10000);
}

// A port that nobody listens on.
inline int free_port() {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  socklen_t size = sizeof address;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

class TestServer {
 public:
  explicit TestServer(const std::string& extra = "") : port(free_port()) {
    mkdir("/run/sshd", 0755);
    make_key(folder / "host_key");
    make_key(folder / "user_key");
    write_text(folder / "authorized_keys", read_text(folder / "user_key.pub"));
    std::string host_key = read_text(folder / "host_key.pub");
    write_text(folder / "known_hosts", "[127.0.0.1]:" + std::to_string(port) + " " + host_key);
    write_text(folder / "ssh_config", "");
    write_text(folder / "sshd_config",
               "Port " + std::to_string(port) + "\nListenAddress 127.0.0.1\nHostKey " + (folder / "host_key") +
                   "\nAuthorizedKeysFile " + (folder / "authorized_keys") + "\nPidFile none\nUsePAM no\n" +
                   "StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n" +
                   "SetEnv HOME=" + folder.path() +  // the .bashrc of this machine is none of the test's
                   "\nPermitRootLogin yes\nMaxStartups 100\nAllowStreamLocalForwarding yes\nLogLevel DEBUG1\n" + extra);
    start();
  }
  ~TestServer() { stop(); }

  void start() {
    pid_ = fork();
    if (pid_ == 0) {
      setpgid(0, 0);
      std::string log = folder / "sshd.log", config = folder / "sshd_config";
      execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-E", log.c_str(), "-f", config.c_str(), nullptr);
      _exit(127);
    }
    for (int i = 0; i < 500 && !listens(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }

  // The listener and every connection of it: each is a process group of its own.
  void stop() {
    signal_all(SIGCONT);
    signal_all(SIGKILL);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  void signal_all(int signal) {
    for (pid_t pid : processes()) kill(pid, signal);
  }

  // The listener and its descendants.
  std::set<pid_t> processes() const {
    std::set<pid_t> found;
    if (pid_ > 0) found.insert(pid_);
    for (bool grew = true; grew;) {
      grew = false;
      for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        pid_t pid = std::atoi(entry.path().filename().c_str());
        if (pid <= 0 || found.count(pid)) continue;
        std::string stat = read_text(entry.path() / "stat");
        size_t end = stat.rfind(')');
        if (end == stat.npos || stat.size() < end + 4) continue;
        if (found.count(std::atoi(stat.c_str() + end + 4))) grew = found.insert(pid).second || grew;
      }
    }
    return found;
  }

  int connections() const {
    std::string log = read_text(folder / "sshd.log");
    int count = 0;
    for (size_t at = 0; (at = log.find("Accepted publickey", at)) != log.npos; ++at) ++count;
    return count;
  }

  ConnectOptions options() const {
    ConnectOptions result;
    result.target = "root@127.0.0.1:" + std::to_string(port);
    result.identity_files = {folder / "user_key"};
    result.known_hosts = folder / "known_hosts";
    result.config = folder / "ssh_config";
    return result;
  }

  TemporaryFolder folder;
  int port;

 private:
  bool listens() const {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  pid_t pid_ = -1;
};

// A server that ends each connection at once, in words of its own: nobody has proven who it is.
class RefusingServer {
 public:
  explicit RefusingServer(const std::string& words) : port(free_port()) {
    UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener.get(), 8) != 0) {
      throw Error("test", "FAILED", "cannot listen");
    }
    pid_ = fork();
    if (pid_ != 0) return;
    signal(SIGPIPE, SIG_IGN);
    while (true) {
      UniqueFd client(accept(listener.get(), nullptr, nullptr));
      std::string greeting = "SSH-2.0-refuses\r\n", goodbye = disconnect(words), heard(4096, '\0');
      if (write(client.get(), greeting.data(), greeting.size()) < 0) continue;
      // The client's own greeting, and what it proposes: only then does it listen to anything.
      for (size_t size = 0; size < 200;) {
        ssize_t count = read(client.get(), heard.data(), heard.size());
        if (count <= 0) break;
        size += static_cast<size_t>(count);
      }
      if (write(client.get(), goodbye.data(), goodbye.size()) < 0) continue;
      while (read(client.get(), heard.data(), heard.size()) > 0) continue;
    }
  }
  ~RefusingServer() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  RefusingServer(const RefusingServer&) = delete;
  RefusingServer& operator=(const RefusingServer&) = delete;

  int port;

 private:
  static std::string number(size_t value) {
    uint32_t bytes = htonl(static_cast<uint32_t>(value));
    return {reinterpret_cast<const char*>(&bytes), sizeof bytes};
  }

  // SSH_MSG_DISCONNECT in a packet without encryption [RFC 4253, 6 and 11.1].
  static std::string disconnect(const std::string& words) {
    constexpr size_t block_bytes = 8, least_padding_bytes = 4;
    std::string payload = "\x01" + number(2) + number(words.size()) + words + number(0);
    size_t padding = block_bytes - (5 + payload.size()) % block_bytes;
    if (padding < least_padding_bytes) padding += block_bytes;
    return number(1 + payload.size() + padding) + static_cast<char>(padding) + payload + std::string(padding, '\0');
  }

  pid_t pid_ = -1;
};

inline int64_t milliseconds_since(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - since).count();
}

}  // namespace drover::ssh::test
