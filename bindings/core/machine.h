// A machine, local or over SSH: the seam through which every binding runs programs and reads files on a host.
// Implementations: bindings/host/local_machine.h, bindings/ssh/ssh_machine.h; tests use a fake.
// All members block and are called on worker threads; they are safe to call from several at once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bindings/core/cancel_token.h"

namespace drover::core {

struct ExecRequest {
  std::vector<std::string> argv;  // never a shell string; quoted for the remote shell in one place
  std::string input;              // given on standard input, then closed
  std::map<std::string, std::string> environment;
  int64_t timeout_ms = 60000;           // 0 is not allowed: no wait is without a bound
  size_t most_output_bytes = 64 << 20;  // more is an error, not a cut text
};

struct ExecResult {
  int exit_code = 0;   // 128 + signal when a signal ended it
  std::string signal;  // "TERM", or ""
  std::string output;
  std::string errors;
};

struct FileInfo {
  std::string type;  // file, directory, link, socket, other
  int64_t size_bytes = 0;
  uint32_t mode = 0;  // permission bits
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t modified_s = 0;
};

class Machine {
 public:
  virtual ~Machine() = default;

  // How a person named it: "localhost", "kvm2". Errors carry it.
  virtual const std::string& name() const = 0;
  virtual bool is_local() const = 0;

  // Runs a program. A non-zero exit is a result, not an error. Throws NO_PROGRAM, TIMEOUT, CANCELLED,
  // CONNECTION_LOST, OUTPUT_TOO_LARGE. A cancel or a timeout ends the program (TERM, then KILL).
  virtual ExecResult exec(const ExecRequest& request, CancelToken& token) = 0;

  // Whole files. Throws NO_FILE, NO_PERMISSION, TOO_LARGE, CONNECTION_LOST.
  virtual std::string read_file(const std::string& path, size_t most_bytes, CancelToken& token) = 0;
  // Writes a new file beside path and renames it over: a reader sees the old or the new one.
  virtual void write_file(const std::string& path, const std::string& data, uint32_t mode, CancelToken& token) = 0;
  // Nothing when there is no such file.
  virtual std::optional<FileInfo> stat_file(const std::string& path, CancelToken& token) = 0;
};

// exec, and COMMAND_FAILED when the exit code is not 0: with that, the last line of its standard error and its argv.
ExecResult exec_checked(Machine& machine, const ExecRequest& request, CancelToken& token);

// What Lua holds of a machine: stdlib's host object carries one as its field "machine".
struct MachineHandle {
  static constexpr const char* lua_name = "host.Machine";
  std::shared_ptr<Machine> machine;
};

}  // namespace drover::core
