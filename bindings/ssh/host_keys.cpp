#include "bindings/ssh/host_keys.h"

#include <fnmatch.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "host/base/error.h"
#include "host/base/text.h"

namespace drover::ssh {

namespace {

Error bad_key(const std::string& why) {
  return Error("ssh", "BAD_KEY", "not a public key: " + why).with_hint("a key line is 'ssh-ed25519 AAAA...'");
}

KeyRef import_key(const std::string& type, const std::string& blob) {
  ssh_key key = nullptr;
  ssh_keytypes_e kind = ssh_key_type_from_name(type.c_str());
  if (kind == SSH_KEYTYPE_UNKNOWN || ssh_pki_import_pubkey_base64(blob.c_str(), kind, &key) != SSH_OK) return nullptr;
  return KeyRef(key);
}

struct EntryDeleter {
  void operator()(ssh_knownhosts_entry* entry) const { ssh_knownhosts_entry_free(entry); }
};

// libssh splits at spaces only; sshd(8) allows tabs.
std::string normalised(std::string line) {
  std::replace(line.begin(), line.end(), '\t', ' ');
  return std::string(trim(line));
}

// "!pattern" takes a host out again, wherever it stands in the list [sshd(8)]; libssh looks no further than a match.
bool is_excluded(const std::string& line, const std::string& known_as) {
  for (const std::string& pattern : split(line.substr(0, line.find(' ')), ',')) {
    if (pattern.empty() || pattern[0] != '!') continue;
    std::string escaped;
    for (char letter : pattern.substr(1))
      escaped += (letter == '[' || letter == '\\' ? "\\" : "") + std::string(1, letter);
    if (fnmatch(escaped.c_str(), known_as.c_str(), FNM_CASEFOLD) == 0) return true;
  }
  return false;
}

void read_entry(const std::string& raw, const std::string& known_as, KnownEntry entry,
                std::vector<KnownEntry>& entries) {
  std::string line = normalised(raw);
  if (line.rfind("@revoked ", 0) == 0) {
    entry.revoked = true;
    line = normalised(line.substr(9));
  }
  // A certificate authority vouches for certificates, which libssh does not check: such a line is no host key.
  if (line.empty() || line[0] == '#' || line[0] == '@') return;
  if (is_excluded(line, known_as)) return;
  ssh_knownhosts_entry* parsed = nullptr;
  if (ssh_known_hosts_parse_line(known_as.c_str(), line.c_str(), &parsed) != SSH_OK) return;
  std::unique_ptr<ssh_knownhosts_entry, EntryDeleter> owner(parsed);
  // libssh takes an RSA key with a number missing, and cannot say it again. A damaged line says nothing, as for ssh;
  // the other lines count.
  try {
    entry.key = read_public_key(parsed->publickey);
  } catch (const Error&) {
    return;
  }
  entries.push_back(std::move(entry));
}

}  // namespace

PublicKey read_public_key(ssh_key key) {
  PublicKey result;
  unsigned char* hash = nullptr;
  size_t size = 0;
  char* blob = nullptr;
  if (key == nullptr || ssh_pki_export_pubkey_base64(key, &blob) != SSH_OK) throw bad_key("it cannot be read");
  result.blob = blob;
  ssh_string_free_char(blob);
  ssh_keytypes_e type = ssh_key_type(key);
  const char* name = type == SSH_KEYTYPE_ECDSA_P256 || type == SSH_KEYTYPE_ECDSA_P384 || type == SSH_KEYTYPE_ECDSA_P521
                         ? ssh_pki_key_ecdsa_name(key)
                         : ssh_key_type_to_char(type);
  result.type = name != nullptr ? name : "";
  if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &size) != SSH_OK) throw bad_key("no hash of it");
  char* text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size);
  ssh_clean_pubkey_hash(&hash);
  result.fingerprint = text != nullptr ? text : "";
  ssh_string_free_char(text);
  return result;
}

PublicKey parse_public_key(const std::string& line) {
  std::istringstream words(line);
  std::string type, blob;
  words >> type >> blob;
  if (line.find_first_of("\r\n") < line.size() - 1 && line.find('\n') != line.size() - 1)
    throw bad_key("it has more than one line");
  KeyRef key = import_key(type, blob);
  if (!key) throw bad_key("'" + type + "' followed by no key of that type");
  return read_public_key(key.get());
}

const char* to_text(HostKeyState state) {
  switch (state) {
    case HostKeyState::known:
      return "known";
    case HostKeyState::unknown:
      return "unknown";
    case HostKeyState::changed:
      return "changed";
    case HostKeyState::other:
      return "other";
    case HostKeyState::revoked:
      return "revoked";
  }
  return "unknown";
}

std::vector<KnownEntry> find_known_hosts(const std::vector<std::string>& files, const std::string& known_as) {
  std::vector<KnownEntry> entries;
  for (const std::string& file : files) {
    std::ifstream stream(file, std::ios::binary);
    std::string line;
    for (int number = 1; std::getline(stream, line); ++number) {
      read_entry(line, known_as, KnownEntry{file, number, {}, false}, entries);
    }
  }
  return entries;
}

HostKeyState judge_host_key(const std::vector<KnownEntry>& entries, const PublicKey& shown) {
  HostKeyState state = HostKeyState::unknown;
  bool known = false;
  for (const KnownEntry& entry : entries) {
    bool same = entry.key.blob == shown.blob;
    if (same && entry.revoked) return HostKeyState::revoked;
    if (entry.revoked) continue;
    if (same) known = true;
    if (entry.key.type == shown.type) {
      state = HostKeyState::changed;
    } else if (state == HostKeyState::unknown) {
      state = HostKeyState::other;
    }
  }
  return known ? HostKeyState::known : state;
}

}  // namespace drover::ssh
