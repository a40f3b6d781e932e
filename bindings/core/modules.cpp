// The list of the modules of this build. A new binding adds its line here and nowhere else.
#include "bindings/async/async.h"
#include "bindings/core/module.h"
#include "bindings/firewall/firewall.h"
#include "bindings/host/host.h"
#include "bindings/json/json.h"

namespace drover::core {

const std::vector<const Module*>& all_modules() {
  static const std::vector<const Module*> modules{
      &async::module(),
      &firewall::module(),
      &host::module(),
      &json::module(),
  };
  return modules;
}

}  // namespace drover::core
