// Which firewall decides on a host: firewalld when it runs, else nftables or iptables when one filters, else none.
// Found out on the host itself in one round trip, because back ends fight (case A47) and a package that is installed
// says nothing. Tested by tests/bindings/firewall/detect_test.cpp.
#pragma once

#include "bindings/firewall/backend.h"

namespace drover::firewall {

struct Evidence {
  std::string backend;              // firewalld, nftables, iptables, none
  std::string why;                  // a sentence
  std::vector<std::string> others;  // what else filters packets: "iptables: INPUT"
};

// Throws NO_PERMISSION when the rules may not be read, NO_PROGRAM when firewalld runs without busctl.
Evidence detect(core::Machine& machine, core::CancelToken& token);

// The pure part: the output of the script that detect runs.
Evidence judge(const std::string& output, const std::string& host);

std::shared_ptr<Backend> make_backend(const std::string& name, std::shared_ptr<core::Machine> machine);

// The whole ruleset without counters, and firewalld's permanent zones: to compare before and after a run.
std::string read_ruleset(core::Machine& machine, core::CancelToken& token);

}  // namespace drover::firewall
