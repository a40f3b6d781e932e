#include "bindings/virt/connection.h"

#include <thread>

#include "bindings/virt/run.h"
#include "bindings/virt/text.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::CancelToken;
using core::Options;
using core::Push;

Push push_connection(ConnectionPtr connection) {
  return [connection = std::move(connection)](lua_State* L) {
    core::push_object(L, Connection{connection});
    return 1;
  };
}

int connect(lua_State* L) {
  Args args(L, "virt.connect");
  OpenRequest request;
  request.uri = args.text(1, "uri");
  Options options(L, 2, "virt.connect");
  request.readonly = options.flag("readonly");
  request.host = options.text("host").value_or("");
  constexpr int64_t longest_interval_s = 3600;
  request.keepalive_interval_s =
      static_cast<int>(options.integer("keepalive_interval_s", 0, longest_interval_s).value_or(5));
  request.keepalive_count = static_cast<int>(options.integer("keepalive_count", 1, 100).value_or(5));
  options.finish();
  if (is_in_process_uri(request.uri)) return push_connection(VirConnection::open(request))(L);
  return core::start_work(L, "connection to " + request.uri,
                          [request](CancelToken&) -> Push { return push_connection(VirConnection::open(request)); });
}

int version(lua_State* L) {
  unsigned long number = 0;
  if (virGetVersion(&number, nullptr, nullptr) < 0) throw last_error("ask libvirt for its version", "localhost");
  core::push(L, version_text(number));
  return 1;
}

int close(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.close");
  if (connection->closed()) return 0;
  auto finish = connection->begin_close();
  if (connection->lost_reason() >= 0) {  // its end may wait for calls that wait for the other side
    std::thread(std::move(finish)).detach();
    return 0;
  }
  return run(L, connection, "close of " + connection->uri(), [finish](CancelToken&) -> Push {
    finish();
    return [](lua_State*) { return 0; };
  });
}

int tostring(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.tostring");
  core::push(
      L, "virt.Connection " + (connection->closed() ? "(closed)" : connection->uri()) + " on " + connection->host());
  return 1;
}

int is_alive(lua_State* L) {
  core::push(L, check_connection(L, 1, "Connection.is_alive")->alive());
  return 1;
}

}  // namespace

std::string version_text(unsigned long number) {
  return std::to_string(number / 1000000) + "." + std::to_string(number / 1000 % 1000) + "." +
         std::to_string(number % 1000);
}

std::vector<core::Function> connection_functions() {
  return {
      {"connect",
       connect,
       "Opens a connection to a libvirt driver: qemu:///system, qemu+ssh://root@host/system, qemu+tls, qemu+tcp, "
       "qemu+libssh, test:///default. Nobody is asked for anything on the terminal. A URI that switches off the check "
       "of host keys or certificates is refused.",
       {{"uri", "string", "libvirt URI."},
        {"options?", "table",
         "readonly: boolean. host: how errors name it, that of the URI without it. keepalive_interval_s: seconds "
         "between probes of the other side, default 5, 0 for none. "
         "keepalive_count: probes without an answer after which the connection is lost, default 5. The probes have a "
         "second connection of their own."}},
       {{"connection", "virt.Connection", ""}},
       "NO_CONNECTION, AUTH_FAILED, HOST_KEY_CHANGED, HOST_KEY_UNKNOWN, UNKNOWN_HOST, TLS_FAILED, NO_HELPER, "
       "INSECURE_URI, BAD_ARGUMENT",
       Blocking::yes},
      {"version",
       version,
       "The version of the libvirt library of this process.",
       {},
       {{"version", "string", "As 9.0.0."}}},
  };
}

std::vector<core::Function> connection_methods() {
  return {
      {"close",
       close,
       "Ends the connection. What came from it (domains, pools, ...) raises CONNECTION_CLOSED from now on.",
       {},
       {},
       "",
       Blocking::yes},
      {"is_alive",
       is_alive,
       "False after close, and when the transport learned that the other side went away (keepalive, daemon stopped). "
       "Asks nobody: it answers at once.",
       {},
       {{"alive", "boolean", ""}}},
      {"tostring", tostring, "Its class, URI and host.", {}, {{"text", "string", "What it says."}}},
  };
}

}  // namespace drover::virt
