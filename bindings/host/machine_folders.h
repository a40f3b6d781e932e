// Folders and removal on any machine, by constant programs (mkdir, rm, rmdir, stat, getent) with paths as arguments.
// Each tells whether it changed anything. Tested by tests/bindings/host/machine_test.lua, on a local machine.
#pragma once

#include "bindings/core/machine.h"

namespace drover::host {

// True when it was there. Throws COMMAND_FAILED for a folder.
bool remove_file(core::Machine& machine, const std::string& path, core::CancelToken& token);

// True when it was made, false when it was there. With parents the missing ones above it are made too.
bool make_directory(core::Machine& machine, const std::string& path, uint32_t mode, bool parents,
                    core::CancelToken& token);

// True when it was there. Without recursive only an empty one goes. Recursive refuses a path that is not absolute, has
// "..", or has fewer than two parts: a slip must not remove /etc.
bool remove_directory(core::Machine& machine, const std::string& path, bool recursive, core::CancelToken& token);

// A new folder of mode 0700. `under` "" is /run/drover for root, which is a tmpfs, and a folder of its own in
// $XDG_RUNTIME_DIR or /tmp for others. `name` "" is a random one; else it must not be there: throws EXISTS.
std::string make_temp_directory(core::Machine& machine, const std::string& under, const std::string& name,
                                core::CancelToken& token);

struct DiskSpace {
  int64_t total_bytes = 0;
  int64_t available_bytes = 0;  // to a user who is not root
  std::string filesystem;       // "ext2/ext3", "xfs", "tmpfs", "fuseblk", ...
};

// Of the file system that holds path. Throws NO_FILE.
DiskSpace disk_space(core::Machine& machine, const std::string& path, core::CancelToken& token);

// The addresses that the machine itself finds for a name, in its order; empty when it finds none.
std::vector<std::string> resolve_there(core::Machine& machine, const std::string& name, core::CancelToken& token);

}  // namespace drover::host
