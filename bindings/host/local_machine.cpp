#include "bindings/host/local_machine.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "bindings/host/process.h"
#include "host/base/unique_fd.h"

namespace drover::host {

namespace {

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string type_name(mode_t mode) {
  if (S_ISREG(mode)) return "file";
  if (S_ISDIR(mode)) return "directory";
  if (S_ISLNK(mode)) return "link";
  if (S_ISSOCK(mode)) return "socket";
  return "other";
}

// Removes the unfinished file unless the rename happened.
struct UnfinishedFile {
  std::string path;
  bool kept = false;
  ~UnfinishedFile() {
    if (!kept) unlink(path.c_str());
  }
};

}  // namespace

Error LocalMachine::file_error(const std::string& what, const std::string& path, int number) const {
  std::string code = number == ENOENT || number == ENOTDIR  ? "NO_FILE"
                     : number == EACCES || number == EPERM  ? "NO_PERMISSION"
                     : number == EROFS                      ? "READ_ONLY"
                     : number == ENOSPC || number == EDQUOT ? "NO_SPACE"
                     : number == EISDIR                     ? "IS_DIRECTORY"
                                                            : "SYSTEM";
  return Error("host", code, what + " " + path + ": " + strerror(number))
      .on_host(name_)
      .on_object(path)
      .with_native("errno " + std::to_string(number));
}

core::ExecResult LocalMachine::exec(const core::ExecRequest& request, core::CancelToken& token) {
  return run_process(request, name_, token);
}

// The system would take the name up to there.
void LocalMachine::refuse_nul(const std::string& path) const {
  if (path.find('\0') == path.npos) return;
  throw Error("usage", "BAD_ARGUMENT", "a path holds a NUL byte").on_host(name_);
}

std::string LocalMachine::read_file(const std::string& path, size_t most_bytes, core::CancelToken& token) {
  refuse_nul(path);
  // Non-blocking, so that a FIFO without a writer ends at once instead of never.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) throw file_error("cannot read", path, errno);
  std::string data;
  char buffer[65536];
  while (true) {
    token.throw_if_cancelled("reading " + path);
    ssize_t count = read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw file_error("cannot read", path, errno);
    if (count == 0) return data;
    data.append(buffer, static_cast<size_t>(count));
    if (data.size() > most_bytes) {
      throw Error("host", "TOO_LARGE", path + " has more than " + std::to_string(most_bytes) + " bytes")
          .on_host(name_)
          .on_object(path);
    }
  }
}

void LocalMachine::write_and_sync(int fd, const std::string& path, const std::string& data) const {
  size_t written = 0;
  while (written < data.size()) {
    ssize_t count = write(fd, data.data() + written, data.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw file_error("cannot write", path, errno);
    written += static_cast<size_t>(count);
  }
  if (fsync(fd) != 0) throw file_error("cannot sync", path, errno);
}

void LocalMachine::write_file(const std::string& path, const std::string& data, uint32_t mode,
                              core::CancelToken& token) {
  refuse_nul(path);
  token.throw_if_cancelled("writing " + path);
  UniqueFd folder(open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) throw file_error("cannot write", path, errno);
  // Beside the target: a rename works within one file system only. The name tells whose it is after a crash.
  std::string temporary = path + ".drover-XXXXXX";
  UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) throw file_error("cannot write", path, errno);
  UnfinishedFile unfinished{temporary};
  if (fchmod(fd.get(), mode) != 0) throw file_error("cannot set the mode of", path, errno);
  write_and_sync(fd.get(), path, data);
  token.throw_if_cancelled("writing " + path);
  if (rename(temporary.c_str(), path.c_str()) != 0) throw file_error("cannot write", path, errno);
  unfinished.kept = true;
  if (fsync(folder.get()) != 0) throw file_error("cannot sync the folder of", path, errno);
}

std::optional<core::FileInfo> LocalMachine::stat_file(const std::string& path, core::CancelToken& token) {
  refuse_nul(path);
  token.throw_if_cancelled("looking at " + path);
  struct stat found {};
  if (lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw file_error("cannot look at", path, errno);
  }
  return core::FileInfo{type_name(found.st_mode), found.st_size, found.st_mode & 07777, found.st_uid, found.st_gid,
                        found.st_mtim.tv_sec};
}

}  // namespace drover::host
