// From what a person wrote ("root@kvm2:2222", "[2001:db8::5]:22", an alias of ~/.ssh/config) to all that a connection
// needs. The configuration is read by `ssh -G`, so that drover and ssh agree on every host: libssh 0.10's own parser
// knows neither HostKeyAlias nor IdentitiesOnly nor a second known_hosts file [libssh src/config.c].
// Tested by tests/bindings/ssh/host_config_test.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bindings/ssh/secret.h"

namespace drover::ssh {

struct Target {
  std::string host;  // a name, an address without brackets, or an alias
  std::optional<std::string> user;
  std::optional<int> port;
};

// Throws BAD_TARGET.
Target parse_target(const std::string& text);

// What a caller may say of a connection.
struct ConnectOptions {
  std::string target;
  std::optional<std::string> name;  // how a person calls it, where that is not the target: an entry of the inventory
  std::optional<std::string> user;
  std::optional<int> port;
  std::vector<std::string> identity_files;  // instead of the configured ones
  std::optional<std::string> known_hosts;   // instead of the configured files
  std::optional<std::string> config;        // instead of ~/.ssh/config
  std::optional<std::string> host_key;      // "ssh-ed25519 AAAA...": no other is accepted, and no file is asked
  std::shared_ptr<Secret> password;
  bool ask_password = false;  // on the terminal, without echo, when nothing else was accepted
  int64_t connect_timeout_ms = 10000;
  // A quiet peer is asked after keepalive_ms, and dead after dead_after_ms without any packet.
  int64_t keepalive_ms = 4000;
  int64_t dead_after_ms = 12000;
};

struct HostConfig {
  std::string name;    // as the person wrote it: errors carry it
  std::string target;  // what ssh is asked for: the same, or the address of the inventory
  std::string host;
  int port = 22;
  std::string user;
  std::string known_as;  // how known_hosts names it: "host", "[host]:port", or the HostKeyAlias
  std::vector<std::string> identity_files;
  bool identities_first = false;  // named ones are offered before the agent's: a server stops after a few
  std::string identity_agent;     // "" for $SSH_AUTH_SOCK, "none" for no agent
  std::vector<std::string> user_known_hosts;
  std::vector<std::string> global_known_hosts;
  std::string proxy_command;
  std::string proxy_jump;
  std::optional<std::string> config;
  int64_t connect_timeout_ms = 10000;
};

// Throws BAD_TARGET, BAD_CONFIG, NO_PROGRAM, TIMEOUT.
HostConfig read_host_config(const ConnectOptions& options);

// The program that carries the connection over a jump host or a ProxyCommand; empty for a plain connection.
std::vector<std::string> proxy_argv(const HostConfig& host);

}  // namespace drover::ssh
