// The functions of module "ssh" for forwarding. Tested by tests/bindings/ssh/ssh_test.lua.
#include "bindings/core/operation.h"
#include "bindings/ssh/forward.h"
#include "bindings/ssh/ssh_arguments.h"
#include "bindings/ssh/ssh_functions.h"

namespace drover::ssh {

using core::CancelToken;
using core::Options;
using core::Push;

namespace {

std::shared_ptr<SshMachine> check_ssh_machine(lua_State* L, int index, const char* function) {
  auto machine = std::dynamic_pointer_cast<SshMachine>(check_machine(L, index, function));
  if (!machine) {
    throw Error("ssh", "NOT_SSH", std::string(function) + ": the machine is not reached over SSH")
        .with_hint("use its socket or port as it is");
  }
  return machine;
}

int start_forward(lua_State* L, const std::string& description, std::function<Forward(CancelToken&)> make) {
  return core::start_work(
      L, description,
      [make](CancelToken& token) -> Push {
        Forward forward = make(token);
        return [forward](lua_State* L) {
          core::push_object(L, forward);
          return 1;
        };
      },
      core::OnCancel::wait);
}

}  // namespace

int forward_unix(lua_State* L) {
  auto machine = check_ssh_machine(L, 1, "ssh.forward_unix");
  Options options(L, 2, "ssh.forward_unix");
  auto local_path = options.text("local_path");
  ForwardTarget target;
  target.remote_path = required_text(options, "remote_path", "ssh.forward_unix");
  options.finish();
  return start_forward(L, "forward a socket to " + machine->name(), [=](CancelToken& token) {
    return local_path ? forward_unix(machine, *local_path, target, token)
                      : forward_unix_nameless(machine, target, token);
  });
}

int forward_tcp(lua_State* L) {
  auto machine = check_ssh_machine(L, 1, "ssh.forward_tcp");
  Options options(L, 2, "ssh.forward_tcp");
  int local_port = static_cast<int>(options.integer("local_port", 0, 65535).value_or(0));
  ForwardTarget target;
  target.remote_host = options.text("remote_host").value_or("127.0.0.1");
  auto remote_port = options.integer("remote_port", 1, 65535);
  options.finish();
  if (!remote_port) throw Error("usage", "BAD_ARGUMENT", "ssh.forward_tcp: the field 'remote_port' is missing");
  target.remote_port = static_cast<int>(*remote_port);
  return start_forward(L, "forward a port to " + machine->name(),
                       [=](CancelToken& token) { return forward_tcp(machine, local_port, target, token); });
}

int forward_close(lua_State* L) {
  Forward forward = core::check_object<Forward>(L, 1, "Forward.close");
  return core::start_work(L, "close the forwarding of " + forward.local_address,
                          [forward](CancelToken&) mutable -> Push {
                            forward.close();
                            return [](lua_State*) { return 0; };
                          });
}

int forward_local_address(lua_State* L) {
  core::push(L, core::check_object<Forward>(L, 1, "Forward.local_address").local_address);
  return 1;
}

int forward_status(lua_State* L) {
  ForwardTask::Status status = core::check_object<Forward>(L, 1, "Forward.status").task->status();
  lua_createtable(L, 0, 4);
  core::set_field(L, "open", status.open);
  core::set_field(L, "connections", status.connections);
  core::set_field(L, "refused", status.refused);
  if (!status.last_error.empty()) core::set_field(L, "last_error", status.last_error);
  return 1;
}

int forward_tostring(lua_State* L) {
  const Forward& forward = core::check_object<Forward>(L, 1, "Forward.tostring");
  core::push(L, "forwarding of " + forward.local_address + (forward.task->status().open ? "" : " (closed)"));
  return 1;
}

}  // namespace drover::ssh
