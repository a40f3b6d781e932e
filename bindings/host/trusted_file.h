// Files of Lua that drover runs (hosts.lua, playbooks): as root, one that others may write is refused, because whoever
// may write it would be root. Tested by tests/bindings/host/trusted_file_test.cpp.
#pragma once

#include <optional>
#include <string>

namespace drover::host {

// The text of a file of this machine, of at most 4 MiB; nothing when it is not there. For uid 0 the file and each
// folder above it must belong to root and be writable by nobody else (a sticky folder such as /tmp is well): else
// throws UNTRUSTED_FILE. Throws NO_PERMISSION, TOO_LARGE, IS_DIRECTORY. The checks are made on the open file.
std::optional<std::string> read_trusted_file(const std::string& path, unsigned user_id);

}  // namespace drover::host
