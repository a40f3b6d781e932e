#include "bindings/host/facts.h"

#include <chrono>
#include <cstdlib>

#include "host/base/text.h"

namespace drover::host {

namespace {

// One "name=value" a line. Programs that are not there print nothing. date's %N is GNU's; others get whole seconds.
constexpr const char* facts_script = R"sh(
export LC_ALL=C
clock() { n=$(date +%s%N 2>/dev/null); case $n in *N|'') n=$(date +%s)000000000;; esac; printf '%s=%s\n' "$1" "$n"; }
first() { printf '%s=' "$1"; shift; "$@" 2>/dev/null </dev/null | head -n 1; printf '\n'; }
brief() { if command -v timeout >/dev/null 2>&1; then timeout 2 "$@"; else "$@"; fi; }
clock clock_begin_ns
printf 'name=%s\n' "$(uname -n)"
first fqdn brief hostname -f
printf 'kernel=%s\narchitecture=%s\nuser_id=%s\n' "$(uname -r)" "$(uname -m)" "$(id -u)"
first user id -un
first cpu_count getconf _NPROCESSORS_ONLN
first boot_id cat /proc/sys/kernel/random/boot_id
first machine_id cat /etc/machine-id
first uptime cat /proc/uptime
sed -n 's/^\(ID\|VERSION_ID\|NAME\|PRETTY_NAME\|ID_LIKE\)=/os_&/p' /etc/os-release 2>/dev/null
sed -n 's/^\(MemTotal\|MemAvailable\|SwapTotal\|SwapFree\): *\([0-9]*\) kB$/memory_\1=\2/p' /proc/meminfo 2>/dev/null
first links ip -j addr show
for p in libvirtd virtqemud; do command -v $p >/dev/null 2>&1 && { first libvirt brief $p --version; break; }; done
for p in "qemu-system-$(uname -m)" /usr/libexec/qemu-kvm qemu-kvm; do
  command -v "$p" >/dev/null 2>&1 && { first qemu brief "$p" --version; break; }
done
for p in virsh virt-ssh-helper nc socat qemu-img nft iptables ip6tables firewall-cmd busctl systemctl rsync zstd nbdcopy \
  qemu-nbd python3 curl; do
  w=$(command -v $p 2>/dev/null) && printf 'program_%s=%s\n' $p "$w"
done
[ -r /sys/fs/selinux/enforce ] && first selinux cat /sys/fs/selinux/enforce
clock clock_end_ns
)sh";

using Lines = std::map<std::string, std::string>;

Lines read_lines(const std::string& output) {
  Lines lines;
  for (const std::string& line : split(output, '\n')) {
    size_t equals = line.find('=');
    if (equals == std::string::npos || equals + 1 == line.size()) continue;
    lines.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return lines;
}

void copy_text(const Lines& lines, const char* from, Json& into, const char* to) {
  auto found = lines.find(from);
  if (found != lines.end()) into[to] = found->second;
}

bool read_integer(const Lines& lines, const char* from, int64_t& value) {
  auto found = lines.find(from);
  if (found == lines.end()) return false;
  char* end = nullptr;
  value = std::strtoll(found->second.c_str(), &end, 10);
  return end != found->second.c_str();
}

void copy_integer(const Lines& lines, const char* from, Json& into, const char* to, int64_t factor = 1) {
  int64_t value = 0;
  if (read_integer(lines, from, value)) into[to] = value * factor;
}

// Values of os-release(5) may be quoted as in a shell.
std::string unquoted(const std::string& value) {
  if (value.size() < 2 || (value.front() != '"' && value.front() != '\'') || value.back() != value.front())
    return value;
  std::string text;
  for (size_t i = 1; i + 1 < value.size(); ++i) {
    if (value[i] == '\\' && i + 2 < value.size()) ++i;
    text += value[i];
  }
  return text;
}

Json read_distribution(const Lines& lines) {
  Json distribution = Json::object();
  const std::pair<const char*, const char*> fields[] = {
      {"os_ID", "id"}, {"os_VERSION_ID", "version"}, {"os_PRETTY_NAME", "name"}, {"os_ID_LIKE", "like"}};
  for (const auto& [from, to] : fields) {
    auto found = lines.find(from);
    if (found != lines.end()) distribution[to] = unquoted(found->second);
  }
  if (!distribution.contains("name") && lines.count("os_NAME") > 0) {
    distribution["name"] = unquoted(lines.at("os_NAME"));
  }
  return distribution;
}

// `ip -j addr show`: a list of links, each with addr_info. Fields that are not known are passed over.
Json read_addresses(const std::string& text) {
  Json addresses = Json::array();
  Json links = Json::parse(text, nullptr, false);
  if (!links.is_array()) return addresses;
  for (const Json& link : links) {
    if (!link.is_object() || !link.contains("addr_info") || !link["addr_info"].is_array()) continue;
    for (const Json& info : link["addr_info"]) {
      if (!info.is_object() || !info.contains("local")) continue;
      Json address = Json::object();
      address["interface"] = link.value("ifname", "");
      address["family"] = info.value("family", "") == "inet6" ? "ipv6" : "ipv4";
      address["address"] = info.value("local", "");
      address["prefix"] = info.value("prefixlen", 0);
      address["scope"] = info.value("scope", "");
      address["up"] = link.value("operstate", "") != "DOWN";
      addresses.push_back(std::move(address));
    }
  }
  return addresses;
}

Json read_memory(const Lines& lines) {
  Json memory = Json::object();
  copy_integer(lines, "memory_MemTotal", memory, "total_bytes", 1024);
  copy_integer(lines, "memory_MemAvailable", memory, "available_bytes", 1024);
  int64_t total = 0, free = 0;
  if (read_integer(lines, "memory_SwapTotal", total) && read_integer(lines, "memory_SwapFree", free)) {
    memory["swap_total_bytes"] = total * 1024;
    memory["swap_used_bytes"] = (total - free) * 1024;
  }
  return memory;
}

// As NTP does it: what is left of the round trip after the script's own time is taken as equal on both ways.
void add_clock(const Lines& lines, const ClockReading& drover_clock, Json& facts) {
  int64_t begin = 0, end = 0;
  if (!read_integer(lines, "clock_begin_ns", begin) || !read_integer(lines, "clock_end_ns", end)) return;
  int64_t travel = std::max<int64_t>(0, (drover_clock.answered_ns - drover_clock.asked_ns) - (end - begin));
  int64_t expected = drover_clock.asked_ns + travel / 2;
  facts["clock_ms"] = end / 1000000;
  facts["clock_skew_ms"] = (begin - expected) / 1000000;
  facts["round_trip_ms"] = travel / 1000000;
}

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::string version_in(const std::string& text) {
  for (size_t at = 0; at < text.size(); ++at) {
    bool starts_number = isdigit(static_cast<unsigned char>(text[at])) != 0 &&
                         (at == 0 || text[at - 1] == ' ' || text[at - 1] == '(' || text[at - 1] == 'v');
    if (!starts_number) continue;
    size_t end = text.find_first_not_of("0123456789.", at);
    return text.substr(at, end == std::string::npos ? end : end - at);
  }
  return "";
}

Json parse_facts(const std::string& output, const ClockReading& drover_clock) {
  Lines lines = read_lines(output);
  Json facts = Json::object();
  for (const char* name : {"name", "fqdn", "kernel", "architecture", "boot_id", "machine_id", "user"}) {
    copy_text(lines, name, facts, name);
  }
  copy_integer(lines, "user_id", facts, "user_id");
  copy_integer(lines, "cpu_count", facts, "cpu_count");
  copy_integer(lines, "uptime", facts, "uptime_s");
  facts["distribution"] = read_distribution(lines);
  for (const auto& [from, to] : {std::pair{"libvirt", "libvirt_version"}, std::pair{"qemu", "qemu_version"}}) {
    std::string version = lines.count(from) > 0 ? version_in(lines.at(from)) : "";
    if (!version.empty()) facts[to] = version;
  }
  facts["memory"] = read_memory(lines);
  facts["addresses"] = read_addresses(lines.count("links") > 0 ? lines.at("links") : "");
  facts["programs"] = Json::object();
  for (const auto& [name, value] : lines) {
    if (name.rfind("program_", 0) == 0) facts["programs"][name.substr(8)] = value;
  }
  if (lines.count("selinux") > 0) facts["selinux"] = lines.at("selinux") == "1" ? "enforcing" : "permissive";
  add_clock(lines, drover_clock, facts);
  return facts;
}

Json gather_facts(core::Machine& machine, core::CancelToken& token) {
  core::ExecRequest request;
  request.argv = {"sh", "-c", facts_script, "drover"};
  request.timeout_ms = 30000;
  ClockReading clock;
  clock.asked_ns = now_ns();
  core::ExecResult result = machine.exec(request, token);
  clock.answered_ns = now_ns();
  Json facts = parse_facts(result.output, clock);
  if (!facts.contains("kernel")) {
    throw Error("host", "COMMAND_FAILED", "the script that gathers facts printed nothing usable")
        .on_host(machine.name())
        .with_native("exit code " + std::to_string(result.exit_code) + "; " + result.errors);
  }
  return facts;
}

}  // namespace drover::host
