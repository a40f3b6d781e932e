// Writing known_hosts: the one change that `drover trust` makes on the machine where drover runs.
// The file is whole at every instant: a lock on its directory, a new file beside it, sync, rename.
// Tested by tests/bindings/ssh/host_keys_test.cpp.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "bindings/ssh/child.h"
#include "bindings/ssh/host_keys.h"
#include "host/base/error.h"
#include "host/base/unique_fd.h"

namespace drover::ssh {

namespace {

namespace fs = std::filesystem;

constexpr int64_t keygen_timeout_ms = 10000;
constexpr auto lock_look = std::chrono::milliseconds(20);

Error file_error(const std::string& what, const std::string& path, int problem) {
  const char* code = problem == EACCES || problem == EPERM || problem == EROFS ? "NO_PERMISSION" : "WRITE_FAILED";
  return Error("ssh", code, what + " " + path + ": " + strerror(problem))
      .on_object(path)
      .with_native("errno " + std::to_string(problem));
}

std::string read_whole(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

bool has_hashed_names(const std::string& contents) {
  return contents.rfind("|1|", 0) == 0 || contents.find("\n|1|") != contents.npos;
}

// ssh-keygen hashes a file of our own that holds this one line; the names that people have stay as they are.
std::string hashed(const std::string& line) {
  std::string folder = (fs::temp_directory_path() / "drover-known-hosts-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) throw file_error("cannot make", folder, errno);
  std::string file = folder + "/line";
  std::ofstream(file, std::ios::binary) << line << "\n";
  ChildResult result;
  try {
    result = run_child({"ssh-keygen", "-q", "-H", "-f", file}, keygen_timeout_ms);
  } catch (const Error&) {
    fs::remove_all(folder);
    throw;
  }
  std::string text = read_whole(file);
  fs::remove_all(folder);
  if (result.exit_code != 0 || text.rfind("|1|", 0) != 0) {
    throw Error("ssh", "WRITE_FAILED", "ssh-keygen did not hash the host name").with_native(result.errors);
  }
  return text.substr(0, text.find('\n'));
}

void write_all(int fd, const std::string& data, const std::string& path) {
  for (size_t done = 0; done < data.size();) {
    ssize_t size = write(fd, data.data() + done, data.size() - done);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) throw file_error("cannot write", path, errno);
    done += static_cast<size_t>(size);
  }
  if (fsync(fd) != 0) throw file_error("cannot sync", path, errno);
}

void replace_file(const std::string& path, const std::string& contents) {
  std::string temporary = path + ".drover-XXXXXX";
  UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) throw file_error("cannot make", temporary, errno);
  try {
    struct stat before {};
    if (stat(path.c_str(), &before) == 0) {
      if (fchown(fd.get(), before.st_uid, before.st_gid) != 0 || fchmod(fd.get(), before.st_mode & 07777) != 0) {
        throw file_error("cannot keep owner and mode of", path, errno);
      }
    }
    write_all(fd.get(), contents, temporary);
    if (rename(temporary.c_str(), path.c_str()) != 0) throw file_error("cannot replace", path, errno);
  } catch (const Error&) {
    unlink(temporary.c_str());
    throw;
  }
}

UniqueFd lock_directory(const std::string& directory, core::CancelToken& token, int64_t lock_wait_ms) {
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) throw file_error("cannot make", directory, errno);
  UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) throw file_error("cannot lock", directory, errno);
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(lock_wait_ms);
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) throw file_error("cannot lock", directory, errno);
    token.throw_if_cancelled("ssh.add_known_host");
    if (std::chrono::steady_clock::now() >= end) {
      throw Error("ssh", "BUSY", "another program holds the lock of " + directory)
          .on_object(directory)
          .with_hint("see which one: fuser -v " + directory);
    }
    std::this_thread::sleep_for(lock_look);
  }
  return fd;
}

std::string resolved(const std::string& path) {
  std::error_code problem;
  fs::path real = fs::weakly_canonical(path, problem);
  return problem ? path : real.string();
}

}  // namespace

AddedHost add_known_host(const std::string& file, const std::string& known_as, const PublicKey& key,
                         core::CancelToken& token, int64_t lock_wait_ms) {
  std::string path = resolved(file);
  std::string directory = fs::path(path).parent_path().string();
  UniqueFd lock = lock_directory(directory, token, lock_wait_ms);
  AddedHost result{path, known_as + " " + key.line(), false};
  std::vector<KnownEntry> entries = find_known_hosts({path}, known_as);
  HostKeyState state = judge_host_key(entries, key);
  if (state == HostKeyState::known) return result;
  if (state == HostKeyState::changed || state == HostKeyState::revoked) {
    const KnownEntry& entry = entries.front();
    throw Error("ssh", "HOST_KEY_CHANGED",
                std::string("another key is known for ") + known_as + ": " + entry.key.fingerprint + " in " + path +
                    ", line " + std::to_string(entry.line_number) + "; the new one is " + key.fingerprint)
        .on_object(known_as)
        .with_hint("ask the host's administrator; only then remove the old line: ssh-keygen -R '" + known_as + "'");
  }
  std::string contents = read_whole(path);
  if (has_hashed_names(contents)) result.line = hashed(result.line);
  if (!contents.empty() && contents.back() != '\n') contents += '\n';
  replace_file(path, contents + result.line + "\n");
  if (fsync(lock.get()) != 0) throw file_error("cannot sync", directory, errno);
  result.added = true;
  return result;
}

}  // namespace drover::ssh
