// Shows which backend is chosen for what a host printed, and what is said when it may not be asked.
#include "bindings/firewall/detect.h"

#include <catch2/catch.hpp>

using namespace drover;
using namespace drover::firewall;

namespace {

constexpr const char* native_drop =
    R"({"nftables": [{"chain": {"family": "inet", "table": "filter", "name": "input", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}]})";
constexpr const char* iptables_drop =
    R"({"nftables": [{"chain": {"family": "ip", "table": "filter", "name": "INPUT", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}]})";
constexpr const char* empty = R"({"nftables": [{"metainfo": {"version": "1.0.6"}}]})";

std::string host(const std::string& firewalld, const std::string& nft, const std::string& iptables,
                 const std::string& user = "0") {
  return "@@user\n" + user + "\n@@firewalld\n" + firewalld + "\n@@nft\n" + nft +
         "\n@@iptables-version\niptables v1.8.9 (nf_tables)\n@@iptables\n" + iptables +
         "\n@@ip6tables\n-P INPUT ACCEPT\n@@end\n";
}

std::string code_of(const std::string& output) {
  try {
    judge(output, "kvm1");
  } catch (const Error& error) {
    return error.code + " on " + error.host;
  }
  return "no error";
}

}  // namespace

TEST_CASE("firewalld decides when it runs, whatever else there is, and the rest is named") {
  Evidence evidence = judge(host("b true", native_drop, "-P INPUT DROP"), "kvm1");
  CHECK(evidence.backend == "firewalld");
  REQUIRE(evidence.others.size() == 2);
  CHECK(evidence.others[0].find("inet filter input") != std::string::npos);
}

TEST_CASE("nftables decides when a chain of its own filters input") {
  CHECK(judge(host("b false", native_drop, "-P INPUT ACCEPT"), "kvm1").backend == "nftables");
  CHECK(judge(host("", native_drop, ""), "kvm1").backend == "nftables");
}

TEST_CASE("rules that iptables keeps in nftables are iptables'") {
  Evidence evidence = judge(host("b false", iptables_drop, "-P INPUT DROP"), "kvm1");
  CHECK(evidence.backend == "iptables");
  CHECK(evidence.others.empty());
}

TEST_CASE("iptables-legacy, which nft does not show, is found") {
  CHECK(judge(host("b false", empty, "-P INPUT ACCEPT\n-A INPUT -j f2b\n-A f2b -j REJECT"), "kvm1").backend ==
        "iptables");
}

TEST_CASE("a host that filters nothing has none") {
  CHECK(judge(host("b false", empty, "-P INPUT ACCEPT\n-P FORWARD DROP\n-A INPUT -j LIBVIRT_INP"), "kvm1").backend ==
        "none");
  CHECK(judge(host("", "", ""), "kvm1").backend == "none");
}

TEST_CASE("a host that may not be asked is not taken for an open one") {
  CHECK(code_of(host("b false", "Operation not permitted", "Permission denied", "1000")) == "NO_PERMISSION on kvm1");
  CHECK(code_of(host("runs without busctl", empty, "")) == "NO_PROGRAM on kvm1");
}
