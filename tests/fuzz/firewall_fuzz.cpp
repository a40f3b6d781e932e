// What the firewalls of a host print: rulesets of nft, rules of iptables, answers of firewalld. A host may say
// anything; drover answers or refuses, and nothing that it then writes holds a command that the host has chosen.
#include <algorithm>

#include "bindings/firewall/detect.h"
#include "bindings/firewall/firewalld.h"
#include "bindings/firewall/iptables.h"
#include "bindings/firewall/nft_ruleset.h"
#include "host/base/text.h"
#include "tests/fuzz/fuzz.h"

using namespace drover;
using namespace drover::firewall;
using fuzz::expect;

namespace {

bool is_one_of(const std::string& word, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(), [&word](const char* one) { return word == one; });
}

// [nftables src/scanner.l]
bool is_identifier(const std::string& name) {
  const std::string letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.", more = "0123456789/-";
  return !name.empty() && letters.find(name[0]) != letters.npos && name.find_first_not_of(letters + more) == name.npos;
}

// A batch of nft: each line one command of drover's own, about objects with names that nft could have read.
void check_batch(const std::string& batch) {
  for (const std::string& line : split(std::string(trim(batch)), '\n')) {
    std::vector<std::string> words = split(line, ' ');
    expect(words.size() >= 4 && is_one_of(words[0], {"add", "insert", "delete"}), "a command changes something");
    expect(is_one_of(words[1], {"table", "chain", "set", "rule", "element"}), "a command is about an object");
    expect(is_one_of(words[2], {"ip", "ip6", "inet", "arp", "bridge", "netdev"}), "an object has a family");
    expect(is_identifier(words[3]), "a table has a name");
    expect(words[1] == "table" || (words.size() > 4 && is_identifier(words[4])), "an object has a name");
    size_t semicolon = line.find(';');
    expect(semicolon == line.npos || is_one_of(words[1], {"chain", "set"}), "one line is one command");
  }
}

// A host that answers with the bytes of the input.
class Host : public core::Machine {
 public:
  explicit Host(fuzz::Data& data) : data_(data) {}
  const std::string& name() const override { return name_; }
  bool is_local() const override { return false; }
  core::ExecResult exec(const core::ExecRequest& request, core::CancelToken&) override {
    const std::string& program = request.argv.front();
    expect(is_one_of(program, {"sh", "nft", "iptables", "ip6tables", "busctl", "ip", "getent", "date"}),
           "a known program runs");
    if (program == "sh") expect(request.argv[2].find("drover") == std::string::npos, "a script is constant");
    if (program == "nft" && !request.input.empty()) check_batch(request.input);
    core::ExecResult result;
    result.exit_code = data_.ConsumeIntegralInRange(0, 3);
    result.output = fuzz::text(data_, 2000);
    if (result.exit_code != 0) result.errors = fuzz::text(data_, 100);
    return result;
  }
  std::string read_file(const std::string&, size_t, core::CancelToken&) override { return ""; }
  void write_file(const std::string&, const std::string&, uint32_t, core::CancelToken&) override {}
  std::optional<core::FileInfo> stat_file(const std::string&, core::CancelToken&) override { return std::nullopt; }

 private:
  fuzz::Data& data_;
  std::string name_ = "host";
};

Change change_of(fuzz::Data& data) {
  Change change;
  change.kind = data.PickValueInArray({Kind::allow, Kind::service, Kind::forward, Kind::masquerade});
  change.mark = "drover run=7f";
  change.from = parse_network(data.ConsumeBool() ? "10.77.0.0/24" : "2001:db8::5");
  change.to = parse_network("10.77.0.9");
  change.first_port = change.last_port = 49152;
  change.service = data.ConsumeBool() ? "http" : fuzz::text(data, 8);
  if (data.ConsumeBool()) change.zone = fuzz::text(data, 8);
  if (data.ConsumeBool()) change.interface_name = fuzz::text(data, 8);
  change.timeout_s = data.ConsumeBool() ? 60 : 0;
  return change;
}

void use_backend(fuzz::Data& data) {
  core::CancelToken token;
  Change change = change_of(data);
  if (!fuzz::answers([&] { validate(change); })) return;
  for (const std::string& word : {change.zone, change.interface_name}) {
    expect(word.empty() || word[0] != '-', "a name is no option");
  }
  auto backend =
      make_backend(data.PickValueInArray({"firewalld", "nftables", "iptables", "none"}), std::make_shared<Host>(data));
  fuzz::answers([&] { backend->apply(change, token); });
  fuzz::answers([&] { backend->probe(change, token); });
  fuzz::answers([&] { backend->describe(change, token); });
  fuzz::answers([&] { backend->revoke(change, token); });
  fuzz::answers([&] { backend->list(token); });
  fuzz::answers([&] { backend->remove_marked(change.mark, token); });
  fuzz::answers([&] { backend->zones(token); });
}

void read_ruleset_of(const std::string& text) {
  NftRuleset ruleset;
  if (!fuzz::answers([&] { ruleset = parse_nft_ruleset(text); })) return;
  for (bool ipv6 : {false, true}) {
    for (const NftChain& chain : ruleset.filtering_chains("input", ipv6)) ruleset.rules_of(chain.place());
  }
  for (const NftSet& set : ruleset.sets) {
    for (const Json& element : set.elements) element_text(element);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  fuzz::Data data(bytes, size);
  switch (data.ConsumeIntegralInRange(0, 3)) {
    case 0:
      use_backend(data);
      break;
    case 1:
      fuzz::answers([text = data.ConsumeRemainingBytesAsString()] { judge(text, "host"); });
      break;
    case 2:
      read_ruleset_of(data.ConsumeRemainingBytesAsString());
      break;
    default:
      std::string text = data.ConsumeRemainingBytesAsString();
      for (const std::string& line : split(text, '\n')) iptables_words(line);
      iptables_filters(text, "INPUT");
      rich_rule_priority(text);
      parse_network(text);
  }
  return 0;
}
