#include "bindings/host/host.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "bindings/core/args.h"
#include "bindings/core/operation.h"
#include "bindings/host/local_machine.h"
#include "bindings/host/machine_object.h"
#include "bindings/host/trusted_file.h"

namespace drover::host {

namespace {

int local_machine(lua_State* L) {
  push_machine(L, std::make_shared<LocalMachine>());
  return 1;
}

std::string address_text(const addrinfo& entry) {
  char text[NI_MAXHOST] = "";
  getnameinfo(entry.ai_addr, entry.ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  return text;
}

std::vector<std::string> resolve_here(const std::string& name) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  int status = getaddrinfo(name.c_str(), nullptr, &wanted, &list);
  if (status == EAI_NONAME || status == EAI_NODATA) return {};
  if (status != 0) {
    throw Error("host", "RESOLVER_FAILED", "cannot look up " + name + ": " + gai_strerror(status))
        .on_object(name)
        .with_native("getaddrinfo " + std::to_string(status));
  }
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  std::vector<std::string> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    std::string address = address_text(*entry);
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) addresses.push_back(address);
  }
  return addresses;
}

int resolve(lua_State* L) {
  std::string name = core::Args(L, "host.resolve").text(1, "name");
  return core::start_work(L, "looking up " + name, [name](core::CancelToken&) -> core::Push {
    return [addresses = resolve_here(name)](lua_State* L) {
      core::push(L, addresses);
      return 1;
    };
  });
}

int read_trusted(lua_State* L) {
  core::push(L, read_trusted_file(core::Args(L, "host.read_trusted_file").text(1, "path"), geteuid()));
  return 1;
}

}  // namespace

const core::Module& module() {
  static const core::Module definition{
      "host",
      "Machines: programs, files and facts of the one drover runs on, and of others through module ssh.",
      {
          {"local_machine", local_machine, "The machine that drover runs on.", {}, {{"machine", "host.Machine", ""}}},
          {"resolve",
           resolve,
           "The addresses that this machine finds for a name, best first; an empty list when there are none.",
           {{"name", "string", "A host name or an address."}},
           {{"addresses", "string[]", "IPv4 and IPv6, as text."}},
           "RESOLVER_FAILED",
           core::Blocking::yes},
          {"read_trusted_file",
           read_trusted,
           "The text of a file of this machine that drover will run as Lua (hosts.lua, a playbook), or nil when it is "
           "not there. As root, a file is refused when anybody else may write it or a folder above it.",
           {{"path", "string", "The file."}},
           {{"text?", "string", "At most 4 MiB."}},
           "UNTRUSTED_FILE, NO_PERMISSION, IS_DIRECTORY, TOO_LARGE"},
      },
      {machine_class()}};
  return definition;
}

}  // namespace drover::host
