#include "bindings/ssh/ssh.h"

#include "bindings/core/object.h"
#include "bindings/ssh/forward.h"
#include "bindings/ssh/key_pair.h"
#include "bindings/ssh/ssh_functions.h"

namespace drover::ssh {

namespace {

constexpr const char* connect_errors =
    "BAD_ARGUMENT, BAD_TARGET, BAD_CONFIG, BAD_KEY, NO_NAME, NO_CONNECTION, NO_PROGRAM, TIMEOUT, CANCELLED";

constexpr const char* connect_options =
    "name (how errors call the host; the target without it), user, port, identity_files (list of paths, instead of the "
    "configured ones), known_hosts and config (paths, "
    "instead "
    "of the configured ones), host_key (\"ssh-ed25519 AAAA...\": no other is accepted), password_fd (a descriptor "
    "whose "
    "first line is the password), ask_password (asks on the terminal, without echo), connect_timeout_ms (10000).";

constexpr const char* key_names =
    "key (the public key's line), mark (the comment that makes the line ours), user (who is logged in), file (what "
    "sshd "
    "is configured to read)";

const core::Class& key_pair_class() {
  static const core::Class definition{
      KeyPair::lua_name,
      "A key pair in memory. The private half can only be written to a file on tmpfs; it is wiped at the end.",
      {
          {"public_line",
           key_public_line,
           "\"ssh-ed25519 AAAA... comment\".",
           {},
           {{"line", "string", "\"ssh-ed25519 AAAA... comment\"."}}},
          {"fingerprint", key_fingerprint, "\"SHA256:...\".", {}, {{"fingerprint", "string", ""}}},
          {"type", key_type, "\"ssh-ed25519\" or \"ssh-rsa\".", {}, {{"type", "string", ""}}},
          {"tostring", key_tostring, "Its type and fingerprint.", {}, {{"text", "string", ""}}},
          {"write_private",
           key_write_private,
           "Writes the private half in OpenSSH's format, mode 0600, into a directory of mode 0700 on tmpfs or ramfs. "
           "The "
           "directory is made when it is missing. An existing file is not replaced.",
           {{"machine", "host.Machine", "Or a host object."}, {"path", "string", "Absolute."}},
           {{"written", "table", "path, made_directory: what remove_private takes."}},
           "BAD_ARGUMENT, NOT_TMPFS, UNSAFE_PERMISSIONS, NO_FILE, NO_PERMISSION, FILE_FAILED, CONNECTION_LOST, "
           "CANCELLED",
           core::Blocking::yes,
           core::Effect::changes},
      },
      core::destroy_object<KeyPair>};
  return definition;
}

const core::Class& forward_class() {
  static const core::Class definition{
      Forward::lua_name,
      "A listening socket here whose connections come out on a host.",
      {
          {"close",
           forward_close,
           "Ends it and its connections, and removes the socket's file. Doing it twice is no error.",
           {},
           {},
           "",
           core::Blocking::yes},
          {"local_address", forward_local_address, "The path, or 127.0.0.1:PORT.", {}, {{"address", "string", ""}}},
          {"status",
           forward_status,
           "How it is.",
           {},
           {{"status", "table", "open, connections (so far), refused (by the host), last_error."}}},
          {"tostring", forward_tostring, "Its local address.", {}, {{"text", "string", ""}}},
      },
      core::destroy_object<Forward>};
  return definition;
}

std::vector<core::Function> forward_functions() {
  return {
      {"forward_unix",
       forward_unix,
       "Forwards a UNIX socket of this machine (mode 0600) to one of the host, through its SSH connection. Without "
       "local_path the socket has no name: only drover itself can connect, at Forward:local_address().",
       {{"machine", "host.Machine", "Or a host object; over SSH."}, {"options", "table", "remote_path; local_path."}},
       {{"forward", "ssh.Forward", ""}},
       "BAD_ARGUMENT, NOT_SSH, PATH_BUSY, NO_PERMISSION, FAILED, CONNECTION_LOST, CLOSED, CANCELLED",
       core::Blocking::yes},
      {"forward_tcp",
       forward_tcp,
       "Forwards a port of 127.0.0.1 on this machine to an address as the host sees it.",
       {{"machine", "host.Machine", "Or a host object; over SSH."},
        {"options", "table", "local_port (0: a free one), remote_host (127.0.0.1), remote_port."}},
       {{"forward", "ssh.Forward", ""}},
       "BAD_ARGUMENT, NOT_SSH, PORT_BUSY, NO_PERMISSION, FAILED, CONNECTION_LOST, CLOSED, CANCELLED",
       core::Blocking::yes,
       core::Effect::changes},
  };
}

std::vector<core::Function> connection_functions() {
  return {
      {"connect",
       connect,
       "A machine over SSH: logs in with the agent's keys, key files, then a password when one is allowed. The host "
       "key is "
       "known and equal, or it is an error; nothing accepts another. Programs share few connections; a dead host is "
       "noticed within 15 s.",
       {{"target", "string", "user@name:port, [IPv6]:port, or an alias of ~/.ssh/config (jump hosts work)."},
        {"options?", "table", connect_options}},
       {{"machine", "host.Machine", ""}},
       std::string(connect_errors) + ", HOST_KEY_UNKNOWN, HOST_KEY_CHANGED, AUTH_FAILED, NO_PASSWORD, NO_TERMINAL",
       core::Blocking::yes},
      {"host_key",
       host_key,
       "The host key that a server shows, without logging in.",
       {{"target", "string", "user@name:port, [IPv6]:port, or an alias of ~/.ssh/config."},
        {"options?", "table", connect_options}},
       {{"key", "table",
         "type, fingerprint_sha256, public_key_line, known_as (its name in known_hosts), known: known, unknown, "
         "changed "
         "(another key of this type is known), other (only keys of other types are known), revoked."}},
       connect_errors,
       core::Blocking::yes},
      {"find_known_host",
       find_known_host,
       "What the known_hosts files say of a host, hashed entries and patterns included.",
       {{"target", "string", "user@name:port, [IPv6]:port, or an alias of ~/.ssh/config."},
        {"options?", "table", connect_options}},
       {{"entries", "table[]", "type, fingerprint_sha256, public_key_line, file, line_number, revoked."}},
       connect_errors,
       core::Blocking::yes},
      {"add_known_host",
       add_known_host,
       "Adds a host key to known_hosts, hashed when the file is. Another key of the same type is never replaced.",
       {{"target", "string", "user@name:port, [IPv6]:port, or an alias of ~/.ssh/config."},
        {"key_line", "string", "\"ssh-ed25519 AAAA...\"."},
        {"options?", "table", "known_hosts (path), config (path)."}},
       {{"result", "table", "file, line, added (false: it was there)."}},
       "BAD_ARGUMENT, BAD_TARGET, BAD_CONFIG, BAD_KEY, HOST_KEY_CHANGED, NO_PERMISSION, WRITE_FAILED, NO_PROGRAM, "
       "TIMEOUT, BUSY",
       core::Blocking::yes,
       core::Effect::changes},
  };
}

std::vector<core::Function> key_functions() {
  const std::string named = std::string(key_names);
  const std::string file_errors =
      "BAD_ARGUMENT, BAD_KEY, NO_USER, KEYS_DISABLED, UNSAFE_PERMISSIONS, HARD_LINKED, NO_PERMISSION, NO_SPACE, BUSY, "
      "FILE_FAILED, CONNECTION_LOST, TIMEOUT, CANCELLED";
  return {
      {"generate_key",
       generate_key,
       "Makes a key pair in memory.",
       {{"options?", "table", "type: ed25519 (default) or rsa4096 (takes a second or more); comment."}},
       {{"key", "ssh.KeyPair", ""}},
       "BAD_ARGUMENT, FAILED",
       core::Blocking::yes},
      {"remove_private",
       remove_private,
       "Removes what KeyPair:write_private wrote; nothing to remove is no error.",
       {{"machine", "host.Machine", "Or a host object."}, {"written", "table", "path, made_directory."}},
       {{"result", "table", "removed."}},
       "BAD_ARGUMENT, FILE_FAILED, CONNECTION_LOST, TIMEOUT, CANCELLED",
       core::Blocking::yes,
       core::Effect::changes},
      {"authorize",
       authorize,
       "Adds a key to a user's authorized_keys: atomic, under a lock, every other byte kept. Doing it twice adds one "
       "line. "
       "Refuses a file that sshd would refuse.",
       {{"machine", "host.Machine", "Or a host object."},
        {"options", "table",
         named + ", restrict (true), port_forwarding (needed for forwarded UNIX sockets), from (addresses and CIDR, "
                 "comma-separated), expires_at_s (unix time, rounded up to the minute), command."}},
       {{"granted", "table",
         "user, file, line, added, added_newline, made_file, made_directory: give all but line and added to revoke."}},
       file_errors,
       core::Blocking::yes,
       core::Effect::changes},
      {"revoke",
       revoke,
       "Removes exactly the line with this key and this mark, and the file and folder that authorize made when nothing "
       "else "
       "is in them. Nothing to remove is no error. A session that is open already lives on.",
       {{"machine", "host.Machine", "Or a host object."},
        {"options", "table", named + ", added_newline, made_file, made_directory (as authorize gave them)."}},
       {{"result", "table", "removed."}},
       file_errors,
       core::Blocking::yes,
       core::Effect::changes},
      {"foresee_authorize",
       foresee_authorize,
       "What authorize would make besides the line, as things are now. Written down before the act, it lets another "
       "process revoke without a trace.",
       {{"machine", "host.Machine", "Or a host object."},
        {"options", "table", "user (who is logged in), file (what sshd is configured to read)."}},
       {{"foreseen", "table", "user, file, added_newline, made_file, made_directory, added (false)."}},
       file_errors,
       core::Blocking::yes},
      {"probe_authorized",
       probe_authorized,
       "Whether a key is in authorized_keys: absent, ours (with this mark), foreign (with other comments only).",
       {{"machine", "host.Machine", "Or a host object."}, {"options", "table", named + "."}},
       {{"presence", "string", ""}},
       file_errors,
       core::Blocking::yes},
      {"format_key_line",
       format_key_line,
       "The line that authorize would write on a host with OpenSSH 9.1 or later.",
       {{"options", "table", "As for authorize."}},
       {{"line", "string", "\"ssh-ed25519 AAAA... comment\"."}},
       "BAD_ARGUMENT, BAD_KEY"},
      {"parse_key",
       parse_key,
       "What a public key's line says.",
       {{"line", "string", "\"ssh-ed25519 AAAA... comment\"."}},
       {{"key", "table", "type, fingerprint_sha256, public_key_line (without a comment)."}},
       "BAD_ARGUMENT, BAD_KEY"},
  };
}

std::vector<core::Function> all_functions() {
  std::vector<core::Function> functions = connection_functions();
  for (auto& function : forward_functions()) functions.push_back(std::move(function));
  for (auto& function : key_functions()) functions.push_back(std::move(function));
  return functions;
}

}  // namespace

const core::Module& module() {
  static const core::Module definition{"ssh",
                                       "Machines over SSH, host keys, forwarding, key pairs, authorized_keys.",
                                       all_functions(),
                                       {forward_class(), key_pair_class()}};
  return definition;
}

}  // namespace drover::ssh
