#include "bindings/firewall/firewalld.h"

#include <algorithm>

#include "host/base/text.h"

namespace drover::firewall {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* service_name = "org.fedoraproject.FirewallD1";
constexpr const char* root_object = "/org/fedoraproject/FirewallD1";
constexpr const char* config_object = "/org/fedoraproject/FirewallD1/config";
constexpr const char* config_interface = "org.fedoraproject.FirewallD1.config";
constexpr const char* zone_interface = "org.fedoraproject.FirewallD1.zone";
constexpr const char* config_zone_interface = "org.fedoraproject.FirewallD1.config.zone";

// $1 a zone, or "" for all. One call of the daemon a zone; whether anything of ours got into the permanent
// configuration is seen in its files, because two more calls a zone would take ten times as long.
constexpr const char* rules_script = R"sh(
call() { busctl --system "$@"; }
zones=$1
[ -n "$zones" ] || zones=$(call call org.fedoraproject.FirewallD1 /org/fedoraproject/FirewallD1 \
  org.fedoraproject.FirewallD1.zone getZones | tr ' ' '\n' | sed -n 's/^"\(.*\)"$/\1/p')
[ -n "$zones" ] || exit 1
for zone in $zones; do
  rules=$(call --json=short call org.fedoraproject.FirewallD1 /org/fedoraproject/FirewallD1 \
    org.fedoraproject.FirewallD1.zone getRichRules s "$zone" 2>/dev/null) && printf '%s %s\n' "$zone" "$rules"
done
grep -l '<rule [^>]*priority="\(2[0-9]\|3[01]\)[0-9]\{3\}"' /etc/firewalld/zones/*.xml 2>/dev/null |
  sed 's,.*/\(.*\)\.xml$,permanent \1,'
exit 0
)sh";

constexpr const char* permanent_suffix = " permanent";

bool is_permanent(const Found& found) { return found.place.find(' ') != std::string::npos; }

std::string attribute(const char* name, const std::string& value) {
  return std::string(" ") + name + "=\"" + value + "\"";
}

std::vector<std::string> texts_of(const Json& value) {
  std::vector<std::string> texts;
  if (!value.is_array()) return texts;
  for (const Json& item : value) {
    if (item.is_string()) texts.push_back(item.get<std::string>());
  }
  return texts;
}

// "" for what is no text: a host may answer anything.
std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : ""; }

std::vector<std::string> texts_of(const Json& object, const char* name) {
  auto found = object.find(name);
  return found == object.end() ? std::vector<std::string>{} : texts_of(*found);
}

// busctl wants the signature in front of the arguments: all are strings but the timeout of addRichRule.
std::vector<std::string> with_signature(const std::string& method, const std::vector<std::string>& arguments) {
  if (arguments.empty()) return {};
  std::string signature(arguments.size(), 's');
  if (method == "addRichRule" && arguments.size() == 3) signature = "ssi";
  std::vector<std::string> words{signature};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

}  // namespace

std::string rich_rule(const Change& change, bool with_priority) {
  std::string rule = "rule";
  if (with_priority) rule += attribute("priority", std::to_string(mark_priority(change.mark)));
  bool has_family = change.from || change.to;
  if (has_family) rule += attribute("family", change.is_ipv6() ? "ipv6" : "ipv4");
  if (change.from) rule += " source" + attribute("address", change.from->text());
  switch (change.kind) {
    case Kind::allow:
      return rule + " port" + attribute("port", change.port_text('-')) + attribute("protocol", change.protocol) +
             " accept";
    case Kind::service:
      return rule + " service" + attribute("name", change.service) + " accept";
    case Kind::forward:
      rule += " forward-port" + attribute("port", change.port_text('-')) + attribute("protocol", change.protocol);
      if (change.to_port != 0) rule += attribute("to-port", std::to_string(change.to_port));
      return rule + attribute("to-addr", change.to->text());
    case Kind::masquerade:
      return rule + " masquerade";
  }
  return rule;
}

int rich_rule_priority(const std::string& rule) {
  constexpr std::string_view name = "rule priority=\"";
  if (rule.rfind(name, 0) != 0) return 0;
  return std::atoi(rule.c_str() + name.size());
}

namespace {

// A priority of drover's range, and one of the things that drover's rules do.
bool is_ours(const std::string& rule) {
  int priority = rich_rule_priority(rule);
  if (priority < lowest_mark_priority || priority > highest_mark_priority) return false;
  auto ends_with = [&rule](std::string_view end) {
    return rule.size() >= end.size() && rule.compare(rule.size() - end.size(), end.size(), end) == 0;
  };
  return ends_with(" accept") || ends_with(" masquerade") || rule.find(" forward-port ") != std::string::npos;
}

}  // namespace

Firewalld::Call Firewalld::call(const std::string& object, const std::string& interface_name, const std::string& method,
                                const std::vector<std::string>& arguments, core::CancelToken& token) const {
  // "--": busctl takes options from among its arguments too, and -H names a host to reach over ssh.
  std::vector<std::string> argv{"busctl",     "--system", "--json=short", "--",  "call",
                                service_name, object,     interface_name, method};
  for (std::string& word : with_signature(method, arguments)) argv.push_back(std::move(word));
  core::ExecResult result = run(argv, "", token);
  if (result.exit_code == 0) {
    Json answer = Json::parse(result.output, nullptr, false);
    Json value;
    if (answer.is_object() && answer.contains("data")) value = answer["data"];
    // A method's results are a list, of one here; older busctl prints the one itself.
    if (value.is_array() && value.size() == 1) value = Json(value[0]);
    return {"", "", std::move(value)};
  }
  // "Call failed: ALREADY_ENABLED: 'rule ...' already in 'public'"
  std::string said(trim(result.errors));
  size_t begin = said.find(": ");
  std::string text = begin == std::string::npos ? said : said.substr(begin + 2);
  std::string code = text.substr(0, text.find(':'));
  bool is_code = !code.empty() && code.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == std::string::npos;
  if (is_code) return {code, text, {}};
  if (said.find("not provided") != std::string::npos || said.find("not activatable") != std::string::npos ||
      said.find("was not provided by any") != std::string::npos) {
    return {"NOT_RUNNING", said, {}};
  }
  fail(result, "firewalld");
}

void Firewalld::refuse(const Call& failed) const {
  Error error("firewall", "FIREWALL_FAILED", "firewalld refused: " + failed.text);
  if (failed.code == "INVALID_ZONE") error.code = "NO_ZONE";
  if (failed.code == "INVALID_SERVICE") error.code = "NO_SERVICE";
  if (failed.code == "NOT_RUNNING") error.code = "NOT_RUNNING";
  if (failed.code == "NO_ZONE" || failed.code == "INVALID_ZONE") error.with_hint("the zones are listed by zones()");
  throw error.on_host(machine_->name()).with_native(failed.text);
}

Json Firewalld::ask(const std::string& object, const std::string& interface_name, const std::string& method,
                    const std::vector<std::string>& arguments, core::CancelToken& token) const {
  Call answer = call(object, interface_name, method, arguments, token);
  if (!answer.code.empty()) refuse(answer);
  return std::move(answer.value);
}

Json Firewalld::ask_zones(const std::string& method, const std::vector<std::string>& arguments,
                          core::CancelToken& token) const {
  return ask(root_object, zone_interface, method, arguments, token);
}

std::vector<Zone> Firewalld::zones(core::CancelToken& token) {
  Json standard = ask(root_object, service_name, "getDefaultZone", {}, token);
  Json active = ask_zones("getActiveZones", {}, token);
  std::vector<Zone> zones;
  for (const std::string& name : texts_of(ask_zones("getZones", {}, token))) {
    Zone zone{name, {}, {}, text_of(standard) == name};
    if (active.is_object() && active.contains(name)) {
      zone.interfaces = texts_of(active[name], "interfaces");
      zone.sources = texts_of(active[name], "sources");
    }
    zones.push_back(std::move(zone));
  }
  return zones;
}

std::string Firewalld::default_zone(core::CancelToken& token) const {
  std::string zone = text_of(ask(root_object, service_name, "getDefaultZone", {}, token));
  if (!zone.empty()) return zone;
  throw Error("firewall", "FIREWALL_FAILED", "firewalld names no default zone").on_host(machine_->name());
}

std::string Firewalld::zone_of_interface(const std::string& interface_name, core::CancelToken& token) {
  std::string zone = text_of(ask_zones("getZoneOfInterface", {interface_name}, token));
  return zone.empty() ? default_zone(token) : zone;
}

std::string Firewalld::zone_of_source(const Network& source, core::CancelToken& token) {
  // A zone that names the source wins over the zone of the interface (firewalld.zones(5)); here the narrowest one.
  Json active = ask_zones("getActiveZones", {}, token);
  std::string best;
  int best_prefix = -1;
  if (active.is_object()) {
    for (const auto& [name, zone] : active.items()) {
      for (const std::string& text : texts_of(zone, "sources")) {
        auto network = parse_network(text);  // an ipset or a MAC address is not one
        if (!network || !network->contains(source) || network->prefix <= best_prefix) continue;
        best = name;
        best_prefix = network->prefix;
      }
    }
  }
  if (!best.empty()) return best;
  std::string address = source.text().substr(0, source.text().find('/'));
  core::ExecResult route = run({"ip", "-j", "route", "get", address}, "", token);
  Json routes = Json::parse(route.output, nullptr, false);
  std::string way;
  if (routes.is_array() && !routes.empty() && routes[0].is_object()) way = text_of(routes[0].value("dev", Json()));
  return way.empty() ? default_zone(token) : zone_of_interface(way, token);
}

std::string Firewalld::zone_for(const Change& change, core::CancelToken& token) {
  if (!change.zone.empty()) return change.zone;
  if (!change.interface_name.empty()) return zone_of_interface(change.interface_name, token);
  // Masquerading is a matter of the way out: a source there is not where packets come in.
  if (change.from && change.kind != Kind::masquerade) return zone_of_source(*change.from, token);
  return default_zone(token);
}

bool Firewalld::remove_runtime(const std::string& zone, const std::string& rule, core::CancelToken& token) const {
  Call removed = call(root_object, zone_interface, "removeRichRule", {zone, rule}, token);
  if (removed.code == "NOT_ENABLED" || removed.code == "INVALID_ZONE") return false;
  if (!removed.code.empty()) refuse(removed);
  return true;
}

std::string Firewalld::permanent_object(const std::string& zone, core::CancelToken& token) const {
  Call found = call(config_object, config_interface, "getZoneByName", {zone}, token);
  return found.code.empty() ? text_of(found.value) : "";
}

bool Firewalld::remove_permanent(const std::string& zone, const std::string& rule, core::CancelToken& token) const {
  std::string object = permanent_object(zone, token);
  if (object.empty()) return false;
  Call removed = call(object, config_zone_interface, "removeRichRule", {rule}, token);
  if (removed.code == "NOT_ENABLED") return false;
  if (!removed.code.empty()) refuse(removed);
  return true;
}

Applied Firewalld::apply(const Change& change, core::CancelToken& token) {
  Applied applied;
  applied.zone = zone_for(change, token);
  applied.rule = rich_rule(change, true);
  applied.expires = change.timeout_s != 0;
  applied.already = ask_zones("queryRichRule", {applied.zone, rich_rule(change, false)}, token) == true;
  std::vector<std::string> arguments{applied.zone, applied.rule, std::to_string(change.timeout_s)};
  Call added = call(root_object, zone_interface, "addRichRule", arguments, token);
  if (added.code == "ALREADY_ENABLED") {
    // Ours, of an earlier try, with an older time: put again. The new time starts now.
    remove_runtime(applied.zone, applied.rule, token);
    added = call(root_object, zone_interface, "addRichRule", arguments, token);
  }
  if (!added.code.empty()) refuse(added);
  if (change.permanent) {
    std::string object = permanent_object(applied.zone, token);
    Call kept = call(object, config_zone_interface, "addRichRule", {applied.rule}, token);
    if (!kept.code.empty() && kept.code != "ALREADY_ENABLED") refuse(kept);
  }
  return applied;
}

std::vector<std::string> Firewalld::describe(const Change& change, core::CancelToken& token) {
  std::string command =
      "firewall-cmd --zone=" + zone_for(change, token) + " --add-rich-rule='" + rich_rule(change, true) + "'";
  std::vector<std::string> commands{command +
                                    (change.timeout_s == 0 ? "" : " --timeout=" + std::to_string(change.timeout_s))};
  if (change.permanent) commands.push_back(command + " --permanent");
  return commands;
}

std::vector<Found> Firewalld::all_rules(const std::string& zone, core::CancelToken& token) const {
  core::ExecResult result = run_checked({"sh", "-c", rules_script, "drover", zone}, "", token);
  std::vector<Found> found;
  std::vector<std::string> kept_zones;
  for (const std::string& line : split(result.output, '\n')) {
    size_t space = line.find(' ');
    if (space == std::string::npos) continue;
    std::string place = line.substr(0, space), rest = line.substr(space + 1);
    if (place == "permanent") {
      kept_zones.push_back(rest);
      continue;
    }
    Json answer = Json::parse(rest, nullptr, false);
    if (!answer.is_object() || !answer.contains("data") || !answer["data"].is_array() || answer["data"].empty())
      continue;
    for (const std::string& rule : texts_of(answer["data"][0])) found.push_back({"", rule, place});
  }
  for (const std::string& kept : kept_zones) {
    std::string object = permanent_object(kept, token);
    if (object.empty()) continue;
    Call rules = call(object, config_zone_interface, "getRichRules", {}, token);
    for (const std::string& rule : texts_of(rules.value)) found.push_back({"", rule, kept + permanent_suffix});
  }
  return found;
}

Presence Firewalld::probe(const Change& change, core::CancelToken& token) {
  Presence presence = Presence::absent;
  for (const Found& one : all_rules(change.zone, token)) {
    if (one.rule == rich_rule(change, true)) return Presence::ours;
    if (one.rule == rich_rule(change, false)) presence = Presence::present;
  }
  return presence;
}

Removed Firewalld::revoke(const Change& change, core::CancelToken& token) {
  Removed removed;
  for (const Found& one : all_rules(change.zone, token)) {
    if (one.rule != rich_rule(change, true)) continue;
    bool went = remove(one, token);
    (is_permanent(one) ? removed.permanent_removed : removed.removed) |= went;
  }
  return removed;
}

bool Firewalld::remove(const Found& found, core::CancelToken& token) const {
  if (!is_permanent(found)) return remove_runtime(found.place, found.rule, token);
  return remove_permanent(found.place.substr(0, found.place.find(' ')), found.rule, token);
}

std::vector<Found> Firewalld::list(core::CancelToken& token) {
  std::vector<Found> found = all_rules("", token);
  std::erase_if(found, [](const Found& one) { return !is_ours(one.rule); });
  return found;
}

std::vector<Found> Firewalld::list_marked(const std::string& mark, core::CancelToken& token) {
  std::vector<Found> found = all_rules("", token);
  std::erase_if(found, [&mark](const Found& one) {
    return !is_ours(one.rule) || rich_rule_priority(one.rule) != mark_priority(mark);
  });
  for (Found& one : found) one.mark = mark;
  return found;
}

std::vector<Found> Firewalld::remove_marked(const std::string& mark, core::CancelToken& token) {
  std::vector<Found> found = list_marked(mark, token);
  for (const Found& one : found) remove(one, token);
  return found;
}

void Firewalld::reload(core::CancelToken& token) { ask(root_object, service_name, "reload", {}, token); }

}  // namespace drover::firewall
