// One libssh session: connected, its host key proven, logged in. It belongs to one thread at a time; the connection's
// thread owns it (connection.h). libssh is used without blocking throughout, so that every step has an end and hears
// a cancel. Its log is off: nothing of it reaches a file. Tested by tests/bindings/ssh/session_test.cpp.
#pragma once

#include <libssh/libssh.h>

#include <functional>
#include <memory>

#include "bindings/core/cancel_token.h"
#include "bindings/ssh/dial.h"
#include "bindings/ssh/host_config.h"
#include "bindings/ssh/host_keys.h"

namespace drover::ssh {

struct SessionDeleter {
  void operator()(ssh_session session) const;
};

struct Session {
  // In this order: the session says goodbye before its proxy ends.
  std::unique_ptr<Child> proxy;
  std::unique_ptr<ssh_session_struct, SessionDeleter> handle;

  ssh_session get() const { return handle.get(); }
};

// Connects and exchanges keys; the host key is shown and not judged.
// Throws NO_NAME, NO_CONNECTION, NO_PROGRAM, CANCELLED, and what read_host_config throws.
Session open_session(const HostConfig& host, const ConnectOptions& options, core::CancelToken& token);

// The key that the server proved to have.
PublicKey shown_host_key(const Session& session);

// All entries of the host's files.
std::vector<KnownEntry> known_entries(const HostConfig& host);

// Known and equal, or HOST_KEY_UNKNOWN, HOST_KEY_CHANGED. There is no switch that accepts anything.
void prove_host_key(const Session& session, const HostConfig& host, const ConnectOptions& options);

// Logs in: agent, key files, then a password when one was allowed. Throws AUTH_FAILED, CONNECTION_LOST, CANCELLED.
void authenticate(const Session& session, const HostConfig& host, ConnectOptions& options, core::CancelToken& token);

// Calls step until it does not return again_code, waiting on the session's descriptor between calls.
// Throws NO_CONNECTION after timeout_ms, CANCELLED.
int drive(const Session& session, const HostConfig& host, int again_code, int64_t timeout_ms, core::CancelToken& token,
          const std::function<int()>& step);

// Asks on the terminal without echo. Throws NO_TERMINAL, CANCELLED. Tests give another terminal's path.
std::shared_ptr<Secret> ask_on_terminal(const std::string& prompt, core::CancelToken& token,
                                        const char* terminal = "/dev/tty");

// The first line of a descriptor, without its newline. Throws NO_PASSWORD, CANCELLED.
std::shared_ptr<Secret> read_secret(int fd, core::CancelToken& token);

}  // namespace drover::ssh
