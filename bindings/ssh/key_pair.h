// A key pair made in memory, for one run. The private half is only ever written into a private directory on tmpfs of
// a machine; it has no way into Lua, an error, a log or an argument list. It is wiped when the pair ends.
// Tested by tests/bindings/ssh/key_pair_test.cpp, and read back there by ssh-keygen.
#pragma once

#include <string.h>

#include <memory>
#include <string>

#include "bindings/core/machine.h"
#include "bindings/ssh/secret.h"

namespace drover::ssh {

enum class KeyKind { ed25519, rsa4096 };

struct KeyPair {
  static constexpr const char* lua_name = "ssh.KeyPair";
  std::string type;                      // "ssh-ed25519"
  std::string public_line;               // "ssh-ed25519 AAAA... comment"
  std::string fingerprint;               // "SHA256:..."
  std::shared_ptr<Secret> private_text;  // OpenSSH's own format
};

// Throws BAD_ARGUMENT for a comment with a control character, FAILED. RSA 4096 takes a second or more.
KeyPair generate_key_pair(KeyKind kind, const std::string& comment);

struct WrittenKey {
  std::string path;
  bool made_directory = false;  // so that remove_private_key can take it away again
};

// Writes the private half: mode 0600, in a directory of mode 0700 that only this user can enter, on tmpfs or ramfs.
// The directory is made when it is missing. Throws NOT_TMPFS, UNSAFE_PERMISSIONS, NO_FILE, NO_PERMISSION.
WrittenKey write_private_key(core::Machine& machine, const KeyPair& pair, const std::string& path,
                             core::CancelToken& token);

// Removes it, and the directory when it was made for it and is empty. False when there was nothing.
bool remove_private_key(core::Machine& machine, const WrittenKey& written, core::CancelToken& token);

// "-----BEGIN PRIVATE KEY-----" of an RSA key as OpenSSH's own format, which every OpenSSH and libssh reads.
std::string rsa_to_openssh(std::string_view pem, const std::string& comment);

}  // namespace drover::ssh
