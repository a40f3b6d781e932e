#include "host/base/home.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

namespace drover {

std::string home_folder() {
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return home;
  const passwd* entry = getpwuid(geteuid());
  return entry != nullptr && entry->pw_dir != nullptr && *entry->pw_dir != '\0' ? entry->pw_dir : "/";
}

void provide_home() { setenv("HOME", home_folder().c_str(), 1); }

}  // namespace drover
