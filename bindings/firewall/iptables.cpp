#include "bindings/firewall/iptables.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <set>

#include "host/base/text.h"

namespace drover::firewall {

namespace {

using Words = std::vector<std::string>;

constexpr const char* lock_wait_s = "10";
constexpr int most_copies = 100;  // of one rule: a bound for loops that remove until none is left

const char* program(bool ipv6) { return ipv6 ? "ip6tables" : "iptables"; }

Words with_comment(Words matches, const std::string& comment, const Words& target) {
  matches.insert(matches.end(), {"-m", "comment", "--comment", comment});
  matches.insert(matches.end(), target.begin(), target.end());
  return matches;
}

Words source_match(const Change& change) {
  if (!change.from) return {};
  return {"-s", change.from->text()};
}

std::string value_after(const Words& words, const std::string& option) {
  auto found = std::find(words.begin(), words.end(), option);
  return found == words.end() || found + 1 == words.end() ? "" : *(found + 1);
}

// A comment of ours has the word drover in it only when the caller chose so; what list() knows is the mark's shape.
bool looks_like_ours(const std::string& comment) { return comment.rfind("drover ", 0) == 0; }

}  // namespace

Words iptables_words(const std::string& line) {
  Words words;
  std::string word;
  bool quoted = false, any = false;
  for (size_t i = 0; i < line.size(); ++i) {
    char c = line[i];
    if (c == '\\' && quoted && i + 1 < line.size()) {
      word += line[++i];
    } else if (c == '"') {
      quoted = !quoted;
      any = true;
    } else if (c == ' ' && !quoted) {
      if (any) words.push_back(word);
      word.clear();
      any = false;
    } else {
      word += c;
      any = true;
    }
  }
  if (any) words.push_back(word);
  return words;
}

bool iptables_filters(const std::string& listing, const std::string& chain) {
  std::vector<Words> lines;
  for (const std::string& line : split(listing, '\n')) lines.push_back(iptables_words(line));
  std::set<std::string> open{chain}, seen;
  while (!open.empty()) {
    std::string name = *open.begin();
    open.erase(open.begin());
    if (!seen.insert(name).second) continue;
    for (const Words& words : lines) {
      if (words.size() < 3 || words[1] != name) continue;
      if (words[0] == "-P" && words[2] == "DROP") return true;
      std::string target = value_after(words, "-j");
      if (target.empty()) target = value_after(words, "-g");
      if (target == "DROP" || target == "REJECT") return true;
      if (!target.empty()) open.insert(target);
    }
  }
  return false;
}

Words Iptables::Rule::argv(const std::string& command) const {
  Words words{program, "-w", lock_wait_s, "-t", table, command, chain};
  words.insert(words.end(), matches.begin(), matches.end());
  return words;
}

Iptables::Rule Iptables::Rule::until(const std::string& time) const {
  Rule timed = *this;
  auto comment = std::find(timed.matches.begin(), timed.matches.end(), "comment") - 1;
  timed.matches.insert(comment, {"-m", "time", "--datestop", time});
  return timed;
}

std::vector<Iptables::Rule> Iptables::accept_rules(const Change& change, bool ipv6, core::CancelToken& token) const {
  std::vector<std::pair<std::string, std::string>> ports;
  if (change.kind == Kind::allow) {
    ports.emplace_back(change.protocol, change.port_text(':'));
  } else {
    for (const auto& [protocol, port] : service_ports(change.service, token)) {
      ports.emplace_back(protocol, std::to_string(port));
    }
  }
  std::vector<Rule> rules;
  for (const auto& [protocol, port] : ports) {
    Words matches = source_match(change);
    matches.insert(matches.end(), {"-p", protocol, "--dport", port});
    rules.push_back({program(ipv6), "filter", "INPUT", with_comment(matches, change.mark, {"-j", "ACCEPT"})});
  }
  return rules;
}

std::vector<Iptables::Rule> Iptables::rules_for(const Change& change, core::CancelToken& token) const {
  if (change.kind == Kind::allow || change.kind == Kind::service) {
    std::vector<Rule> rules;
    for (bool ipv6 : {false, true}) {
      if (change.from && change.from->is_ipv6 != ipv6) continue;
      for (Rule& rule : accept_rules(change, ipv6, token)) rules.push_back(std::move(rule));
    }
    return rules;
  }
  const char* tool = program(change.is_ipv6());
  Words matches = source_match(change);
  if (change.kind == Kind::masquerade) {
    if (!change.interface_name.empty()) matches.insert(matches.end(), {"-o", change.interface_name});
    return {{tool, "nat", "POSTROUTING", with_comment(matches, change.mark, {"-j", "MASQUERADE"})}};
  }
  std::string target = change.to->text();
  std::string port = change.to_port == 0 ? change.port_text(':') : std::to_string(change.to_port);
  std::string destination = change.to_port == 0 ? target
                            : change.is_ipv6()  ? "[" + target + "]:" + port
                                                : target + ":" + port;
  matches.insert(matches.end(), {"-p", change.protocol, "--dport", change.port_text(':')});
  Words passing{"-d", target, "-p", change.protocol, "--dport", port, "-m", "conntrack", "--ctstate", "DNAT"};
  std::string comment = forward_comment(change);
  // The way through first: the translation must not send packets where they are dropped.
  return {{tool, "filter", "FORWARD", with_comment(passing, comment, {"-j", "ACCEPT"})},
          {tool, "nat", "PREROUTING", with_comment(matches, comment, {"-j", "DNAT", "--to-destination", destination})}};
}

bool Iptables::exists(const Rule& rule, core::CancelToken& token) const {
  core::ExecResult result = run(rule.argv("-C"), "", token);
  // 1: no such rule (iptables(8)); 2 and above: the question itself was wrong, or there is no right to ask.
  if (result.exit_code > 1 || result.errors.find("ermission denied") != std::string::npos) fail(result, rule.program);
  return result.exit_code == 0;
}

// The forms in which a rule of ours is there: until some time, or without one. What was asked for does not tell which.
std::vector<Iptables::Rule> Iptables::written_as(const Rule& rule, core::CancelToken& token) const {
  core::ExecResult listing = run({rule.program, "-w", lock_wait_s, "-t", rule.table, "-S", rule.chain}, "", token);
  if (listing.exit_code != 0) fail(listing, rule.program);
  std::string comment = value_after(rule.matches, "--comment");
  std::set<std::string> times;
  for (const std::string& line : split(listing.output, '\n')) {
    Words words = iptables_words(line);
    if (value_after(words, "--comment") == comment) times.insert(value_after(words, "--datestop"));
  }
  std::vector<Rule> found;
  for (const std::string& time : times) {
    Rule form = time.empty() ? rule : rule.until(time);
    if (exists(form, token)) found.push_back(std::move(form));
  }
  return found;
}

bool Iptables::remove(const Rule& rule, core::CancelToken& token) const {
  int copies = 0;
  for (; copies < most_copies && exists(rule, token); ++copies) run_checked(rule.argv("-D"), "", token);
  return copies > 0;
}

// By the host's own clock, which the kernel compares with.
std::string Iptables::time_after(int64_t seconds, core::CancelToken& token) const {
  std::string now(trim(run_checked({"date", "-u", "+%s"}, "", token).output));
  time_t at = 0;
  auto [end, problem] = std::from_chars(now.data(), now.data() + now.size(), at);
  constexpr time_t last = 253402300799;  // of the year 9999
  if (problem != std::errc() || end != now.data() + now.size() || at < 0 || at > last) {
    throw Error("firewall", "FIREWALL_FAILED", "date says no time").on_host(machine_->name()).with_native(now);
  }
  at += seconds;
  tm fields{};
  char text[sizeof "2027-01-15T08:00:00"];
  if (gmtime_r(&at, &fields) == nullptr || strftime(text, sizeof text, "%FT%T", &fields) == 0) {
    throw Error("firewall", "FIREWALL_FAILED", "date says an impossible time").on_host(machine_->name());
  }
  return text;
}

// Asks for a rule that is not there: what knows no such match says so. A kernel without it gets a warning only.
bool Iptables::can_expire(core::CancelToken& token) {
  core::ExecResult result = run({"iptables", "-w", lock_wait_s, "-C", "INPUT", "-m", "time", "--datestop",
                                 "2000-01-01T00:00:00", "-m", "comment", "--comment", "drover asks", "-j", "ACCEPT"},
                                "", token);
  if (result.errors.find("ermission denied") != std::string::npos) fail(result, "iptables");
  return result.exit_code <= 1 && result.errors.find("missing kernel module") == std::string::npos;
}

Applied Iptables::apply(const Change& change, core::CancelToken& token) {
  refuse_permanent(change);
  Applied applied;
  applied.expires = change.timeout_s != 0;
  std::string time = applied.expires ? time_after(change.timeout_s, token) : "";
  Words texts;
  for (const Rule& rule : rules_for(change, token)) {
    std::vector<Rule> before = written_as(rule, token);
    auto is_there = [&](const Rule& one) {
      return std::any_of(before.begin(), before.end(), [&](const Rule& old) { return old.matches == one.matches; });
    };
    Rule wanted = time.empty() ? rule : rule.until(time);
    if (!is_there(wanted) && run(wanted.argv("-I"), "", token).exit_code != 0) {
      wanted = rule;
      applied.expires = false;
      if (!is_there(wanted)) run_checked(wanted.argv("-I"), "", token);
    }
    for (const Rule& old : before) {
      if (old.matches != wanted.matches) remove(old, token);
    }
    texts.push_back(join(wanted.argv("-I"), " "));
  }
  applied.rule = join(texts, "\n");
  return applied;
}

Words Iptables::describe(const Change& change, core::CancelToken& token) {
  bool expires = change.timeout_s != 0 && can_expire(token);
  std::string time = expires ? time_after(change.timeout_s, token) : "";
  Words texts;
  for (const Rule& rule : rules_for(change, token)) {
    if (!written_as(rule, token).empty()) continue;
    texts.push_back(join((expires ? rule.until(time) : rule).argv("-I"), " "));
  }
  return texts;
}

Presence Iptables::probe(const Change& change, core::CancelToken& token) {
  std::vector<Rule> rules = rules_for(change, token);
  for (const Rule& rule : rules) {
    if (!written_as(rule, token).empty()) return Presence::ours;
  }
  for (Rule rule : rules) {
    auto comment = std::find(rule.matches.begin(), rule.matches.end(), "comment") - 1;
    rule.matches.erase(comment, comment + 4);  // -m comment --comment MARK
    if (exists(rule, token)) return Presence::present;
  }
  return Presence::absent;
}

Removed Iptables::revoke(const Change& change, core::CancelToken& token) {
  Removed removed;
  std::vector<Rule> rules = rules_for(change, token);
  std::reverse(rules.begin(), rules.end());
  for (const Rule& rule : rules) {
    for (const Rule& form : written_as(rule, token)) removed.removed |= remove(form, token);
  }
  return removed;
}

std::vector<Iptables::Written> Iptables::read_marked(const std::string& mark, core::CancelToken& token) const {
  std::vector<Written> found;
  for (const char* tool : {"iptables", "ip6tables"}) {
    for (const char* table : {"filter", "nat"}) {
      core::ExecResult result = run({tool, "-w", lock_wait_s, "-t", table, "-S"}, "", token);
      if (result.exit_code != 0 && std::string_view(tool) == "iptables" && std::string_view(table) == "filter") {
        fail(result, tool);
      }
      for (const std::string& line : split(result.output, '\n')) {
        Words words = iptables_words(line);
        if (words.size() < 3 || words[0] != "-A") continue;
        std::string comment = value_after(words, "--comment");
        if (mark.empty() ? !looks_like_ours(comment) : !has_mark(comment, mark)) continue;
        found.push_back({{tool, table, words[1], Words(words.begin() + 2, words.end())}, comment});
      }
    }
  }
  return found;
}

std::vector<Found> Iptables::list(core::CancelToken& token) { return list_marked("", token); }

std::vector<Found> Iptables::list_marked(const std::string& mark, core::CancelToken& token) {
  std::vector<Found> found;
  for (const Written& rule : read_marked(mark, token)) {
    found.push_back({rule.comment.substr(0, rule.comment.find(" #")), join(rule.argv("-A"), " "),
                     rule.program + " " + rule.table + " " + rule.chain});
  }
  return found;
}

std::vector<Found> Iptables::remove_marked(const std::string& mark, core::CancelToken& token) {
  std::vector<Found> found = list_marked(mark, token);
  for (const Written& rule : read_marked(mark, token)) run_checked(rule.argv("-D"), "", token);
  return found;
}

}  // namespace drover::firewall
