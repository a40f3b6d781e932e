// A folder of a test's own, gone with everything in it when the test ends, and what tests write into it and read from
// it. Used by unit tests and fuzz targets.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace drover::tests {

// Where temporary files belong: a test run has a folder of its own there.
inline std::string temporary_place() {
  const char* place = std::getenv("TMPDIR");
  return place != nullptr && *place == '/' ? place : "/tmp";
}

class TemporaryFolder {
 public:
  // below: another place, such as /dev/shm for what must be in memory only, or /root for what sshd is to accept.
  explicit TemporaryFolder(const std::string& below = temporary_place()) : path_(below + "/drover-test-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary folder in " + below);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string read_text(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

inline void write_text(const std::string& path, const std::string& text, mode_t mode = 0600) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  chmod(path.c_str(), mode);
}

}  // namespace drover::tests
