#include "bindings/journal/owner.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

namespace drover::journal {

namespace {

std::string first_line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Field 22 of /proc/PID/stat; 0 when the process is gone or a zombie. The fields are counted after the last ')',
// because a program's name may hold spaces. [proc(5)]
int64_t start_ticks(int64_t pid) {
  std::string line = first_line_of("/proc/" + std::to_string(pid) + "/stat");
  size_t end_of_name = line.rfind(')');
  if (end_of_name == std::string::npos) return 0;
  std::istringstream fields(line.substr(end_of_name + 1));
  std::string field;
  for (int number = 3; fields >> field; ++number) {
    if (number == 3 && (field == "Z" || field == "X")) return 0;
    if (number == 22) return std::stoll(field);
  }
  return 0;
}

}  // namespace

Owner this_process() {
  Owner owner;
  owner.machine_id = first_line_of("/etc/machine-id");
  owner.boot_id = first_line_of("/proc/sys/kernel/random/boot_id");
  owner.pid = getpid();
  owner.pid_started = start_ticks(owner.pid);
  return owner;
}

bool is_alive(const Owner& owner) {
  Owner self = this_process();
  if (owner.machine_id != self.machine_id) return true;
  if (owner.boot_id != self.boot_id) return false;
  return owner.pid_started != 0 && start_ticks(owner.pid) == owner.pid_started;
}

}  // namespace drover::journal
