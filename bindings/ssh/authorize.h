// A key in a user's authorized_keys, on any machine: granted, looked for, revoked. The file is changed by a constant
// script under a lock on its directory: the bytes that were read must still be there, a new file beside it gets owner,
// mode and label of the old one, is synced and renamed over it. A change by somebody else starts the edit anew; a line
// that another program appended to the old file in the last instant is found in it and brought over.
// Tested by tests/bindings/ssh/authorize_test.cpp.
#pragma once

#include <functional>
#include <string>

#include "bindings/core/machine.h"
#include "bindings/ssh/authorized_keys.h"

namespace drover::ssh {

// Where a user's keys are, and what sshd thinks of the place.
struct KeysPlace {
  struct Node {
    uint32_t uid = 0;
    uint32_t mode = 0;
    std::string type;  // as stat %F in the C locale
    std::string path;
  };
  std::string user;
  std::string login;  // who runs the script
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::string home;
  std::string file;  // as configured
  std::string real;  // with links resolved: this one is edited, a link stays
  bool strict = true;
  std::string version;       // "OpenSSH_9.2p1 ..."
  std::string local_expiry;  // the asked time in the host's own zone
  std::vector<Node> nodes;   // what exists of the path, from the file up to "/"
  bool exists = false;
  bool leftovers = false;  // of an editor that was killed, or of one that is at work
  std::string contents;
};

struct KeyRequest {
  std::string user;  // "": who is logged in
  std::string key;   // "ssh-ed25519 AAAA..."; its comment is replaced by the mark
  std::string mark;  // "drover run=ID lease=N"
  std::string file;  // "": what sshd is configured to read
  LineOptions options;
  int64_t expires_at_s = 0;  // 0: never
};

struct GrantedKey {
  std::string user;
  std::string file;
  std::string line;
  bool added = false;  // false: our line was there
  bool added_newline = false;
  bool made_file = false;
  bool made_directory = false;
};

// Throws BAD_KEY, BAD_ARGUMENT, NO_USER, KEYS_DISABLED, UNSAFE_PERMISSIONS, HARD_LINKED, NO_PERMISSION,
// NO_SPACE, BUSY.
GrantedKey authorize_key(core::Machine& machine, const KeyRequest& request, core::CancelToken& token);

// What authorize_key would have to make besides the line, as the file is now: read before the act, so that it can be
// written down before it. The line is empty.
GrantedKey foresee_key(core::Machine& machine, const KeyRequest& request, core::CancelToken& token);

// Takes away what authorize_key gave: the line, and the file and folder that it made when nothing else is in them; and
// what one that was killed left beside the file. An editor that outlived its run is waited for, and the place is read
// again after it: a line that it wrote meanwhile goes too.
// False when it was not there; nothing is an error that leaves the host clean.
bool revoke_key(core::Machine& machine, const KeyRequest& request, const GrantedKey& granted, core::CancelToken& token);

Presence probe_key(core::Machine& machine, const KeyRequest& request, core::CancelToken& token);

// Throws UNSAFE_PERMISSIONS with what sshd would complain of (safe_path of its misc.c).
void check_permissions(const KeysPlace& place, const std::string& host);

// The lines and the bytes that the scripts write. Throws FAILED.
KeysPlace parse_place(const std::string& output);

}  // namespace drover::ssh
