// An address or a network (CIDR) as the kernel sees it: parsed, host bits cleared, written in one form only, so that
// equal networks are equal text. Tested by tests/bindings/firewall/change_test.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace drover::firewall {

struct Network {
  bool is_ipv6 = false;
  std::array<uint8_t, 16> bytes{};
  int prefix = 0;

  // "10.0.0.0/24"; a single address without its prefix: "10.77.0.1".
  std::string text() const;
  bool contains(const Network& other) const;
};

// Of "10.77.0.1", "10.0.0.0/24", "2001:db8::/32"; nothing when it is neither.
std::optional<Network> parse_network(const std::string& text);

}  // namespace drover::firewall
