#include "bindings/core/machine.h"

#include "host/base/text.h"

namespace drover::core {

ExecResult exec_checked(Machine& machine, const ExecRequest& request, CancelToken& token) {
  ExecResult result = machine.exec(request, token);
  if (result.exit_code == 0) return result;
  std::string said(trim(result.errors.empty() ? result.output : result.errors));
  // A program that says much says last why it gave up.
  std::string last_line = split(said, '\n').back();
  std::string how = result.signal.empty() ? " failed with exit code " + std::to_string(result.exit_code)
                                          : " was ended by the signal " + result.signal;
  throw Error("host", "COMMAND_FAILED", request.argv.front() + how + (last_line.empty() ? "" : ": " + last_line))
      .on_host(machine.name())
      .on_object(join(request.argv, " "))
      .with_hint("-v shows all that it said; a playbook that expects it asks with check = false")
      .with_native("exit code " + std::to_string(result.exit_code) + "; " + said);
}

}  // namespace drover::core
