#include "bindings/firewall/network.h"

#include <arpa/inet.h>

#include <charconv>

namespace drover::firewall {

namespace {

// Clears the bits after the first `prefix`.
void clear_host_bits(Network& network) {
  for (int bit = network.prefix; bit < 128; ++bit) {
    network.bytes[static_cast<size_t>(bit / 8)] &= static_cast<uint8_t>(~(0x80 >> (bit % 8)));
  }
}

}  // namespace

std::string Network::text() const {
  char address[INET6_ADDRSTRLEN] = "";
  inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, bytes.data(), address, sizeof address);
  if (prefix == (is_ipv6 ? 128 : 32)) return address;
  return std::string(address) + "/" + std::to_string(prefix);
}

bool Network::contains(const Network& other) const {
  if (is_ipv6 != other.is_ipv6 || other.prefix < prefix) return false;
  Network cut = other;
  cut.prefix = prefix;
  clear_host_bits(cut);
  return cut.bytes == bytes;
}

std::optional<Network> parse_network(const std::string& text) {
  size_t slash = text.find('/');
  std::string address = text.substr(0, slash);
  Network network;
  network.is_ipv6 = address.find(':') != std::string::npos;
  if (inet_pton(network.is_ipv6 ? AF_INET6 : AF_INET, address.c_str(), network.bytes.data()) != 1) return std::nullopt;
  int longest = network.is_ipv6 ? 128 : 32;
  network.prefix = longest;
  if (slash != std::string::npos) {
    const char* begin = text.data() + slash + 1;
    const char* end = text.data() + text.size();
    auto [stop, error] = std::from_chars(begin, end, network.prefix);
    if (error != std::errc() || stop != end || network.prefix < 0 || network.prefix > longest) return std::nullopt;
  }
  clear_host_bits(network);
  return network;
}

}  // namespace drover::firewall
