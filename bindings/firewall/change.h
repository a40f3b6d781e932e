// One change to a firewall as plain data: what to open, forward or masquerade, from whom, for how long, and whose it
// is. The same data applies it, finds it again and removes it, in another process and after a crash.
//
// The mark is what tells ours from others' on the host: nftables and iptables carry it as a comment. A rich rule of
// firewalld has no comment; it carries a priority that is a hash of the mark, in a range that people do not use, so
// its exact text is ours. A positive priority comes after the zone's own allow and deny rules (firewalld.richlanguage).
// Tested by tests/bindings/firewall/change_test.cpp.
#pragma once

#include <string>
#include <vector>

#include "bindings/firewall/network.h"

namespace drover::firewall {

enum class Kind { allow, service, forward, masquerade };

struct Change {
  Kind kind = Kind::allow;
  std::optional<Network> from;  // allow and masquerade must have one
  int first_port = 0;
  int last_port = 0;
  std::string protocol = "tcp";
  std::string service;         // service: as firewalld or /etc/services of the host names it
  std::optional<Network> to;   // forward: one address
  int to_port = 0;             // forward: 0 keeps the port
  std::string interface_name;  // masquerade: the way out; "" is any
  int64_t timeout_s = 0;       // 0: until it is revoked
  std::string mark;
  bool permanent = false;
  std::string zone;     // firewalld: "" is found out
  std::string backend;  // of a result that is handed back; "" is the one in use

  std::string port_text(char separator) const;  // "80", "49152-49160"
  bool is_ipv6() const;
};

const char* to_text(Kind kind);
std::optional<Kind> kind_of(const std::string& text);

// Throws BAD_ARGUMENT for what cannot be: allow without a source, a range that runs backwards, a mark with a quote.
void validate(const Change& change);

// Eight hex digits of the mark: in names of sets and tables.
std::string mark_digest(const std::string& mark);
// The priority of a rich rule of that mark. libvirt's own zones use 32767.
int mark_priority(const std::string& mark);
inline constexpr int lowest_mark_priority = 20000;
inline constexpr int highest_mark_priority = 31999;

// A comment on a rule of one of several changes of one mark: "MARK #tcp/8080".
std::string forward_comment(const Change& change);
// Whether a comment is of that mark.
bool has_mark(const std::string& comment, const std::string& mark);

}  // namespace drover::firewall
