#include "bindings/ssh/ssh_arguments.h"

namespace drover::ssh {

std::shared_ptr<core::Machine> check_machine(lua_State* L, int index, const char* function) {
  std::shared_ptr<core::Machine> machine;
  core::MachineHandle* handle = nullptr;
  if (lua_istable(L, index)) {
    lua_getfield(L, index, "machine");
    handle = core::test_object<core::MachineHandle>(L, -1);
    if (handle != nullptr) machine = handle->machine;
    lua_pop(L, 1);
  }
  if (handle == nullptr) machine = core::check_object<core::MachineHandle>(L, index, function, "machine").machine;
  if (!machine) throw Error("ssh", "CLOSED", std::string(function) + ": the machine was closed");
  return machine;
}

std::string required_text(core::Options& options, const char* name, const char* function) {
  auto value = options.text(name);
  if (!value) {
    throw Error("usage", "BAD_ARGUMENT", std::string(function) + ": the field '" + name + "' is missing");
  }
  return *value;
}

ConnectArguments read_connect_options(core::Options& options, std::string target) {
  ConnectArguments result;
  result.options.target = std::move(target);
  result.options.name = options.text("name");
  result.options.user = options.text("user");
  if (auto port = options.integer("port", 1, 65535)) result.options.port = static_cast<int>(*port);
  result.options.identity_files = options.text_list("identity_files").value_or(std::vector<std::string>{});
  result.options.known_hosts = options.text("known_hosts");
  result.options.config = options.text("config");
  result.options.host_key = options.text("host_key");
  if (auto fd = options.integer("password_fd", 0, 65535)) result.password_fd = static_cast<int>(*fd);
  result.options.ask_password = options.flag("ask_password");
  result.options.connect_timeout_ms = options.integer("connect_timeout_ms", 1, 600000).value_or(10000);
  return result;
}

ConnectArguments check_connect_options(lua_State* L, int index, const char* function) {
  core::Args args(L, function);
  std::string target = args.text(1, "target");
  core::Options options(L, index, function);
  ConnectArguments result = read_connect_options(options, std::move(target));
  options.finish();
  return result;
}

KeyRequest read_key_request(core::Options& options, const char* function) {
  KeyRequest request;
  request.key = required_text(options, "key", function);
  request.mark = required_text(options, "mark", function);
  request.user = options.text("user").value_or("");
  request.file = options.text("file").value_or("");
  return request;
}

}  // namespace drover::ssh
