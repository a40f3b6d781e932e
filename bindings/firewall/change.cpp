#include "bindings/firewall/change.h"

#include "host/base/error.h"

namespace drover::firewall {

namespace {

constexpr size_t longest_mark = 100;  // nftables takes 128 bytes of comment; forward_comment needs some

uint64_t hash(const std::string& text) {  // FNV-1a: stable between versions and machines, which std::hash is not
  uint64_t value = 14695981039346656037ULL;
  for (unsigned char c : text) value = (value ^ c) * 1099511628211ULL;
  return value ^ (value >> 32);
}

[[noreturn]] void refuse(const std::string& what) { throw Error("usage", "BAD_ARGUMENT", "firewall: " + what); }

bool is_plain(const std::string& text, const char* also) {
  for (char c : text) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && std::string_view(also).find(c) == std::string_view::npos) return false;
  }
  return true;
}

// One that a program could take for an option is none.
bool is_name(const std::string& text, const char* also) {
  return !text.empty() && text.front() != '-' && is_plain(text, also);
}

void check_ports(const Change& change) {
  if (change.first_port < 1 || change.last_port > 65535) refuse("port: expected 1 to 65535");
  if (change.last_port < change.first_port) refuse("ports: the last is lower than the first");
  if (change.protocol != "tcp" && change.protocol != "udp") refuse("protocol: expected tcp or udp");
}

}  // namespace

std::string Change::port_text(char separator) const {
  if (first_port == last_port) return std::to_string(first_port);
  return std::to_string(first_port) + separator + std::to_string(last_port);
}

bool Change::is_ipv6() const {
  if (to) return to->is_ipv6;
  return from && from->is_ipv6;
}

const char* to_text(Kind kind) {
  switch (kind) {
    case Kind::allow:
      return "allow";
    case Kind::service:
      return "service";
    case Kind::forward:
      return "forward";
    case Kind::masquerade:
      return "masquerade";
  }
  return "";
}

std::optional<Kind> kind_of(const std::string& text) {
  for (Kind kind : {Kind::allow, Kind::service, Kind::forward, Kind::masquerade}) {
    if (text == to_text(kind)) return kind;
  }
  return std::nullopt;
}

void validate(const Change& change) {
  if (change.mark.empty() || change.mark.size() > longest_mark || !is_plain(change.mark, " ._:=/@+-")) {
    refuse("mark: expected 1 to 100 letters, digits, spaces or ._:=/@+-");
  }
  bool needs_source = change.kind == Kind::allow || change.kind == Kind::masquerade;
  if (needs_source && !change.from) refuse("from: expected an address or a network");
  if (change.kind == Kind::allow || change.kind == Kind::forward) check_ports(change);
  if (change.kind == Kind::service && !is_name(change.service, "._-+")) {
    refuse("service: expected the name of a service");
  }
  if (change.kind == Kind::forward) {
    if (!change.to || change.to->prefix != (change.to->is_ipv6 ? 128 : 32)) refuse("to: expected one address");
    if (change.from && change.from->is_ipv6 != change.to->is_ipv6) refuse("from and to: IPv4 and IPv6 do not mix");
    if (change.to_port != 0 && change.first_port != change.last_port) refuse("to_port: only for one port");
  }
  if (!change.zone.empty() && !is_name(change.zone, "._-")) refuse("zone: expected the name of a zone");
  if (!change.interface_name.empty() && !is_name(change.interface_name, "._-@")) {
    refuse("interface: expected the name of an interface");
  }
  if (change.timeout_s != 0 && change.permanent) refuse("timeout_s: a permanent rule cannot expire");
}

std::string mark_digest(const std::string& mark) {
  char text[9];
  snprintf(text, sizeof text, "%08x", static_cast<unsigned>(hash(mark)));
  return text;
}

int mark_priority(const std::string& mark) {
  return lowest_mark_priority + static_cast<int>(hash(mark) % (highest_mark_priority - lowest_mark_priority + 1));
}

std::string forward_comment(const Change& change) {
  return change.mark + " #" + change.protocol + "/" + change.port_text('-');
}

bool has_mark(const std::string& comment, const std::string& mark) {
  return comment == mark || comment.rfind(mark + " #", 0) == 0;
}

}  // namespace drover::firewall
