#include "bindings/firewall/backend.h"

#include <charconv>

#include "host/base/text.h"

namespace drover::firewall {

core::ExecResult Backend::run(std::vector<std::string> argv, const std::string& input, core::CancelToken& token) const {
  core::ExecRequest request;
  request.argv = std::move(argv);
  request.input = input;
  request.timeout_ms = 30000;
  return machine_->exec(request, token);
}

core::ExecResult Backend::run_checked(std::vector<std::string> argv, const std::string& input,
                                      core::CancelToken& token) const {
  std::string what = argv.front();
  core::ExecResult result = run(std::move(argv), input, token);
  if (result.exit_code != 0) fail(result, what);
  return result;
}

void Backend::fail(const core::ExecResult& result, const std::string& what) const {
  std::string said(trim(result.errors.empty() ? result.output : result.errors));
  bool denied = said.find("ermission denied") != std::string::npos || said.find("not permitted") != std::string::npos ||
                said.find("ccess denied") != std::string::npos || said.find("uthentication") != std::string::npos ||
                said.find("you must be root") != std::string::npos;
  Error error("firewall", denied ? "NO_PERMISSION" : "FIREWALL_FAILED",
              denied ? "may not change the firewall" : what + " refused: " + split(said, '\n').front());
  error.on_host(machine_->name()).with_native("exit code " + std::to_string(result.exit_code) + "; " + said);
  if (denied) error.with_hint("log in as root on " + machine_->name());
  throw error;
}

void Backend::refuse_permanent(const Change& change) const {
  if (!change.permanent) return;
  throw Error("firewall", "UNSUPPORTED",
              std::string("drover makes permanent rules with firewalld only, and here is ") + name())
      .on_host(machine_->name())
      .with_hint("write the rule into the host's own configuration");
}

std::vector<std::pair<std::string, int>> Backend::service_ports(const std::string& service,
                                                                core::CancelToken& token) const {
  std::vector<std::pair<std::string, int>> ports;
  for (const char* protocol : {"tcp", "udp"}) {
    // "http  80/tcp www"
    core::ExecResult result = run({"getent", "services", service + "/" + protocol}, "", token);
    size_t slash = result.output.find('/');
    size_t digits = result.output.find_last_of(" \t", slash);
    if (result.exit_code != 0 || slash == std::string::npos || digits == std::string::npos) continue;
    int port = 0;
    std::from_chars(result.output.data() + digits + 1, result.output.data() + slash, port);
    if (port > 0 && port <= 65535) ports.emplace_back(protocol, port);
  }
  if (!ports.empty()) return ports;
  throw Error("firewall", "NO_SERVICE", "the host does not know a service '" + service + "'")
      .on_host(machine_->name())
      .on_object(service)
      .with_hint("open its port by number");
}

}  // namespace drover::firewall
