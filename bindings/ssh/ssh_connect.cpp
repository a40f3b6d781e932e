// The functions of module "ssh" for connections and host keys. Tested by tests/bindings/ssh/ssh_test.lua.
#include "bindings/core/operation.h"
#include "bindings/ssh/ssh_arguments.h"
#include "bindings/ssh/ssh_functions.h"
#include "bindings/ssh/ssh_machine.h"

namespace drover::ssh {

using core::Args;
using core::CancelToken;
using core::Options;
using core::Push;

namespace {

// The class belongs to module "host", which a script may not have named yet.
void load_machine_class(lua_State* L) {
  bool known = luaL_getmetatable(L, core::MachineHandle::lua_name) != LUA_TNIL;
  lua_pop(L, 1);
  if (known) return;
  lua_getglobal(L, "require");
  lua_pushstring(L, "native.host");
  lua_call(L, 1, 0);
}

void push_key(lua_State* L, const PublicKey& key) {
  lua_createtable(L, 0, 6);
  core::set_field(L, "type", key.type);
  core::set_field(L, "fingerprint_sha256", key.fingerprint);
  core::set_field(L, "public_key_line", key.line());
}

struct ShownKey {
  PublicKey key;
  HostKeyState state = HostKeyState::unknown;
  std::string known_as;
};

ShownKey look_at_host_key(const ConnectOptions& options, CancelToken& token) {
  HostConfig host = read_host_config(options);
  Session session = open_session(host, options, token);
  ShownKey shown{shown_host_key(session), HostKeyState::unknown, host.known_as};
  shown.state = judge_host_key(known_entries(host), shown.key);
  return shown;
}

}  // namespace

int connect(lua_State* L) {
  load_machine_class(L);
  ConnectArguments arguments = check_connect_options(L, 2, "ssh.connect");
  if (arguments.options.host_key) parse_public_key(*arguments.options.host_key);
  parse_target(arguments.options.target);
  return core::start_work(
      L, "connect to " + arguments.options.target,
      [arguments](CancelToken& token) -> Push {
        ConnectOptions options = arguments.options;
        if (arguments.password_fd) options.password = read_secret(*arguments.password_fd, token);
        std::shared_ptr<core::Machine> machine = SshMachine::connect(options, token);
        return [machine](lua_State* L) {
          core::push_object(L, core::MachineHandle{machine});
          return 1;
        };
      },
      core::OnCancel::wait);
}

int host_key(lua_State* L) {
  ConnectOptions options = check_connect_options(L, 2, "ssh.host_key").options;
  parse_target(options.target);
  return core::start_work(L, "read the host key of " + options.target, [options](CancelToken& token) -> Push {
    ShownKey shown = look_at_host_key(options, token);
    return [shown](lua_State* L) {
      push_key(L, shown.key);
      core::set_field(L, "known", to_text(shown.state));
      core::set_field(L, "known_as", shown.known_as);
      return 1;
    };
  });
}

int find_known_host(lua_State* L) {
  ConnectOptions options = check_connect_options(L, 2, "ssh.find_known_host").options;
  parse_target(options.target);
  return core::start_work(L, "look for " + options.target + " in known_hosts", [options](CancelToken&) -> Push {
    auto entries = known_entries(read_host_config(options));
    return [entries](lua_State* L) {
      lua_createtable(L, static_cast<int>(entries.size()), 0);
      lua_Integer index = 0;
      for (const KnownEntry& entry : entries) {
        push_key(L, entry.key);
        core::set_field(L, "file", entry.file);
        core::set_field(L, "line_number", entry.line_number);
        core::set_field(L, "revoked", entry.revoked);
        lua_rawseti(L, -2, ++index);
      }
      return 1;
    };
  });
}

int add_known_host(lua_State* L) {
  Args args(L, "ssh.add_known_host");
  ConnectOptions options;
  options.target = args.text(1, "target");
  std::string line = args.text(2, "key_line");
  Options table(L, 3, "ssh.add_known_host");
  options.known_hosts = table.text("known_hosts");
  options.config = table.text("config");
  table.finish();
  parse_target(options.target);
  PublicKey key = parse_public_key(line);
  return core::start_work(
      L, "add " + options.target + " to known_hosts",
      [options, key](CancelToken& token) -> Push {
        HostConfig host = read_host_config(options);
        if (host.user_known_hosts.empty()) {
          throw Error("ssh", "BAD_CONFIG", "ssh is configured to keep no known hosts for " + host.name)
              .on_host(host.name)
              .with_hint("see UserKnownHostsFile in ssh_config, or give known_hosts = PATH");
        }
        AddedHost added = add_known_host(host.user_known_hosts.front(), host.known_as, key, token);
        return [added](lua_State* L) {
          lua_createtable(L, 0, 3);
          core::set_field(L, "file", added.file);
          core::set_field(L, "line", added.line);
          core::set_field(L, "added", added.added);
          return 1;
        };
      },
      core::OnCancel::wait);
}

}  // namespace drover::ssh
