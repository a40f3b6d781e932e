// What a machine is: names, addresses, system, versions, memory, clock; gathered by one constant script in one round
// trip, because every round trip over SSH costs. What a machine lacks is absent from the result and not an error.
// Tested by tests/bindings/host/facts_test.cpp (recorded outputs) and machine_test.lua (this machine).
#pragma once

#include <nlohmann/json.hpp>

#include "bindings/core/machine.h"

namespace drover::host {

using Json = nlohmann::ordered_json;

struct ClockReading {
  int64_t asked_ns = 0;     // drover's clock before the program was started
  int64_t answered_ns = 0;  // and after it ended
};

Json gather_facts(core::Machine& machine, core::CancelToken& token);

// The pure part. Fields: see the documentation of Machine.facts in machine_object.cpp.
Json parse_facts(const std::string& output, const ClockReading& drover_clock);

// VERSION in the text of a program's --version: "9.0.0" of "libvirtd (libvirt) 9.0.0".
std::string version_in(const std::string& text);

}  // namespace drover::host
