#include "bindings/ssh/host_config.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "bindings/ssh/child.h"
#include "host/base/error.h"
#include "host/base/home.h"
#include "host/base/text.h"

namespace drover::ssh {

namespace {

constexpr int64_t config_timeout_ms = 10000;

[[noreturn]] void fail_target(const std::string& text, const std::string& why) {
  throw Error("ssh", "BAD_TARGET", "'" + text + "' does not name a host: " + why)
      .on_object(text)
      .with_hint("write user@name:port, [IPv6 address]:port, or an alias of ~/.ssh/config");
}

// A name goes into a ProxyCommand of the person's own, which a shell reads: OpenSSH 9.6 refuses the same letters.
bool is_safe_name(std::string_view name) {
  if (name.empty() || name.front() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char letter) {
    return letter > ' ' && letter != 0x7f &&
           std::string_view("'`\"$\\;&<>|(){}*?!,@/").find(static_cast<char>(letter)) == std::string_view::npos;
  });
}

int parse_port(const std::string& text, const std::string& digits) {
  bool number = !digits.empty() && digits.size() <= 5 && digits.find_first_not_of("0123456789") == digits.npos;
  int port = number ? std::stoi(digits) : 0;
  if (port < 1 || port > 65535) fail_target(text, "'" + digits + "' is no port");
  return port;
}

// The tokens of ssh_config(5) that a path or a command may hold.
std::string expand(const std::string& text, const HostConfig& host) {
  std::string expanded = text.rfind("~/", 0) == 0 ? home_folder() + text.substr(1) : text;
  std::string result;
  for (size_t i = 0; i < expanded.size(); ++i) {
    if (expanded[i] != '%' || i + 1 == expanded.size()) {
      result += expanded[i];
      continue;
    }
    switch (expanded[++i]) {
      case '%':
        result += '%';
        break;
      case 'd':
        result += home_folder();
        break;
      case 'h':
        result += host.host;
        break;
      case 'n':
        result += parse_target(host.target).host;
        break;
      case 'p':
        result += std::to_string(host.port);
        break;
      case 'r':
        result += host.user;
        break;
      case 'u': {
        const passwd* entry = getpwuid(getuid());
        result += entry != nullptr ? entry->pw_name : "";
        break;
      }
      default:
        result += std::string("%") + expanded[i];
    }
  }
  return result;
}

void read_line(HostConfig& host, const std::string& name, const std::string& value, std::string& alias) {
  if (name == "hostname") host.host = value;
  if (name == "port") host.port = std::atoi(value.c_str());
  if (name == "user") host.user = value;
  if (name == "identityfile") host.identity_files.push_back(value);
  if (name == "identitiesonly") host.identities_first = value == "yes";
  if (name == "identityagent") host.identity_agent = value;
  if (name == "userknownhostsfile") host.user_known_hosts = split(value, ' ');
  if (name == "globalknownhostsfile") host.global_known_hosts = split(value, ' ');
  if (name == "hostkeyalias") alias = value;
  if (name == "proxycommand" && value != "none") host.proxy_command = value;
  if (name == "proxyjump" && value != "none") host.proxy_jump = value;
  if (name == "connecttimeout" && value != "none") host.connect_timeout_ms = std::atoll(value.c_str()) * 1000;
}

std::vector<std::string> ssh_argv(const ConnectOptions& options, const Target& target) {
  std::vector<std::string> argv{"ssh", "-G", "-T"};
  auto add = [&argv](const char* option, const std::string& value) { argv.insert(argv.end(), {option, value}); };
  if (options.config) add("-F", *options.config);
  auto user = options.user ? options.user : target.user;
  auto port = options.port ? options.port : target.port;
  if (user) add("-l", *user);
  if (port) add("-p", std::to_string(*port));
  argv.insert(argv.end(), {"--", target.host});
  return argv;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return text;
}

void drop_none(std::vector<std::string>& files) {
  files.erase(std::remove_if(files.begin(), files.end(), [](auto& file) { return file.empty() || file == "none"; }),
              files.end());
}

}  // namespace

Target parse_target(const std::string& text) {
  Target target;
  std::string rest = text;
  if (size_t at = rest.rfind('@'); at != rest.npos) {
    target.user = rest.substr(0, at);
    rest = rest.substr(at + 1);
    if (!is_safe_name(*target.user)) fail_target(text, "'" + *target.user + "' is no user name");
  }
  if (!rest.empty() && rest.front() == '[') {
    size_t end = rest.find(']');
    if (end == rest.npos) fail_target(text, "the bracket is not closed");
    target.host = rest.substr(1, end - 1);
    std::string port = rest.substr(end + 1);
    if (!port.empty() && port.front() != ':') fail_target(text, "after the bracket only a port may follow");
    if (!port.empty()) target.port = parse_port(text, port.substr(1));
  } else if (std::count(rest.begin(), rest.end(), ':') == 1) {
    size_t colon = rest.find(':');
    target.host = rest.substr(0, colon);
    target.port = parse_port(text, rest.substr(colon + 1));
  } else {
    target.host = rest;  // a bare IPv6 address has many colons and no port
  }
  if (!is_safe_name(target.host)) {
    fail_target(text, target.host.empty() ? "the name is empty" : "'" + target.host + "' is no host name");
  }
  return target;
}

HostConfig read_host_config(const ConnectOptions& options) {
  Target target = parse_target(options.target);
  HostConfig host;
  host.name = options.name.value_or(options.target);
  host.target = options.target;
  host.config = options.config;
  host.connect_timeout_ms = options.connect_timeout_ms;
  ChildResult answer = run_child(ssh_argv(options, target), config_timeout_ms);
  if (answer.exit_code != 0) {
    throw Error("ssh", "BAD_CONFIG", "ssh does not accept its configuration: " + split(answer.errors, '\n').front())
        .on_host(options.target)
        .with_native(answer.errors)
        .with_hint("see: ssh -G " + target.host);
  }
  std::string alias;
  for (const std::string& line : split(answer.output, '\n')) {
    size_t space = line.find(' ');
    if (space != line.npos) read_line(host, line.substr(0, space), line.substr(space + 1), alias);
  }
  if (!host.host.empty() && host.host.front() == '[' && host.host.back() == ']') {
    host.host = host.host.substr(1, host.host.size() - 2);
  }
  if (!is_safe_name(host.host)) fail_target(options.target, "its configured name '" + host.host + "' is no host name");
  host.known_as = lower(!alias.empty()    ? alias
                        : host.port == 22 ? host.host
                                          : "[" + host.host + "]:" + std::to_string(host.port));
  if (!options.identity_files.empty()) {
    host.identity_files = options.identity_files;
    host.identities_first = true;
  }
  if (options.known_hosts) {
    host.user_known_hosts = {*options.known_hosts};
    host.global_known_hosts.clear();
  }
  for (auto* files : {&host.identity_files, &host.user_known_hosts, &host.global_known_hosts}) {
    drop_none(*files);
    for (std::string& file : *files) file = expand(file, host);
  }
  if (host.identity_agent != "none" && host.identity_agent != "SSH_AUTH_SOCK") {
    host.identity_agent = expand(host.identity_agent, host);
  } else if (host.identity_agent == "SSH_AUTH_SOCK") {
    host.identity_agent.clear();
  }
  return host;
}

std::vector<std::string> proxy_argv(const HostConfig& host) {
  // ssh_config(5): the command is run by the user's shell with exec; it is the person's own text.
  if (!host.proxy_command.empty()) return {"/bin/sh", "-c", "exec " + expand(host.proxy_command, host)};
  if (host.proxy_jump.empty()) return {};
  // The last hop carries the connection and is itself reached over the ones before it, as ssh does.
  size_t comma = host.proxy_jump.rfind(',');
  std::string last = comma == std::string::npos ? host.proxy_jump : host.proxy_jump.substr(comma + 1);
  if (last.rfind("ssh://", 0) == 0) last = last.substr(6);
  Target hop = parse_target(last);
  // Nobody is there to answer a question, and an unknown key of a jump host stops like any other.
  std::vector<std::string> argv{"ssh", "-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"};
  argv.insert(argv.end(),
              {"-o", "ConnectTimeout=" + std::to_string(std::max<int64_t>(1, host.connect_timeout_ms / 1000))});
  if (host.config) argv.insert(argv.end(), {"-F", *host.config});
  if (comma != std::string::npos) argv.insert(argv.end(), {"-J", host.proxy_jump.substr(0, comma)});
  if (hop.user) argv.insert(argv.end(), {"-l", *hop.user});
  if (hop.port) argv.insert(argv.end(), {"-p", std::to_string(*hop.port)});
  argv.insert(argv.end(), {"-W", "[" + host.host + "]:" + std::to_string(host.port), "--", hop.host});
  return argv;
}

}  // namespace drover::ssh
