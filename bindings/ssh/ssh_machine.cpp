#include "bindings/ssh/ssh_machine.h"

#include <sys/stat.h>

#include <sstream>

#include "host/base/text.h"

namespace drover::ssh {

namespace {

constexpr int64_t file_timeout_ms = 10 * 60 * 1000;
constexpr size_t answer_bytes = 65536;

// Positional: path, mode, size. The data is on standard input; fewer bytes than announced mean that the connection
// broke, and then the old file stays. The directory is synced so that the new name survives a power cut.
constexpr const char* write_script = R"sh(set -eu
umask 077
path=$1 mode=$2 size=$3
case $path in */*) directory=${path%/*} ;; *) directory=. ;; esac
[ -n "$directory" ] || directory=/
temporary=$(mktemp "$directory/.drover.XXXXXXXXXX")
trap 'rm -f -- "$temporary"' EXIT
trap 'exit 143' TERM HUP INT
cat > "$temporary"
[ "$(stat -c %s -- "$temporary")" = "$size" ] || { echo "the data was cut short" >&2; exit 1; }
chmod -- "$mode" "$temporary"
sync -- "$temporary"
mv -fT -- "$temporary" "$path"
trap - EXIT
sync -- "$directory"
)sh";

std::string type_name(uint32_t mode) {
  if (S_ISREG(mode)) return "file";
  if (S_ISDIR(mode)) return "directory";
  if (S_ISLNK(mode)) return "link";
  if (S_ISSOCK(mode)) return "socket";
  return "other";
}

}  // namespace

std::shared_ptr<SshMachine> SshMachine::connect(const ConnectOptions& options, core::CancelToken& token) {
  auto pool = std::make_shared<ConnectionPool>(read_host_config(options), options);
  pool->connect(token);
  return std::shared_ptr<SshMachine>(new SshMachine(std::move(pool)));
}

core::ExecResult SshMachine::exec(const core::ExecRequest& request, core::CancelToken& token) {
  core::ExecResult result = pool_->exec(request, token);
  // 127 is what a shell says of a program that is not there; a program may say it too, so the host is asked.
  if (result.exit_code == 127 && result.signal.empty() && result.output.empty()) {
    core::ExecRequest question;
    question.argv = {"sh", "-c", "command -v -- \"$1\"", "drover", request.argv.front()};
    if (pool_->exec(question, token).exit_code != 0) {
      throw Error("ssh", "NO_PROGRAM", request.argv.front() + " is not installed on " + name())
          .on_host(name())
          .on_object(request.argv.front())
          .with_native(std::string(trim(result.errors)));
    }
  }
  return result;
}

core::ExecResult SshMachine::run(std::vector<std::string> argv, std::string input, size_t most_bytes,
                                 core::CancelToken& token) {
  core::ExecRequest request;
  request.argv = std::move(argv);
  request.input = std::move(input);
  request.environment = {{"LC_ALL", "C"}};  // the messages are read
  request.timeout_ms = file_timeout_ms;
  request.most_output_bytes = most_bytes;
  core::ExecResult result = pool_->exec(request, token);
  wipe(request.input);
  return result;
}

Error SshMachine::file_error(const core::ExecResult& result, const std::string& verb, const std::string& path) const {
  std::string said(trim(result.errors));
  auto contains = [&said](const char* text) { return said.find(text) != said.npos; };
  const char* code =
      contains("No such file or directory") || contains("Not a directory") ? "NO_FILE"
      : contains("Permission denied") || contains("Operation not permitted") || contains("Read-only file system")
          ? "NO_PERMISSION"
      : contains("No space left") || contains("Disk quota") ? "NO_SPACE"
                                                            : "FILE_FAILED";
  return Error("ssh", code, "cannot " + verb + " " + path + (said.empty() ? "" : ": " + split(said, '\n').back()))
      .on_host(name())
      .on_object(path)
      .with_native("exit code " + std::to_string(result.exit_code) + "; " + said);
}

std::string SshMachine::read_file(const std::string& path, size_t most_bytes, core::CancelToken& token) {
  core::ExecResult result = run({"head", "-c", std::to_string(most_bytes + 1), "--", path == "-" ? "./-" : path}, "",
                                most_bytes + 1 + answer_bytes, token);
  if (result.exit_code != 0) throw file_error(result, "read", path);
  if (result.output.size() > most_bytes) {
    throw Error("ssh", "TOO_LARGE", path + " is larger than " + std::to_string(most_bytes) + " bytes")
        .on_host(name())
        .on_object(path);
  }
  return std::move(result.output);
}

void SshMachine::write_file(const std::string& path, const std::string& data, uint32_t mode, core::CancelToken& token) {
  std::ostringstream octal;
  octal << std::oct << (mode & 07777);
  core::ExecResult result = run({"sh", "-c", write_script, "drover", path, octal.str(), std::to_string(data.size())},
                                data, answer_bytes, token);
  if (result.exit_code != 0) throw file_error(result, "write", path);
}

std::optional<core::FileInfo> SshMachine::stat_file(const std::string& path, core::CancelToken& token) {
  core::ExecResult result =
      run({"stat", "-c", "%f %s %u %g %Y", "--", path == "-" ? "./-" : path}, "", answer_bytes, token);
  if (result.exit_code != 0) {
    Error error = file_error(result, "look at", path);
    if (error.code == "NO_FILE") return std::nullopt;
    throw error;
  }
  core::FileInfo info;
  uint32_t mode = 0;
  std::istringstream fields(result.output);
  fields >> std::hex >> mode >> std::dec >> info.size_bytes >> info.uid >> info.gid >> info.modified_s;
  if (!fields) throw file_error(result, "understand stat of", path);
  info.type = type_name(mode);
  info.mode = mode & 07777;
  return info;
}

}  // namespace drover::ssh
