#include "bindings/journal/entry_counts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "host/base/unique_fd.h"

namespace drover::journal {

namespace fs = std::filesystem;

namespace {

// A file that was cut off, or that is something else, says nothing.
int64_t read_count(const fs::path& path) {
  std::ifstream file(path);
  std::string text;
  int64_t count = 0;
  if (!std::getline(file, text) || file.eof()) return 0;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
  return problem == std::errc() && end == text.data() + text.size() && count > 0 ? count : 0;
}

// Identifiers are made of letters, digits and hyphens; a damaged journal may hold anything, and that is no file's name.
bool is_plain(const std::string& run) {
  constexpr size_t most_characters = 64;
  return !run.empty() && run.size() <= most_characters && std::all_of(run.begin(), run.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
}

}  // namespace

void EntryCounts::note(const std::string& run, int64_t count) const {
  if (!is_plain(run)) return;
  mkdir(folder_.c_str(), S_IRWXU);
  UniqueFd file(open((folder_ + "/" + run).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (file.get() < 0) return;
  // Of one length, so that a later count replaces an earlier one in a single write.
  char text[32];
  int length = snprintf(text, sizeof text, "%020lld\n", static_cast<long long>(count));
  if (pwrite(file.get(), text, static_cast<size_t>(length), 0) != length) unlink((folder_ + "/" + run).c_str());
}

void EntryCounts::forget(const std::string& run) const {
  if (!is_plain(run)) return;
  unlink((folder_ + "/" + run).c_str());
  rmdir(folder_.c_str());  // when it was the last one
}

int64_t EntryCounts::of(const std::string& run) const {
  return is_plain(run) ? read_count(fs::path(folder_) / run) : 0;
}

std::map<std::string, int64_t> EntryCounts::all() const {
  std::map<std::string, int64_t> counts;
  std::error_code problem;
  for (fs::directory_iterator place(folder_, problem), end; !problem && place != end; place.increment(problem)) {
    counts[place->path().filename().string()] = read_count(place->path());
  }
  return counts;
}

}  // namespace drover::journal
