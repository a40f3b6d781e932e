// The list of the modules of this build. A new binding adds its line here and nowhere else.
// Tested by tests/bindings/documented_test.lua.
#include "bindings/async/async.h"
#include "bindings/core/module.h"
#include "bindings/files/files.h"
#include "bindings/firewall/firewall.h"
#include "bindings/host/host.h"
#include "bindings/journal/journal.h"
#include "bindings/json/json.h"
#include "bindings/log/log.h"
#include "bindings/ssh/ssh.h"
#include "bindings/terminal/terminal.h"
#include "bindings/virt/virt.h"
#include "bindings/xml/xml.h"

namespace drover::core {

namespace {

struct Entry {
  std::string_view name;
  const Module& (*module)();  // its table of functions and their texts is made when it is first asked for
};

// The comments keep clang-format from joining the lines, so that two branches can each add one.
constexpr Entry entries[] = {
    {"async", async::module},        //
    {"files", files::module},        //
    {"firewall", firewall::module},  //
    {"host", host::module},          //
    {"journal", journal::module},    //
    {"json", json::module},          //
    {"log", log_module::module},     //
    {"ssh", ssh::module},            //
    {"terminal", terminal::module},  //
    {"virt", virt::module},          //
    {"xml", xml::module},            //
};

}  // namespace

const std::vector<const Module*>& all_modules() {
  static const std::vector<const Module*> modules = [] {
    std::vector<const Module*> list;
    for (const Entry& entry : entries) list.push_back(&entry.module());
    return list;
  }();
  return modules;
}

const Module* find_module(std::string_view name) {
  for (const Entry& entry : entries) {
    if (entry.name == name) return &entry.module();
  }
  return nullptr;
}

}  // namespace drover::core
