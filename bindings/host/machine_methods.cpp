#include "bindings/host/machine_methods.h"

#include "bindings/core/object.h"
#include "bindings/core/operation.h"
#include "bindings/host/facts.h"
#include "bindings/host/machine_folders.h"
#include "bindings/host/machine_object.h"
#include "bindings/json/json.h"
#include "host/base/text.h"

namespace drover::host {

namespace {

using core::Args;
using core::CancelToken;
using core::MachineHandle;
using core::Options;
using core::Push;
using core::set_field;

constexpr int64_t most_bytes_default = 16 << 20;
constexpr int64_t longest_wait_ms = 24 * 3600 * 1000;

// Work with the machine of the userdata at index 1, on a worker thread. The work ends early when cancelled.
int start(lua_State* L, const char* function, const std::string& what,
          std::function<Push(core::Machine&, CancelToken&)> work) {
  auto machine = check_machine(L, 1, function);
  std::string description = what + " on " + machine->name();
  return core::start_work(
      L, description, [machine, work = std::move(work)](CancelToken& token) { return work(*machine, token); },
      core::OnCancel::wait);
}

template <class T>
Push push_field_as(const char* name, T value) {
  return [name, value = std::move(value)](lua_State* L) {
    lua_createtable(L, 0, 1);
    set_field(L, name, value);
    return 1;
  };
}

// ---- programs ----

// The named fields of the table at index 2 in a table of their own, because Options knows no list; pushes it.
void push_named_fields(lua_State* L) {
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, 2) != 0) {
    if (lua_type(L, -2) == LUA_TSTRING) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, -4);
    } else {
      lua_pop(L, 1);
    }
  }
}

core::ExecRequest read_request(lua_State* L, const char* function, bool& check) {
  Args args(L, function);
  args.table(2, "program");
  lua_settop(L, 2);
  core::ExecRequest request;
  request.argv = args.text_list(2, "program and its arguments");
  if (request.argv.empty()) args.fail(2, "program", "a list: the program, then its arguments");
  push_named_fields(L);
  Options options(L, 3, function);
  request.input = options.text("input").value_or("");
  request.environment = options.text_map("environment").value_or(std::map<std::string, std::string>{});
  request.timeout_ms = options.integer("timeout_ms", 1, longest_wait_ms).value_or(request.timeout_ms);
  request.most_output_bytes = static_cast<size_t>(
      options.integer("most_output_bytes", 1, int64_t{1} << 32).value_or(static_cast<int64_t>(64 << 20)));
  check = options.boolean("check").value_or(true);
  options.finish();
  return request;
}

int run_program(lua_State* L, const char* function) {
  check_machine(L, 1, function);
  bool check = true;
  core::ExecRequest request = read_request(L, function, check);
  std::string program = request.argv.front();
  return start(L, function, program, [request, check](core::Machine& machine, CancelToken& token) -> Push {
    core::ExecResult result = check ? core::exec_checked(machine, request, token) : machine.exec(request, token);
    return [result = std::move(result)](lua_State* L) {
      lua_createtable(L, 0, 4);
      set_field(L, "exit_code", result.exit_code);
      if (!result.signal.empty()) set_field(L, "signal", result.signal);
      set_field(L, "output", result.output);
      set_field(L, "errors", result.errors);
      return 1;
    };
  });
}

}  // namespace

int machine_exec(lua_State* L) { return run_program(L, "Machine.exec"); }

int machine_query(lua_State* L) { return run_program(L, "Machine.query"); }

// ---- files ----

int machine_read_file(lua_State* L) {
  Args args(L, "Machine.read_file");
  check_machine(L, 1, "Machine.read_file");
  std::string path = args.text(2, "path");
  Options options(L, 3, "Machine.read_file");
  auto most_bytes =
      static_cast<size_t>(options.integer("most_bytes", 1, int64_t{1} << 32).value_or(most_bytes_default));
  options.finish();
  return start(L, "Machine.read_file", "reading " + path,
               [path, most_bytes](core::Machine& machine, CancelToken& token) -> Push {
                 return [data = machine.read_file(path, most_bytes, token)](lua_State* L) {
                   core::push(L, data);
                   return 1;
                 };
               });
}

int machine_write_file(lua_State* L) {
  Args args(L, "Machine.write_file");
  check_machine(L, 1, "Machine.write_file");
  std::string path = args.text(2, "path");
  std::string data = args.text(3, "data");
  Options options(L, 4, "Machine.write_file");
  auto mode = static_cast<uint32_t>(options.integer("mode", 0, 07777).value_or(0600));
  options.finish();
  return start(L, "Machine.write_file", "writing " + path,
               [path, data, mode](core::Machine& machine, CancelToken& token) -> Push {
                 machine.write_file(path, data, mode, token);
                 return push_field_as("size_bytes", data.size());
               });
}

int machine_stat(lua_State* L) {
  Args args(L, "Machine.stat");
  check_machine(L, 1, "Machine.stat");
  std::string path = args.text(2, "path");
  return start(L, "Machine.stat", "looking at " + path, [path](core::Machine& machine, CancelToken& token) -> Push {
    return [info = machine.stat_file(path, token)](lua_State* L) {
      if (!info) {
        lua_pushnil(L);
        return 1;
      }
      lua_createtable(L, 0, 6);
      set_field(L, "type", info->type);
      set_field(L, "size_bytes", info->size_bytes);
      set_field(L, "mode", info->mode);
      set_field(L, "uid", info->uid);
      set_field(L, "gid", info->gid);
      set_field(L, "modified_s", info->modified_s);
      return 1;
    };
  });
}

int machine_remove_file(lua_State* L) {
  Args args(L, "Machine.remove_file");
  check_machine(L, 1, "Machine.remove_file");
  std::string path = args.text(2, "path");
  return start(L, "Machine.remove_file", "removing " + path,
               [path](core::Machine& machine, CancelToken& token) -> Push {
                 return push_field_as("removed", remove_file(machine, path, token));
               });
}

// ---- folders ----

int machine_make_directory(lua_State* L) {
  Args args(L, "Machine.make_directory");
  check_machine(L, 1, "Machine.make_directory");
  std::string path = args.text(2, "path");
  Options options(L, 3, "Machine.make_directory");
  auto mode = static_cast<uint32_t>(options.integer("mode", 0, 07777).value_or(0700));
  bool parents = options.flag("parents");
  options.finish();
  return start(L, "Machine.make_directory", "making " + path,
               [path, mode, parents](core::Machine& machine, CancelToken& token) -> Push {
                 return push_field_as("created", make_directory(machine, path, mode, parents, token));
               });
}

int machine_remove_directory(lua_State* L) {
  Args args(L, "Machine.remove_directory");
  check_machine(L, 1, "Machine.remove_directory");
  std::string path = args.text(2, "path");
  Options options(L, 3, "Machine.remove_directory");
  bool recursive = options.flag("recursive");
  options.finish();
  return start(L, "Machine.remove_directory", "removing " + path,
               [path, recursive](core::Machine& machine, CancelToken& token) -> Push {
                 return push_field_as("removed", remove_directory(machine, path, recursive, token));
               });
}

int machine_temp_directory(lua_State* L) {
  check_machine(L, 1, "Machine.temp_directory");
  Options options(L, 2, "Machine.temp_directory");
  std::string under = options.text("under").value_or("");
  std::string name = options.text("name").value_or("");
  options.finish();
  return start(L, "Machine.temp_directory", "making a temporary folder",
               [under, name](core::Machine& machine, CancelToken& token) -> Push {
                 return [path = make_temp_directory(machine, under, name, token)](lua_State* L) {
                   core::push(L, path);
                   return 1;
                 };
               });
}

int machine_disk_space(lua_State* L) {
  Args args(L, "Machine.disk_space");
  check_machine(L, 1, "Machine.disk_space");
  std::string path = args.text(2, "path");
  return start(L, "Machine.disk_space", "asking for the space at " + path,
               [path](core::Machine& machine, CancelToken& token) -> Push {
                 return [space = disk_space(machine, path, token)](lua_State* L) {
                   lua_createtable(L, 0, 3);
                   set_field(L, "total_bytes", space.total_bytes);
                   set_field(L, "available_bytes", space.available_bytes);
                   set_field(L, "filesystem", space.filesystem);
                   return 1;
                 };
               });
}

// ---- the machine itself ----

int machine_facts(lua_State* L) {
  return start(L, "Machine.facts", "gathering facts", [](core::Machine& machine, CancelToken& token) -> Push {
    return [facts = gather_facts(machine, token)](lua_State* L) {
      json::push_json(L, facts);
      return 1;
    };
  });
}

int machine_resolve(lua_State* L) {
  Args args(L, "Machine.resolve");
  check_machine(L, 1, "Machine.resolve");
  std::string name = args.text(2, "name");
  return start(L, "Machine.resolve", "looking up " + name, [name](core::Machine& machine, CancelToken& token) -> Push {
    return [addresses = resolve_there(machine, name, token)](lua_State* L) {
      core::push(L, addresses);
      return 1;
    };
  });
}

int machine_name(lua_State* L) {
  core::push(L, check_machine(L, 1, "Machine.name")->name());
  return 1;
}

int machine_is_local(lua_State* L) {
  core::push(L, check_machine(L, 1, "Machine.is_local")->is_local());
  return 1;
}

// The last owner of a connection ends it, and that may wait: not on the main thread.
int machine_close(lua_State* L) {
  auto& handle = core::check_object<MachineHandle>(L, 1, "Machine.close");
  auto machine = std::exchange(handle.machine, nullptr);
  std::string name = machine ? machine->name() : "a machine";
  auto owner = std::make_shared<std::shared_ptr<core::Machine>>(std::move(machine));
  return core::start_work(L, "closing " + name, [owner](CancelToken&) -> Push {
    owner->reset();
    return [](lua_State*) { return 0; };
  });
}

int machine_tostring(lua_State* L) {
  auto& handle = core::check_object<MachineHandle>(L, 1, "Machine.tostring");
  core::push(L, "host.Machine " + (handle.machine ? handle.machine->name() : std::string("(closed)")));
  return 1;
}

}  // namespace drover::host
