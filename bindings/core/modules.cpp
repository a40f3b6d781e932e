// The list of the modules of this build. A new binding adds its line here and nowhere else.
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

const std::vector<const Module*>& all_modules() {
  // The comments keep clang-format from joining the lines, so that two branches can each add one.
  static const std::vector<const Module*> modules{
      &async::module(),       //
      &files::module(),       //
      &firewall::module(),    //
      &host::module(),        //
      &journal::module(),     //
      &json::module(),        //
      &log_module::module(),  //
      &ssh::module(),         //
      &terminal::module(),    //
      &virt::module(),        //
      &xml::module(),         //
  };
  return modules;
}

}  // namespace drover::core
