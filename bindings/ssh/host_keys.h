// Host keys: what a server showed, and what the known_hosts files say of it. Every line that speaks of the host is
// read in every file, hashed, with patterns or plain; a revoked key is never known. Nothing here accepts a key.
// Tested by tests/bindings/ssh/host_keys_test.cpp, and against real keys by session_test.cpp.
#pragma once

#include <libssh/libssh.h>

#include <memory>
#include <string>
#include <vector>

#include "bindings/core/cancel_token.h"

namespace drover::ssh {

struct KeyDeleter {
  void operator()(ssh_key key) const { ssh_key_free(key); }
};
using KeyRef = std::unique_ptr<ssh_key_struct, KeyDeleter>;

struct PublicKey {
  std::string type;         // "ssh-ed25519"
  std::string blob;         // base64
  std::string fingerprint;  // "SHA256:..."
  std::string line() const { return type + " " + blob; }
};

// Throws BAD_KEY.
PublicKey read_public_key(ssh_key key);
// From "ssh-ed25519 AAAA... comment". Throws BAD_KEY.
PublicKey parse_public_key(const std::string& line);

enum class HostKeyState { known, unknown, changed, other, revoked };
const char* to_text(HostKeyState state);

struct KnownEntry {
  std::string file;
  int line_number = 0;
  PublicKey key;
  bool revoked = false;
};

// The entries of the files for a host as known_hosts names it. Missing files hold none.
std::vector<KnownEntry> find_known_hosts(const std::vector<std::string>& files, const std::string& known_as);

HostKeyState judge_host_key(const std::vector<KnownEntry>& entries, const PublicKey& shown);

struct AddedHost {
  std::string file;
  std::string line;
  bool added = false;  // false: it was there
};

// Adds "known_as key" to the file, hashed when the file has hashed names: under a lock, by rename, synced.
// Throws BAD_KEY, HOST_KEY_CHANGED when the file names another key of that type, NO_PERMISSION, BUSY when another
// program holds the lock for longer than that, CANCELLED.
AddedHost add_known_host(const std::string& file, const std::string& known_as, const PublicKey& key,
                         core::CancelToken& token, int64_t lock_wait_ms = 30000);

}  // namespace drover::ssh
