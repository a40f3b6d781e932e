// Shows how the output of the facts script is read, with outputs of real machines, and of one that lacks things.
#include "bindings/host/facts.h"

#include <catch2/catch.hpp>

using namespace drover::host;

namespace {

constexpr const char* debian = R"text(clock_begin_ns=1000000000000
name=kvm1
fqdn=kvm1.example.org
kernel=6.1.0-18-amd64
architecture=x86_64
user_id=0
user=root
cpu_count=8
boot_id=d78f9ec6-93ff-47c5-8783-b6ed5d5ff0cc
uptime=2135.11 4100.00
os_PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
os_NAME="Debian GNU/Linux"
os_VERSION_ID="12"
os_ID=debian
memory_MemTotal=1024000
memory_MemAvailable=512000
memory_SwapTotal=2048
memory_SwapFree=1024
links=[{"ifindex":1,"ifname":"lo","operstate":"UNKNOWN","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host"}]},{"ifname":"eth0","operstate":"UP","new_field":{},"addr_info":[{"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link"},{}]},{}]
libvirt=libvirtd (libvirt) 9.0.0
qemu=QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b2)
program_nft=/usr/sbin/nft
program_virt-ssh-helper=/usr/bin/virt-ssh-helper
clock_end_ns=1000100000000
)text";

}  // namespace

TEST_CASE("facts of a Debian machine are read") {
  // Asked at 995 s by drover's clock; 110 ms on the way, 100 ms of them in the script.
  Json facts = parse_facts(debian, {995000000000, 995110000000});
  CHECK(facts["name"] == "kvm1");
  CHECK(facts["fqdn"] == "kvm1.example.org");
  CHECK(facts["distribution"]["id"] == "debian");
  CHECK(facts["distribution"]["version"] == "12");
  CHECK(facts["distribution"]["name"] == "Debian GNU/Linux 12 (bookworm)");
  CHECK(facts["cpu_count"] == 8);
  CHECK(facts["uptime_s"] == 2135);
  CHECK(facts["libvirt_version"] == "9.0.0");
  CHECK(facts["qemu_version"] == "7.2.22");
  CHECK(facts["memory"]["total_bytes"] == 1024000LL * 1024);
  CHECK(facts["memory"]["swap_used_bytes"] == 1024 * 1024);
  CHECK(facts["programs"]["virt-ssh-helper"] == "/usr/bin/virt-ssh-helper");
  REQUIRE(facts["addresses"].size() == 2);
  CHECK(facts["addresses"][1]["family"] == "ipv6");
  CHECK(facts["addresses"][0]["scope"] == "host");
}

TEST_CASE("clock skew does not count the time on the way") {
  Json facts = parse_facts(debian, {995000000000, 995110000000});
  CHECK(facts["round_trip_ms"] == 10);
  CHECK(facts["clock_skew_ms"] == 4995);
  facts = parse_facts(debian, {1060000000000, 1060100000000});
  CHECK(facts["clock_skew_ms"] == -60000);
}

TEST_CASE("what a machine lacks is absent and no error") {
  Json facts = parse_facts("kernel=5.4\nfqdn=\nlinks=not json\n", {0, 0});
  CHECK_FALSE(facts.contains("fqdn"));
  CHECK_FALSE(facts.contains("libvirt_version"));
  CHECK_FALSE(facts.contains("clock_skew_ms"));
  CHECK(facts["addresses"].empty());
  CHECK(facts["memory"].empty());
}

TEST_CASE("a version is found in what programs print of themselves") {
  CHECK(version_in("virtqemud (libvirt) 10.5.0") == "10.5.0");
  CHECK(version_in("nftables v1.0.6 (Lester Gooch #5)") == "1.0.6");
  CHECK(version_in("QEMU emulator version 8.2.0 (qemu-kvm-8.2.0-11.el9)") == "8.2.0");
  CHECK(version_in("none").empty());
}
