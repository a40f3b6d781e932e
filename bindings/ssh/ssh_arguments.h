// Reading what the functions of module "ssh" take: connect options, machines, key requests.
// Tested by tests/bindings/ssh/ssh_test.lua.
#pragma once

#include "bindings/core/args.h"
#include "bindings/core/machine.h"
#include "bindings/core/object.h"
#include "bindings/ssh/authorize.h"
#include "bindings/ssh/host_config.h"

namespace drover::ssh {

// A machine, or a host object that carries one as its field "machine".
std::shared_ptr<core::Machine> check_machine(lua_State* L, int index, const char* function);

struct ConnectArguments {
  ConnectOptions options;
  std::optional<int> password_fd;  // read on the worker thread
};

// The target at 1 and the options table at `index`; finishes the table.
ConnectArguments check_connect_options(lua_State* L, int index, const char* function);
// The same from a table that has more fields; the caller finishes it.
ConnectArguments read_connect_options(core::Options& options, std::string target);

// key, mark, file, user: what names a granted key.
KeyRequest read_key_request(core::Options& options, const char* function);

// A field that must be there.
std::string required_text(core::Options& options, const char* name, const char* function);

}  // namespace drover::ssh
