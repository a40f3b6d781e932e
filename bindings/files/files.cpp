#include "bindings/files/files.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "bindings/core/args.h"
#include "host/base/unique_fd.h"

namespace drover::files {

namespace {

using core::Args;
namespace fs = std::filesystem;

// Names in a folder, sorted; an empty list when there is no such folder.
int list(lua_State* L) {
  std::string path = Args(L, "files.list").text(1, "path");
  std::vector<std::string> names;
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(path, problem)) names.push_back(entry.path().filename().string());
  if (problem && problem != std::errc::no_such_file_or_directory && problem != std::errc::not_a_directory) {
    throw Error("files", "NO_PERMISSION", "cannot read the folder " + path + ": " + problem.message()).on_object(path);
  }
  std::sort(names.begin(), names.end());
  core::push(L, names);
  return 1;
}

int random_hex(lua_State* L) {
  auto bytes = Args(L, "files.random_hex").integer(1, "bytes", 1, 64);
  unsigned char data[64];
  if (getrandom(data, static_cast<size_t>(bytes), 0) != bytes) {
    throw Error("files", "NO_RANDOM", std::string("no random bytes: ") + std::strerror(errno));
  }
  std::string text;
  for (int64_t i = 0; i < bytes; ++i) {
    constexpr const char* digits = "0123456789abcdef";
    text += digits[data[i] >> 4];
    text += digits[data[i] & 15];
  }
  core::push(L, text);
  return 1;
}

// Writes a new file; never over one that is there.
int create(lua_State* L) {
  Args args(L, "files.create");
  std::string path = args.text(1, "path");
  std::string data = args.text(2, "data");
  UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file.valid()) {
    bool exists = errno == EEXIST;
    Error error("files", exists ? "ALREADY_EXISTS" : "CANNOT_WRITE",
                "cannot write " + path + ": " + (exists ? "it is there already" : std::strerror(errno)));
    throw error.on_object(path);
  }
  size_t written = 0;
  while (written < data.size()) {
    ssize_t count = write(file.get(), data.data() + written, data.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      std::string reason = std::strerror(errno);
      unlink(path.c_str());  // half a file is worse than none
      throw Error("files", "CANNOT_WRITE", "cannot write " + path + ": " + reason).on_object(path);
    }
    written += static_cast<size_t>(count);
  }
  core::push(L, path);
  return 1;
}

int is_folder(lua_State* L) {
  std::error_code ignored;
  core::push(L, fs::is_directory(Args(L, "files.is_folder").text(1, "path"), ignored));
  return 1;
}

int absolute(lua_State* L) {
  core::push(L, fs::absolute(Args(L, "files.absolute").text(1, "path")).lexically_normal().string());
  return 1;
}

}  // namespace

const core::Module& module() {
  static const core::Module definition{
      "files",
      "This machine's own files, for drover itself.",
      {
          {"list",
           list,
           "Names in a folder, sorted; empty when there is none.",
           {{"path", "string", "The folder."}},
           {{"names", "string[]", ""}},
           "NO_PERMISSION"},
          {"is_folder",
           is_folder,
           "Whether path is a folder.",
           {{"path", "string", "Any path."}},
           {{"is_folder", "boolean", ""}}},
          {"absolute",
           absolute,
           "A path as it is named from everywhere: without '.', '..' and the folder that drover was started in.",
           {{"path", "string", "Any path."}},
           {{"path", "string", ""}}},
          {"create",
           create,
           "Writes a new file; an existing one is an error.",
           {{"path", "string", "The new file."}, {"data", "string", "Its content, bytes."}},
           {{"path", "string", ""}},
           "ALREADY_EXISTS, CANNOT_WRITE"},
          {"random_hex",
           random_hex,
           "Random bytes as hexadecimal text.",
           {{"bytes", "integer", "1 to 64."}},
           {{"text", "string", ""}},
           "NO_RANDOM"},
      },
      {}};
  return definition;
}

}  // namespace drover::files
