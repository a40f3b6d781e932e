// The functions of module "ssh" for key pairs and authorized_keys. Tested by tests/bindings/ssh/ssh_test.lua.
#include "bindings/core/operation.h"
#include "bindings/ssh/host_keys.h"
#include "bindings/ssh/key_pair.h"
#include "bindings/ssh/ssh_arguments.h"
#include "bindings/ssh/ssh_functions.h"

namespace drover::ssh {

using core::Args;
using core::CancelToken;
using core::Options;
using core::Push;

namespace {

void read_line_options(Options& options, KeyRequest& request) {
  request.options.restricted = options.boolean("restrict").value_or(true);
  request.options.port_forwarding = options.flag("port_forwarding");
  request.options.from = options.text("from").value_or("");
  request.options.command = options.text("command").value_or("");
  request.expires_at_s = options.integer("expires_at_s", 1).value_or(0);
}

const char* presence_text(Presence presence) {
  return presence == Presence::ours ? "ours" : presence == Presence::foreign ? "foreign" : "absent";
}

void push_granted(lua_State* L, const GrantedKey& granted) {
  lua_createtable(L, 0, 7);
  core::set_field(L, "user", granted.user);
  core::set_field(L, "file", granted.file);
  core::set_field(L, "line", granted.line);
  core::set_field(L, "added", granted.added);
  core::set_field(L, "added_newline", granted.added_newline);
  core::set_field(L, "made_file", granted.made_file);
  core::set_field(L, "made_directory", granted.made_directory);
}

}  // namespace

int generate_key(lua_State* L) {
  Options options(L, 1, "ssh.generate_key");
  std::string type = options.choice("type", {"ed25519", "rsa4096"}).value_or("ed25519");
  std::string comment = options.text("comment").value_or("");
  options.finish();
  KeyKind kind = type == "rsa4096" ? KeyKind::rsa4096 : KeyKind::ed25519;
  return core::start_work(L, "make a key pair", [kind, comment](CancelToken&) -> Push {
    KeyPair pair = generate_key_pair(kind, comment);
    return [pair](lua_State* L) {
      core::push_object(L, pair);
      return 1;
    };
  });
}

int key_public_line(lua_State* L) {
  core::push(L, core::check_object<KeyPair>(L, 1, "KeyPair.public_line").public_line);
  return 1;
}

int key_fingerprint(lua_State* L) {
  core::push(L, core::check_object<KeyPair>(L, 1, "KeyPair.fingerprint").fingerprint);
  return 1;
}

int key_type(lua_State* L) {
  core::push(L, core::check_object<KeyPair>(L, 1, "KeyPair.type").type);
  return 1;
}

int key_tostring(lua_State* L) {
  const KeyPair& pair = core::check_object<KeyPair>(L, 1, "KeyPair.tostring");
  core::push(L, "key pair " + pair.type + " " + pair.fingerprint);
  return 1;
}

int key_write_private(lua_State* L) {
  Args args(L, "KeyPair.write_private");
  KeyPair pair = core::check_object<KeyPair>(L, 1, "KeyPair.write_private");
  auto machine = check_machine(L, 2, "KeyPair.write_private");
  std::string path = args.text(3, "path");
  return core::start_work(
      L, "write a private key to " + path + " on " + machine->name(),
      [pair, machine, path](CancelToken& token) -> Push {
        WrittenKey written = write_private_key(*machine, pair, path, token);
        return [written](lua_State* L) {
          lua_createtable(L, 0, 2);
          core::set_field(L, "path", written.path);
          core::set_field(L, "made_directory", written.made_directory);
          return 1;
        };
      },
      core::OnCancel::wait);
}

int remove_private(lua_State* L) {
  auto machine = check_machine(L, 1, "ssh.remove_private");
  Options options(L, 2, "ssh.remove_private");
  WrittenKey written{required_text(options, "path", "ssh.remove_private"), options.flag("made_directory")};
  options.finish();
  return core::start_work(
      L, "remove the private key " + written.path + " on " + machine->name(),
      [written, machine](CancelToken& token) -> Push {
        bool removed = remove_private_key(*machine, written, token);
        return [removed](lua_State* L) {
          lua_createtable(L, 0, 1);
          core::set_field(L, "removed", removed);
          return 1;
        };
      },
      core::OnCancel::wait);
}

int authorize(lua_State* L) {
  auto machine = check_machine(L, 1, "ssh.authorize");
  Options options(L, 2, "ssh.authorize");
  KeyRequest request = read_key_request(options, "ssh.authorize");
  read_line_options(options, request);
  options.finish();
  return core::start_work(
      L, "authorize a key on " + machine->name(),
      [machine, request](CancelToken& token) -> Push {
        GrantedKey granted = authorize_key(*machine, request, token);
        return [granted](lua_State* L) {
          push_granted(L, granted);
          return 1;
        };
      },
      core::OnCancel::wait);
}

int foresee_authorize(lua_State* L) {
  auto machine = check_machine(L, 1, "ssh.foresee_authorize");
  Options options(L, 2, "ssh.foresee_authorize");
  KeyRequest request;
  request.user = options.text("user").value_or("");
  request.file = options.text("file").value_or("");
  options.finish();
  return core::start_work(L, "look at the keys on " + machine->name(), [machine, request](CancelToken& token) -> Push {
    GrantedKey foreseen = foresee_key(*machine, request, token);
    return [foreseen](lua_State* L) {
      push_granted(L, foreseen);
      lua_pushnil(L);
      lua_setfield(L, -2, "line");
      return 1;
    };
  });
}

int revoke(lua_State* L) {
  auto machine = check_machine(L, 1, "ssh.revoke");
  Options options(L, 2, "ssh.revoke");
  KeyRequest request = read_key_request(options, "ssh.revoke");
  GrantedKey granted;
  granted.added_newline = options.flag("added_newline");
  granted.made_file = options.flag("made_file");
  granted.made_directory = options.flag("made_directory");
  options.finish();
  return core::start_work(
      L, "revoke a key on " + machine->name(),
      [machine, request, granted](CancelToken& token) -> Push {
        bool removed = revoke_key(*machine, request, granted, token);
        return [removed](lua_State* L) {
          lua_createtable(L, 0, 1);
          core::set_field(L, "removed", removed);
          return 1;
        };
      },
      core::OnCancel::wait);
}

int probe_authorized(lua_State* L) {
  auto machine = check_machine(L, 1, "ssh.probe_authorized");
  Options options(L, 2, "ssh.probe_authorized");
  KeyRequest request = read_key_request(options, "ssh.probe_authorized");
  options.finish();
  return core::start_work(L, "look for a key on " + machine->name(), [machine, request](CancelToken& token) -> Push {
    Presence presence = probe_key(*machine, request, token);
    return [presence](lua_State* L) {
      core::push(L, presence_text(presence));
      return 1;
    };
  });
}

int format_key_line(lua_State* L) {
  Options options(L, 1, "ssh.format_key_line");
  KeyRequest request = read_key_request(options, "ssh.format_key_line");
  read_line_options(options, request);
  options.finish();
  LineOptions line = request.options;
  if (request.expires_at_s > 0) line.expiry = expiry_text(request.expires_at_s);
  std::string text = format_options(line);
  core::push(L, (text.empty() ? "" : text + " ") + parse_public_key(request.key).line() + " " + request.mark);
  return 1;
}

int parse_key(lua_State* L) {
  Args args(L, "ssh.parse_key");
  PublicKey key = parse_public_key(args.text(1, "line"));
  lua_createtable(L, 0, 3);
  core::set_field(L, "type", key.type);
  core::set_field(L, "fingerprint_sha256", key.fingerprint);
  core::set_field(L, "public_key_line", key.line());
  return 1;
}

}  // namespace drover::ssh
