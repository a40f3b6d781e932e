#include "bindings/host/machine_object.h"

#include "bindings/core/object.h"
#include "bindings/host/machine_methods.h"

namespace drover::host {

namespace {

using core::Blocking;
using core::Effect;
using core::Function;

const core::Value path_param{"path", "string", "An absolute path."};
const core::Value result_value{"result", "table", "exit_code, output, errors; signal when a signal ended it."};
const core::Value program_param{
    "program", "table",
    "A list: the program, then its arguments; no shell takes part. Named fields: input (string), environment (table), "
    "timeout_ms (60000), check (true: a non-zero exit raises), most_output_bytes (64 MiB)."};
constexpr const char* exec_errors =
    "COMMAND_FAILED, NO_PROGRAM, NO_PERMISSION, TIMEOUT, CANCELLED, OUTPUT_TOO_LARGE, CONNECTION_LOST, CLOSED";

std::vector<Function> program_methods() {
  return {
      {"exec",
       machine_exec,
       "Runs a program that may change something. Its terminal is not drover's, messages are in English (LC_ALL), a "
       "cancel or a timeout ends it and what it started (TERM, then KILL).",
       {program_param},
       {result_value},
       exec_errors,
       Blocking::yes,
       Effect::changes},
      {"query",
       machine_query,
       "Runs a program that only reads, so that it also runs while planning. Otherwise as exec.",
       {program_param},
       {result_value},
       exec_errors,
       Blocking::yes},
  };
}

std::vector<Function> file_methods() {
  return {
      {"read_file",
       machine_read_file,
       "The whole contents of a file.",
       {path_param, {"options?", "table", "most_bytes (16 MiB): more is the error TOO_LARGE."}},
       {{"data", "string", ""}},
       "NO_FILE, NO_PERMISSION, TOO_LARGE, CONNECTION_LOST, CLOSED",
       Blocking::yes},
      {"write_file",
       machine_write_file,
       "Writes a file as a whole: a new file beside it is synced and renamed over it, so a reader sees the old or the "
       "new one. A link at path is replaced by the file.",
       {path_param, {"data", "string", "Its content, bytes."}, {"options?", "table", "mode (0600, as an integer)."}},
       {{"result", "table", "size_bytes."}},
       "NO_FILE, NO_PERMISSION, NO_SPACE, READ_ONLY, CONNECTION_LOST, CLOSED",
       Blocking::yes,
       Effect::changes},
      {"stat",
       machine_stat,
       "What is at path, or nil when nothing is. A link is not followed.",
       {path_param},
       {{"info?", "table",
         "type (file, directory, link, socket, other), size_bytes, mode (integer), uid, gid, modified_s."}},
       "NO_PERMISSION, CONNECTION_LOST, CLOSED",
       Blocking::yes},
      {"remove_file",
       machine_remove_file,
       "Removes a file. That it is not there is no error.",
       {path_param},
       {{"result", "table", "removed: whether it was there."}},
       "COMMAND_FAILED, CONNECTION_LOST, CLOSED",
       Blocking::yes,
       Effect::changes},
  };
}

std::vector<Function> folder_methods() {
  return {
      {"make_directory",
       machine_make_directory,
       "Makes a folder. That it is there is no error.",
       {path_param, {"options?", "table", "mode (0700, as an integer); parents (false): make those above it too."}},
       {{"result", "table", "created: whether it was missing."}},
       "COMMAND_FAILED, CONNECTION_LOST, CLOSED",
       Blocking::yes,
       Effect::changes},
      {"remove_directory",
       machine_remove_directory,
       "Removes an empty folder; with recursive all that is in it, within one file system.",
       {path_param, {"options?", "table", "recursive (false). It refuses paths like '/etc' and '..'."}},
       {{"result", "table", "removed: whether it was there."}},
       "BAD_ARGUMENT, COMMAND_FAILED, CONNECTION_LOST, CLOSED",
       Blocking::yes,
       Effect::changes},
      {"temp_directory",
       machine_temp_directory,
       "Makes a folder of mode 0700 for temporary files.",
       {{"options?", "table",
         "under (for root /run/drover, a tmpfs; else a folder in $XDG_RUNTIME_DIR or /tmp); name (a random one): one "
         "that is there is the error EXISTS."}},
       {{"path", "string", ""}},
       "EXISTS, COMMAND_FAILED, CONNECTION_LOST, CLOSED",
       Blocking::yes,
       Effect::changes},
      {"disk_space",
       machine_disk_space,
       "The space of the file system that holds path.",
       {path_param},
       {{"space", "table", "total_bytes, available_bytes (to ordinary users), filesystem (its type)."}},
       "NO_FILE, COMMAND_FAILED, CONNECTION_LOST, CLOSED",
       Blocking::yes},
  };
}

std::vector<Function> own_methods() {
  return {
      {"name", machine_name, "How a person named it.", {}, {{"name", "string", ""}}, "CLOSED"},
      {"is_local",
       machine_is_local,
       "Whether it is the machine that drover runs on.",
       {},
       {{"local", "boolean", ""}},
       "CLOSED"},
      {"facts",
       machine_facts,
       "What the machine is, gathered in one round trip. What it lacks is absent and no error.",
       {},
       {{"facts", "table",
         "name, fqdn, addresses (a list of interface, family, address, prefix, scope, up), distribution (id, version, "
         "name, like), kernel, architecture, cpu_count, libvirt_version, qemu_version, memory (total_bytes, "
         "available_bytes, swap_total_bytes, swap_used_bytes), programs (name to path, of those drover may use), "
         "selinux, boot_id, machine_id, uptime_s, user, user_id, clock_ms, clock_skew_ms (positive: it is ahead of "
         "drover's clock; exact to half of round_trip_ms), round_trip_ms."}},
       "COMMAND_FAILED, TIMEOUT, CONNECTION_LOST, CLOSED",
       Blocking::yes},
      {"resolve",
       machine_resolve,
       "The addresses that this machine finds for a name (files, DNS); an empty list when it finds none.",
       {{"name", "string", "A host name or an address."}},
       {{"addresses", "string[]", ""}},
       "COMMAND_FAILED, CONNECTION_LOST, CLOSED",
       Blocking::yes},
      {"close",
       machine_close,
       "Lets the machine go; its connection ends when nothing else uses it. A second time does nothing.",
       {},
       {},
       "",
       Blocking::yes},
      {"tostring", machine_tostring, "The class and the name.", {}, {{"text", "string", ""}}},
  };
}

}  // namespace

const core::Class& machine_class() {
  static const core::Class definition = [] {
    core::Class type{core::MachineHandle::lua_name,
                     "A machine, local or over SSH: programs and files.",
                     {},
                     core::destroy_object<core::MachineHandle>};
    for (auto* group : {own_methods, program_methods, file_methods, folder_methods}) {
      for (Function& method : group()) type.methods.push_back(std::move(method));
    }
    return type;
  }();
  return definition;
}

void push_machine(lua_State* L, std::shared_ptr<core::Machine> machine) {
  core::register_class(L, machine_class());
  core::push_object(L, core::MachineHandle{std::move(machine)});
}

std::shared_ptr<core::Machine> check_machine(lua_State* L, int index, const char* function, const char* name) {
  auto& handle = core::check_object<core::MachineHandle>(L, index, function, name);
  if (handle.machine == nullptr) {
    throw Error("host", "CLOSED", std::string(function) + ": the connection to this machine was closed");
  }
  return handle.machine;
}

}  // namespace drover::host
