#include "bindings/core/machine.h"

#include "host/base/text.h"

namespace drover::core {

ExecResult exec_checked(Machine& machine, const ExecRequest& request, CancelToken& token) {
  ExecResult result = machine.exec(request, token);
  if (result.exit_code == 0) return result;
  std::string said(trim(result.errors.empty() ? result.output : result.errors));
  std::string first_line = split(said, '\n').front();
  throw Error("host", "COMMAND_FAILED",
              request.argv.front() + " failed" + (first_line.empty() ? "" : ": " + first_line))
      .on_host(machine.name())
      .on_object(join(request.argv, " "))
      .with_native("exit code " + std::to_string(result.exit_code) + "; " + said);
}

}  // namespace drover::core
