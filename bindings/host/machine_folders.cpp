#include "bindings/host/machine_folders.h"

#include <algorithm>
#include <cstdio>

#include "host/base/text.h"

namespace drover::host {

namespace {

constexpr int64_t short_wait_ms = 20000;

core::ExecRequest program(std::vector<std::string> argv, int64_t timeout_ms = short_wait_ms) {
  core::ExecRequest request;
  request.argv = std::move(argv);
  request.timeout_ms = timeout_ms;
  return request;
}

std::string octal(uint32_t mode) {
  char text[16];
  snprintf(text, sizeof text, "%04o", mode);
  return text;
}

void refuse_dangerous(const core::Machine& machine, const std::string& path) {
  std::vector<std::string> parts;
  for (std::string& part : split(path, '/')) {
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
  }
  bool climbs = std::find(parts.begin(), parts.end(), "..") != parts.end();
  if (!path.empty() && path.front() == '/' && !climbs && parts.size() >= 2) return;
  throw Error("usage", "BAD_ARGUMENT", "remove_directory: will not remove '" + path + "' with all that is in it")
      .on_host(machine.name())
      .on_object(path)
      .with_hint("give an absolute path of at least two parts, without '..'");
}

// $1 the folder above or "", $2 the name or "". A default folder that is somebody else's is refused: /tmp is shared.
constexpr const char* temp_directory_script = R"sh(
umask 077
under=$1 name=$2
if [ -z "$under" ]; then
  user=$(id -u)
  if [ "$user" = 0 ]; then under=/run/drover; else under=${XDG_RUNTIME_DIR:-/tmp}/drover-$user; fi
  mkdir -p -m 0700 -- "$under" || exit 1
  if [ -L "$under" ] || ! [ -O "$under" ]; then echo "$under belongs to somebody else" >&2; exit 1; fi
fi
if [ -z "$name" ]; then exec mktemp -d -- "$under/drover-XXXXXXXX"; fi
if [ -e "$under/$name" ]; then echo "$under/$name is there already" >&2; exit 17; fi
mkdir -m 0700 -- "$under/$name" && printf '%s\n' "$under/$name"
)sh";

constexpr int exists_exit_code = 17;

}  // namespace

bool remove_file(core::Machine& machine, const std::string& path, core::CancelToken& token) {
  // -v tells whether there was one: one round trip, and no race between looking and removing.
  return !core::exec_checked(machine, program({"rm", "-fv", "--", path}), token).output.empty();
}

bool make_directory(core::Machine& machine, const std::string& path, uint32_t mode, bool parents,
                    core::CancelToken& token) {
  std::vector<std::string> argv{"mkdir", "-m", octal(mode)};
  if (parents) {
    auto before = machine.stat_file(path, token);
    if (before && before->type == "directory") return false;
    argv.push_back("-p");
  }
  argv.insert(argv.end(), {"--", path});
  core::ExecRequest request = program(argv);
  if (machine.exec(request, token).exit_code == 0) return true;
  auto found = machine.stat_file(path, token);
  if (found && found->type == "directory") return false;
  core::exec_checked(machine, request, token);  // the error of the second try is the one to show
  return true;
}

bool remove_directory(core::Machine& machine, const std::string& path, bool recursive, core::CancelToken& token) {
  if (recursive) refuse_dangerous(machine, path);
  if (!machine.stat_file(path, token)) return false;
  std::vector<std::string> argv = recursive ? std::vector<std::string>{"rm", "-rf", "--one-file-system", "--", path}
                                            : std::vector<std::string>{"rmdir", "--", path};
  core::exec_checked(machine, program(argv, recursive ? 120000 : short_wait_ms), token);
  return true;
}

std::string make_temp_directory(core::Machine& machine, const std::string& under, const std::string& name,
                                core::CancelToken& token) {
  if (name.find('/') != std::string::npos || name == "." || name == "..") {
    throw Error("usage", "BAD_ARGUMENT", "temp_directory: name: expected one part of a path, got '" + name + "'");
  }
  core::ExecRequest request = program({"sh", "-c", temp_directory_script, "drover", under, name});
  core::ExecResult result = machine.exec(request, token);
  std::string said(trim(result.errors));
  if (result.exit_code == exists_exit_code) {
    throw Error("host", "EXISTS", said).on_host(machine.name()).on_object(name);
  }
  if (result.exit_code != 0) {
    throw Error("host", "COMMAND_FAILED", "cannot make a folder for temporary files: " + said)
        .on_host(machine.name())
        .on_object(under + "/" + name);
  }
  return std::string(trim(result.output));
}

DiskSpace disk_space(core::Machine& machine, const std::string& path, core::CancelToken& token) {
  core::ExecResult result = machine.exec(program({"stat", "-f", "-c", "%S %b %a %T", "--", path}), token);
  long long block_bytes = 0, total = 0, available = 0;
  int name_at = 0;
  if (result.exit_code != 0 ||
      sscanf(result.output.c_str(), "%lld %lld %lld %n", &block_bytes, &total, &available, &name_at) < 3) {
    std::string said(trim(result.errors));
    bool missing = said.find("No such file") != std::string::npos;
    throw Error("host", missing ? "NO_FILE" : "COMMAND_FAILED",
                missing ? "there is no " + path : "cannot ask for the space at " + path + ": " + said)
        .on_host(machine.name())
        .on_object(path);
  }
  return {block_bytes * total, block_bytes * available,
          std::string(trim(std::string_view(result.output).substr(static_cast<size_t>(name_at))))};
}

std::vector<std::string> resolve_there(core::Machine& machine, const std::string& name, core::CancelToken& token) {
  // "ADDRESS STREAM NAME" a line; exit code 2 means that there is none (getent(1)).
  core::ExecResult result = machine.exec(program({"getent", "ahosts", "--", name}), token);
  std::vector<std::string> addresses;
  for (const std::string& line : split(result.output, '\n')) {
    std::string address = line.substr(0, line.find_first_of(" \t"));
    if (!address.empty() && std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      addresses.push_back(address);
    }
  }
  if (addresses.empty() && result.exit_code != 0 && result.exit_code != 2) {
    throw Error("host", "COMMAND_FAILED", "cannot look up " + name + ": " + std::string(trim(result.errors)))
        .on_host(machine.name())
        .on_object(name);
  }
  return addresses;
}

}  // namespace drover::host
