#include "bindings/host/trusted_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "host/base/error.h"
#include "host/base/unique_fd.h"

namespace drover::host {

namespace {

constexpr size_t most_bytes = 4 << 20;

Error untrusted(const std::string& file, const std::string& culprit, const std::string& why) {
  return Error("host", "UNTRUSTED_FILE", "will not run " + file + " as root: " + culprit + " " + why)
      .on_object(file)
      .with_hint("chown root and chmod go-w " + culprit + ", or run drover as an ordinary user");
}

void refuse_if_others_may_write(const std::string& file, const std::string& part, const struct stat& info) {
  if (info.st_uid != 0) throw untrusted(file, part, "belongs to user " + std::to_string(info.st_uid));
  bool sticky_folder = S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX) != 0;
  bool others_write = (info.st_mode & S_IWOTH) != 0 || ((info.st_mode & S_IWGRP) != 0 && info.st_gid != 0);
  if (others_write && !sticky_folder) throw untrusted(file, part, "may be written by others");
}

// Of the file that is open, wherever links led to.
void check_folders_above(const std::string& file, int fd) {
  char real[PATH_MAX + 1] = "";
  std::string link = "/proc/self/fd/" + std::to_string(fd);
  if (readlink(link.c_str(), real, PATH_MAX) < 0) throw untrusted(file, file, "has no place that can be found");
  std::string path = real;
  while (path.size() > 1) {
    size_t slash = path.rfind('/');
    path = slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
    struct stat info {};
    if (stat(path.c_str(), &info) == 0) refuse_if_others_may_write(file, path, info);
  }
}

}  // namespace

std::optional<std::string> read_trusted_file(const std::string& path, unsigned user_id) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    int number = errno;
    throw Error("host", "NO_PERMISSION", "cannot read " + path + ": " + strerror(number)).on_object(path);
  }
  struct stat info {};
  if (fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    throw Error("host", S_ISDIR(info.st_mode) ? "IS_DIRECTORY" : "NO_FILE", path + " is not a file").on_object(path);
  }
  if (user_id == 0) {
    refuse_if_others_may_write(path, path, info);
    check_folders_above(path, fd.get());
  }
  std::string text;
  char buffer[65536];
  ssize_t count = 0;
  while ((count = read(fd.get(), buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<size_t>(count));
    if (text.size() > most_bytes) throw Error("host", "TOO_LARGE", path + " is too large to be Lua").on_object(path);
  }
  if (count < 0) throw Error("host", "NO_PERMISSION", "cannot read " + path + ": " + strerror(errno)).on_object(path);
  return text;
}

}  // namespace drover::host
