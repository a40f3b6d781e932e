// A folder of a test's own, gone with everything in it when the test ends, and what tests write into it and read from
// it. Used by unit tests and fuzz targets.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace drover::tests {

class TemporaryFolder {
 public:
  // Where temporary files belong ($TMPDIR): a test run has a folder of its own there.
  TemporaryFolder() : TemporaryFolder(std::filesystem::temp_directory_path()) {}

  // parent: another place, such as /dev/shm for what must be in memory only, or /root for what sshd is to accept.
  explicit TemporaryFolder(const std::filesystem::path& parent) {
    path_ = (parent / ("drover-test-" + std::string(6, 'X'))).string();  // mkdtemp chooses six letters for these
    if (mkdtemp(path_.data()) == nullptr) throw std::system_error(errno, std::generic_category(), path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;  // a destructor cannot report, and a test may have removed the folder itself
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// "" for a file that is not there.
inline std::string read_text(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

inline void write_text(const std::string& path, const std::string& text, mode_t mode = 0600) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream << text;
  stream.close();
  if (!stream || chmod(path.c_str(), mode) != 0) throw std::system_error(errno, std::generic_category(), path);
}

}  // namespace drover::tests
