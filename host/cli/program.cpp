#include "host/cli/program.h"

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "bindings/json/json.h"
#include "bindings/virt/vir_error.h"
#include "host/base/log.h"
#include "host/base/text.h"
#include "host/base/visible.h"
#include "host/cli/commands.h"
#include "host/cli/session.h"

namespace drover {

namespace {

using Json = nlohmann::ordered_json;

bool looks_like_script(const std::string& argument) {
  return argument.find('/') != std::string::npos ||
         (argument.size() > 4 && argument.substr(argument.size() - 4) == ".lua");
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

// What completion offers, from the same declarations that parsing and --help use.
Json describe_options(const CLI::App& app) {
  Json options = Json::array();
  for (const CLI::Option* option : app.get_options()) {
    Json names = Json::array();
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
    bool takes_value = option->get_type_size() > 0;
    options.push_back({{"names", names}, {"value", takes_value ? option->get_type_name() : ""}});
  }
  return options;
}

Json describe(const CLI::App& app) {
  Json commands = Json::object();
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_group().empty()) continue;  // not for people
    commands[command->get_name()] = {{"summary", command->get_description()}, {"options", describe_options(*command)}};
  }
  return {{"options", describe_options(app)}, {"commands", commands}};
}

// The index of the first word that is no option, from `index` on.
size_t skip_options(const std::vector<std::string>& arguments, size_t index) {
  while (index < arguments.size() && !arguments[index].empty() && arguments[index][0] == '-') {
    index += arguments[index] == "--playbooks" ? 2 : 1;
  }
  return std::min(index, arguments.size());
}

// For a command whose later words belong to a playbook or a script: takes them off, unread.
std::vector<std::string> take_passed_on(std::vector<std::string>& arguments) {
  static const std::vector<std::string> passing{"run", "check", "script", "complete"};
  size_t command = skip_options(arguments, 0);
  if (command >= arguments.size()) return {};
  if (std::find(passing.begin(), passing.end(), arguments[command]) == passing.end()) return {};
  size_t index = command + 1;
  // `run --help PLAYBOOK` asks for the playbook's help, as `run PLAYBOOK --help` does.
  bool has_playbook = arguments[command] == "run" || arguments[command] == "check";
  size_t playbook = skip_options(arguments, index);
  for (size_t at = index; has_playbook && playbook < arguments.size() && at < playbook; ++at) {
    if (arguments[at] != "--help" && arguments[at] != "-h") continue;
    arguments.push_back(arguments[at]);
    arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(at));
    break;
  }
  if (arguments[command] != "complete") index = std::min(skip_options(arguments, index) + 1, arguments.size());
  auto first = arguments.begin() + static_cast<std::ptrdiff_t>(index);
  std::vector<std::string> rest(first, arguments.end());
  arguments.erase(first, arguments.end());
  return rest;
}

// The options that a command takes, its own and those of all.
std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  std::vector<const CLI::App*> levels{&app};
  for (const CLI::App* command : app.get_subcommands()) levels.push_back(command);
  for (const CLI::App* level : levels) {
    for (const CLI::Option* option : level->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

std::string help_hint(const CLI::App& app) {
  std::vector<CLI::App*> asked = app.get_subcommands();
  return "see drover " + (asked.empty() ? "" : asked[0]->get_name() + " ") + "--help";
}

// What is missing, as a person would write it: "show needs PLAYBOOK", not "playbook is required".
std::string missing_words(const CLI::App& app, const CLI::RequiredError& error) {
  std::string message = error.what();
  std::vector<const CLI::App*> asked = app.get_subcommands([](const CLI::App* one) { return one->parsed(); });
  for (const CLI::App* command : asked) {
    for (const CLI::Option* option : command->get_options()) {
      if (message != option->get_name() + " is required") continue;
      std::string words = option->get_positional() ? "" : option->get_name() + " ";
      return command->get_name() + " needs " + words + option->get_type_name();
    }
  }
  return message;
}

// What is wrong with an option's value, in words that say the option and what it takes.
std::string value_words(const CLI::App& app, const CLI::ParseError& error) {
  std::string message = error.what();
  std::vector<const CLI::App*> levels = app.get_subcommands([](const CLI::App* one) { return one->parsed(); });
  levels.push_back(&app);
  for (const CLI::App* level : levels) {
    for (const CLI::Option* option : level->get_options()) {
      const std::string& name = option->get_name();
      if (message == "Could not convert: " + name + " = " + message.substr(message.find_last_of(' ') + 1)) {
        return name + " takes no value";
      }
      if (message.rfind(name + ": ", 0) != 0) continue;
      return name + (message.find("missing") != std::string::npos ? " needs a value, " + option->get_type_name()
                                                                  : " is given more than once");
    }
  }
  return message;
}

// What cannot be in front of a command; "" when all is well. --playbooks takes the next word, which may have been meant
// as the command.
std::string playbooks_problem(const std::vector<std::string>& arguments, const std::vector<std::string>& names) {
  for (size_t index = 0; index < arguments.size() && arguments[index].rfind("--", 0) == 0; ++index) {
    if (arguments[index] == "--playbooks=") return "--playbooks needs a value, DIR";
    if (arguments[index] != "--playbooks") continue;
    if (++index >= arguments.size()) return "--playbooks needs a value, DIR";
    bool is_last = index + 1 >= arguments.size();
    if (is_last && std::find(names.begin(), names.end(), arguments[index]) != names.end()) {
      return "--playbooks needs a value, DIR, before the command '" + arguments[index] + "'";
    }
  }
  return "";
}

// `drover help` and `drover help run`, as people ask for --help. What else there is to ask for is stdlib/help.lua's.
void turn_help_around(std::vector<std::string>& arguments, size_t first_word, const std::vector<std::string>& names) {
  if (first_word >= arguments.size() || arguments[first_word] != "help") return;
  if (first_word + 1 == arguments.size()) {
    arguments = {"--help"};
  } else if (std::find(names.begin(), names.end(), arguments[first_word + 1]) != names.end()) {
    arguments = {arguments[first_word + 1], "--help"};
  }
}

int usage_error(const std::string& message, const std::string& hint, bool as_json) {
  if (as_json) {
    Json problem{{"domain", "usage"}, {"code", "BAD_USAGE"}, {"message", message}};
    if (!hint.empty()) problem["hint"] = hint;
    std::printf("%s\n", json::text_of(Json{{"error", problem}, {"event", "error"}}).c_str());
    return exit_usage;
  }
  std::fprintf(stderr, "drover: %s\n", visible(message).c_str());
  if (!hint.empty()) std::fprintf(stderr, "  %s\n", visible(hint).c_str());
  return exit_usage;
}

// One that the caller closed would be the number of the next file or socket, and messages would be written into it.
void open_standard_streams() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", O_RDWR);  // gives the lowest number that is free: this one
  }
}

}  // namespace

int run_program(int argc, char** argv) {
  open_standard_streams();
  GlobalOptions options;
  CLI::App app("Move virtual machines between KVM hosts, with nothing left behind.", "drover");
  app.set_version_flag("--version", std::string("drover ") + version());
  app.require_subcommand(0, 1);
  app.fallthrough();
  app.footer("Start with: drover doctor, drover list, drover show live-migrate");
  app.add_flag("-v,--verbose", options.verbose, "More about errors: cause, native text, traceback");
  app.add_flag("--json", options.json, "Output for programs: JSON, one event a line for runs");
  app.add_option("--playbooks", options.playbooks, "A folder of playbooks that goes before all others")
      ->type_name("DIR");

  virt::silence_warnings();
  int code = exit_done;
  std::vector<std::string> passed_on;
  Commands commands(app, [&](const std::string& command, Json request) {
    request["rest"] = passed_on;
    request["playbooks"] = options.playbooks;
    request["json"] = options.json;
    request["verbose"] = options.verbose;
    if (command == "complete") request["program"] = describe(app);
    Session session(options);
    code = session.run_command(command, request);
    // Not an ordinary return: a worker may still be inside a call that nobody can stop, and the state holds objects
    // whose ends were either done by their owner or are the kernel's work.
    leave(code);
  });

  // `drover FILE.lua args...` (and so a #! line): sugar for `drover script FILE.lua args...`.
  std::vector<std::string> arguments(argv + 1, argv + argc);
  size_t first_word = skip_options(arguments, 0);
  if (first_word < arguments.size() && looks_like_script(arguments[first_word])) {
    arguments.insert(arguments.begin() + static_cast<std::ptrdiff_t>(first_word), "script");
  }
  bool as_json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
  std::vector<std::string> names = command_names(app);
  if (first_word < arguments.size() && std::find(names.begin(), names.end(), arguments[first_word]) == names.end()) {
    std::string hint = did_you_mean(arguments[first_word], names);
    if (hint.empty()) hint = "a playbook is run with: drover run NAME; all commands: drover --help";
    return usage_error("there is no command '" + arguments[first_word] + "'", hint, as_json);
  }
  if (std::string problem = playbooks_problem(arguments, names); !problem.empty()) {
    return usage_error(problem, "as in: drover --playbooks ./playbooks list", as_json);
  }
  if (arguments.empty()) {
    std::fputs(app.help().c_str(), stderr);
    return exit_usage;
  }
  log::Level level{};
  if (const char* wanted = std::getenv("DROVER_LOG"); wanted && *wanted != '\0' && !log::parse_level(wanted, level)) {
    return usage_error(std::string("DROVER_LOG: '") + wanted + "' is no level of the log",
                       "it knows trace, debug, info, warn, error and off", as_json);
  }
  turn_help_around(arguments, first_word, names);
  passed_on = take_passed_on(arguments);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 takes them
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    CLI::App* asked = app.get_subcommands().empty() ? &app : app.get_subcommands()[0];
    if (asked != &app) asked->name("drover " + asked->get_name());  // as a person types it
    std::fputs(asked->help().c_str(), stdout);
    return exit_done;
  } catch (const CLI::CallForVersion& version_text) {
    std::printf("%s\n", version_text.what());
    return exit_done;
  } catch (const CLI::ExtrasError& error) {
    std::vector<std::string> unread = app.remaining(true);
    std::string hint = unread.empty() ? "" : did_you_mean(unread[0], option_names(app));
    return usage_error(unread.empty() ? error.what() : "'" + unread[0] + "' means nothing here",
                       hint.empty() ? help_hint(app) : hint, as_json);
  } catch (const CLI::RequiredError& error) {
    return usage_error(missing_words(app, error), help_hint(app), as_json);
  } catch (const CLI::ParseError& error) {
    return usage_error(value_words(app, error), help_hint(app), as_json);
  } catch (const Error& error) {  // before any Lua runs: a broken installation, no memory
    std::fprintf(stderr, "drover: %s\n", visible(error.what()).c_str());
    return exit_failed;
  }
  if (app.get_subcommands().empty()) return usage_error("there is no command", help_hint(app), as_json);
  return code;
}

}  // namespace drover
