#include "bindings/firewall/detect.h"

#include <map>

#include "bindings/firewall/firewalld.h"
#include "bindings/firewall/iptables.h"
#include "bindings/firewall/nftables.h"
#include "host/base/text.h"

namespace drover::firewall {

namespace {

// Sections, each after a line "@@NAME". NameHasOwner does not start firewalld, a call of its own interface would.
constexpr const char* detect_script = R"sh(
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
has() { command -v "$1" >/dev/null 2>&1; }
echo @@user; id -u
echo @@firewalld
if has busctl; then
  busctl --system call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus NameHasOwner s \
    org.fedoraproject.FirewallD1 2>&1
elif has firewalld && has pgrep && pgrep -x firewalld >/dev/null; then echo "runs without busctl"
fi
echo @@nft; has nft && nft -j list ruleset 2>&1
echo @@iptables-version; has iptables && iptables --version 2>&1
for tool in iptables ip6tables; do
  echo "@@$tool"; has $tool && $tool -w 10 -S 2>&1
done
echo @@end
)sh";

constexpr const char* ruleset_script = R"sh(
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
command -v nft >/dev/null 2>&1 && { echo "# nft"; nft -s list ruleset 2>/dev/null; }
# Those of iptables-nft are in nftables too, but without their comments; those of iptables-legacy are here only.
for tool in iptables-save ip6tables-save; do
  command -v $tool >/dev/null 2>&1 || continue
  echo "# $tool"; $tool 2>/dev/null | sed -e '/^#/d' -e 's/^\(:[^ ]* [^ ]*\) \[[0-9:]*\]$/\1/'
done
for zone in /etc/firewalld/zones/*.xml; do
  [ -f "$zone" ] && { echo "# $zone"; cat "$zone"; }
done
exit 0
)sh";

using Sections = std::map<std::string, std::string>;

Sections read_sections(const std::string& output) {
  Sections sections;
  std::string* current = nullptr;
  for (const std::string& line : split(output, '\n')) {
    if (line.rfind("@@", 0) == 0) {
      current = &sections[line.substr(2)];
    } else if (current != nullptr) {
      *current += line + "\n";
    }
  }
  return sections;
}

core::ExecResult run_script(core::Machine& machine, const char* script, core::CancelToken& token) {
  core::ExecRequest request;
  request.argv = {"sh", "-c", script, "drover"};
  request.timeout_ms = 30000;
  return machine.exec(request, token);
}

struct NftVerdict {
  std::string native;    // the chains that filter, "inet filter input, ..."
  std::string iptables;  // the same of iptables' own tables
};

NftVerdict judge_nft(const std::string& text) {
  NftVerdict verdict;
  if (trim(text).empty() || trim(text).front() != '{') return verdict;
  NftRuleset ruleset = parse_nft_ruleset(text);
  for (bool ipv6 : {false, true}) {
    for (const NftChain& chain : ruleset.filtering_chains("input", ipv6)) {
      if (chain.table == "firewalld") continue;
      std::string& list = is_iptables_chain(chain) ? verdict.iptables : verdict.native;
      if (list.find(chain.place()) == std::string::npos) list += (list.empty() ? "" : ", ") + chain.place();
    }
  }
  return verdict;
}

}  // namespace

Evidence judge(const std::string& output, const std::string& host) {
  Sections sections = read_sections(output);
  bool firewalld = sections["firewalld"].find("b true") != std::string::npos;
  if (sections["firewalld"].find("runs without busctl") != std::string::npos) {
    throw Error("firewall", "NO_PROGRAM", "firewalld runs there, and there is no busctl to speak to it")
        .on_host(host)
        .with_hint("install systemd's busctl on " + host);
  }
  bool is_root = trim(sections["user"]) == "0";
  if (!is_root && !firewalld) {
    throw Error("firewall", "NO_PERMISSION", "only root may read the firewall")
        .on_host(host)
        .with_hint("log in as root on " + host);
  }
  NftVerdict nft = judge_nft(sections["nft"]);
  // A host with native rules under iptables' names and no iptables program: nft is all there is to work with.
  bool has_iptables = !trim(sections["iptables-version"]).empty();
  if (!has_iptables && !nft.iptables.empty()) nft.native += (nft.native.empty() ? "" : ", ") + nft.iptables;
  std::string iptables;
  for (const char* tool : {"iptables", "ip6tables"}) {
    if (iptables_filters(sections[tool], "INPUT")) iptables += (iptables.empty() ? "" : ", ") + std::string(tool);
  }

  Evidence evidence;
  auto choose = [&evidence](const std::string& backend, bool applies, const std::string& why) {
    if (!applies) return;
    if (evidence.backend.empty()) {
      evidence.backend = backend;
      evidence.why = why;
    } else {
      evidence.others.push_back(backend + ": " + why);
    }
  };
  choose("firewalld", firewalld, "firewalld owns its name on the system bus");
  choose("nftables", !nft.native.empty(), "chains of nftables that filter input: " + nft.native);
  choose("iptables", !iptables.empty(), "INPUT filters in " + iptables);
  choose("none", evidence.backend.empty(), "no rule on this host filters input");
  return evidence;
}

Evidence detect(core::Machine& machine, core::CancelToken& token) {
  core::ExecResult result = run_script(machine, detect_script, token);
  if (result.output.find("@@end") == std::string::npos) {
    throw Error("firewall", "FIREWALL_FAILED", "cannot find out which firewall runs there")
        .on_host(machine.name())
        .with_native("exit code " + std::to_string(result.exit_code) + "; " + result.errors);
  }
  return judge(result.output, machine.name());
}

namespace {

// Nothing filters, so nothing has to be opened; address translation is nftables' work all the same.
class NoFirewall : public Nftables {
 public:
  using Nftables::Nftables;

  const char* name() const override { return "none"; }

  Applied apply(const Change& change, core::CancelToken& token) override {
    if (translates(change)) return Nftables::apply(change, token);
    Applied applied;
    applied.already = true;
    return applied;
  }
  Presence probe(const Change& change, core::CancelToken& token) override {
    return translates(change) ? Nftables::probe(change, token) : Presence::absent;
  }
  Removed revoke(const Change& change, core::CancelToken& token) override {
    return translates(change) ? Nftables::revoke(change, token) : Removed{};
  }
  std::vector<std::string> describe(const Change& change, core::CancelToken& token) override {
    return translates(change) ? Nftables::describe(change, token) : std::vector<std::string>{};
  }

 private:
  static bool translates(const Change& change) {
    return change.kind == Kind::forward || change.kind == Kind::masquerade;
  }
};

}  // namespace

std::shared_ptr<Backend> make_backend(const std::string& name, std::shared_ptr<core::Machine> machine) {
  if (name == "firewalld") return std::make_shared<Firewalld>(std::move(machine));
  if (name == "nftables") return std::make_shared<Nftables>(std::move(machine));
  if (name == "iptables") return std::make_shared<Iptables>(std::move(machine));
  if (name == "none") return std::make_shared<NoFirewall>(std::move(machine));
  throw Error("usage", "BAD_ARGUMENT", "firewall: no backend '" + name + "'")
      .with_hint("firewalld, nftables, iptables or none");
}

std::string read_ruleset(core::Machine& machine, core::CancelToken& token) {
  core::ExecResult result = run_script(machine, ruleset_script, token);
  if (result.exit_code != 0) {
    throw Error("firewall", "FIREWALL_FAILED", "cannot read the ruleset")
        .on_host(machine.name())
        .with_native(result.errors);
  }
  return result.output;
}

}  // namespace drover::firewall
