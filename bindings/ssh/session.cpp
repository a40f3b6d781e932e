#include "bindings/ssh/session.h"

#include <poll.h>

#include <algorithm>
#include <chrono>

#include "host/base/error.h"
#include "host/base/text.h"

namespace drover::ssh {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int poll_slice_ms = 50;
constexpr const char* default_algorithms =
    "ssh-ed25519,ecdsa-sha2-nistp521,ecdsa-sha2-nistp384,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256";

// What a key type is called when the host key algorithm is agreed on.
std::string algorithms_of(const std::string& key_type) {
  return key_type == "ssh-rsa" ? "rsa-sha2-512,rsa-sha2-256" : key_type;
}

// The types of the known keys first: a host with several keys then shows the one that is known.
std::string wanted_algorithms(const std::vector<KnownEntry>& entries) {
  std::vector<std::string> wanted;
  auto add = [&wanted](const std::string& list) {
    for (const std::string& one : split(list, ',')) {
      if (std::find(wanted.begin(), wanted.end(), one) == wanted.end()) wanted.push_back(one);
    }
  };
  for (const KnownEntry& entry : entries) {
    if (!entry.revoked && std::string(default_algorithms).find(algorithms_of(entry.key.type)) != std::string::npos) {
      add(algorithms_of(entry.key.type));
    }
  }
  add(default_algorithms);
  return join(wanted, ",");
}

void set_option(ssh_session session, ssh_options_e option, const void* value) {
  if (ssh_options_set(session, option, value) != SSH_OK) {
    throw Error("ssh", "BAD_CONFIG", std::string("libssh refuses an option: ") + ssh_get_error(session));
  }
}

void set_options(ssh_session session, const HostConfig& host, const ConnectOptions& options) {
  bool no = false;
  int silent = SSH_LOG_NOLOG;
  unsigned port = static_cast<unsigned>(host.port);
  set_option(session, SSH_OPTIONS_LOG_VERBOSITY, &silent);
  set_option(session, SSH_OPTIONS_PROCESS_CONFIG, &no);
  set_option(session, SSH_OPTIONS_HOST, host.host.c_str());
  set_option(session, SSH_OPTIONS_PORT, &port);
  set_option(session, SSH_OPTIONS_USER, host.user.c_str());
  // Host keys are judged in host_keys.cpp, over all files; libssh is given none to read.
  set_option(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
  set_option(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
  std::string algorithms = options.host_key ? algorithms_of(parse_public_key(*options.host_key).type)
                                            : wanted_algorithms(known_entries(host));
  set_option(session, SSH_OPTIONS_HOSTKEYS, algorithms.c_str());
  if (!host.identity_agent.empty() && host.identity_agent != "none") {
    set_option(session, SSH_OPTIONS_IDENTITY_AGENT, host.identity_agent.c_str());
  }
}

// The reason as the proxy gave it, or libssh's.
Error handshake_error(const Session& session, const HostConfig& host, const ConnectOptions& options,
                      const std::string& native) {
  std::string said;
  if (session.proxy) {
    session.proxy->wait(200);
    said = std::string(trim(session.proxy->errors()));
  }
  if (!said.empty()) {
    return Error("ssh", "NO_CONNECTION",
                 "the jump host or proxy of " + host.name + " failed: " + split(said, '\n').back())
        .on_host(host.name)
        .with_native(said)
        .with_hint("try it by hand: ssh " +
                   (host.proxy_jump.empty() ? host.target : split(host.proxy_jump, ',').back()));
  }
  if (native.find("no match for method") != native.npos && options.host_key) {
    return Error("ssh", "HOST_KEY_CHANGED",
                 host.name + " does not have a host key of the pinned type " + parse_public_key(*options.host_key).type)
        .on_host(host.name)
        .with_native(native)
        .with_hint("look at the host's keys, and at the key in the inventory");
  }
  return Error("ssh", "NO_CONNECTION", "no SSH session with " + host.name + ": " + native)
      .on_host(host.name)
      .with_native(native)
      .with_hint("is an SSH server listening on " + host.host + " port " + std::to_string(host.port) + "?");
}

}  // namespace

void SessionDeleter::operator()(ssh_session session) const {
  ssh_disconnect(session);
  ssh_free(session);
}

int drive(const Session& session, const HostConfig& host, int again_code, int64_t timeout_ms, core::CancelToken& token,
          const std::function<int()>& step) {
  auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  while (true) {
    token.throw_if_cancelled("ssh.connect");
    int result = step();
    if (result != again_code) return result;
    if (Clock::now() >= deadline) {
      throw Error("ssh", "NO_CONNECTION", host.name + " did not answer in " + std::to_string(timeout_ms) + " ms")
          .on_host(host.name)
          .with_hint("something listens there and does not speak; is it sshd, and is the host well?");
    }
    int flags = ssh_get_poll_flags(session.get());
    pollfd wanted{ssh_get_fd(session.get()),
                  static_cast<short>((flags & SSH_WRITE_PENDING) ? POLLIN | POLLOUT : POLLIN), 0};
    poll(&wanted, 1, poll_slice_ms);
  }
}

Session open_session(const HostConfig& host, const ConnectOptions& options, core::CancelToken& token) {
  Session session{nullptr, std::unique_ptr<ssh_session_struct, SessionDeleter>(ssh_new())};
  if (!session.handle) throw Error("ssh", "NO_RESOURCES", "no memory for an SSH session");
  set_options(session.get(), host, options);
  Stream stream = dial(host, token);
  session.proxy = std::move(stream.proxy);
  socket_t fd = stream.fd.get();
  set_option(session.get(), SSH_OPTIONS_FD, &fd);
  ssh_set_blocking(session.get(), 0);
  std::string native;
  int result = drive(session, host, SSH_AGAIN, host.connect_timeout_ms, token, [&] {
    int step = ssh_connect(session.get());
    if (step == SSH_ERROR) native = ssh_get_error(session.get());
    if (stream.fd.valid()) {
      // The socket has it now. While it stands in the options too, ssh_disconnect would not close it [libssh client.c].
      stream.fd.release();
      ssh_options_set(session.get(), SSH_OPTIONS_FD, nullptr);
    }
    return step;
  });
  if (result != SSH_OK) throw handshake_error(session, host, options, native);
  return session;
}

PublicKey shown_host_key(const Session& session) {
  ssh_key key = nullptr;
  ssh_get_server_publickey(session.get(), &key);
  KeyRef owner(key);
  return read_public_key(key);
}

std::vector<KnownEntry> known_entries(const HostConfig& host) {
  std::vector<std::string> files = host.user_known_hosts;
  files.insert(files.end(), host.global_known_hosts.begin(), host.global_known_hosts.end());
  return find_known_hosts(files, host.known_as);
}

void prove_host_key(const Session& session, const HostConfig& host, const ConnectOptions& options) {
  PublicKey shown = shown_host_key(session);
  // The key files of sshd have the names of ssh-keygen's types [sshd_config(5), HostKey].
  std::string type = shown.type.rfind("ecdsa", 0) == 0 ? "ecdsa" : shown.type == "ssh-rsa" ? "rsa" : "ed25519";
  std::string warning =
      "somebody may sit between, or the host was installed anew: ask its administrator, compare the fingerprint there "
      "(ssh-keygen -lf /etc/ssh/ssh_host_" +
      type + "_key.pub), then ";
  if (options.host_key) {
    PublicKey pinned = parse_public_key(*options.host_key);
    if (pinned.blob == shown.blob) return;
    throw Error("ssh", "HOST_KEY_CHANGED",
                "the host key of " + host.name + " is not the pinned one: pinned " + pinned.fingerprint + ", shown " +
                    shown.fingerprint)
        .on_host(host.name)
        .with_hint(warning + "correct the inventory");
  }
  std::vector<KnownEntry> entries = known_entries(host);
  switch (judge_host_key(entries, shown)) {
    case HostKeyState::known:
      return;
    case HostKeyState::unknown:
      throw Error("ssh", "HOST_KEY_UNKNOWN",
                  "the host key of " + host.name + " is not known: " + shown.type + " " + shown.fingerprint)
          .on_host(host.name)
          .with_hint("compare the fingerprint on the host, then: drover trust " + host.name);
    case HostKeyState::revoked:
      throw Error("ssh", "HOST_KEY_CHANGED",
                  "the host key of " + host.name + " is marked as revoked: " + shown.fingerprint)
          .on_host(host.name)
          .with_hint("this key must not be used; ask the host's administrator");
    default: {
      const KnownEntry& entry = entries.front();
      throw Error("ssh", "HOST_KEY_CHANGED",
                  "the host key of " + host.name + " is not the known one: known " + entry.key.type + " " +
                      entry.key.fingerprint + " (" + entry.file + ", line " + std::to_string(entry.line_number) +
                      "), shown " + shown.type + " " + shown.fingerprint)
          .on_host(host.name)
          .on_object(host.known_as)
          .with_hint(warning + "ssh-keygen -f " + entry.file + " -R '" + host.known_as + "' and drover trust " +
                     host.name);
    }
  }
}

}  // namespace drover::ssh
