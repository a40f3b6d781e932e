// The list of the modules of this build. A new binding adds its line here and nowhere else.
#include "bindings/async/async.h"
#include "bindings/core/module.h"
#include "bindings/json/json.h"
#include "bindings/virt/virt.h"
#include "bindings/xml/xml.h"

namespace drover::core {

const std::vector<const Module*>& all_modules() {
  static const std::vector<const Module*> modules{
      &async::module(),
      &json::module(),
      &virt::module(),
      &xml::module(),
  };
  return modules;
}

}  // namespace drover::core
