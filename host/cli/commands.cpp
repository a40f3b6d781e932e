#include "host/cli/commands.h"

namespace drover {

namespace {

using Json = nlohmann::ordered_json;

}  // namespace

CLI::App* Commands::add(const std::string& name, const std::string& summary) {
  CLI::App* command = app_.add_subcommand(name, summary);
  command->footer("Every command also takes -v, --json and --playbooks DIR: see drover --help");
  return command;
}

Commands::Commands(CLI::App& app, Dispatch dispatch) : app_(app), dispatch_(std::move(dispatch)) {
  // What follows the playbook's name belongs to the playbook (program.cpp takes it off), its --help too.
  auto takes_parameters = [this](CLI::App* command) {
    command->add_option("playbook", first_, "Name of a playbook, or a path to one")->required()->type_name("PLAYBOOK");
    return command;
  };

  CLI::App* run = takes_parameters(add("run", "Run a playbook; --plan shows what it would do"));
  run->add_flag("--plan", plan_, "Print every change that the run would make, and make none");
  run->add_flag("--keep-on-failure", keep_, "Leave what a failed run made, to look at; drover undo takes it back");
  run->footer(
      "Its parameters follow the playbook's name, as in\n  drover run live-migrate --domain web1 --to kvm2\ndrover "
      "show PLAYBOOK lists them.");
  run->callback([this] { dispatch_("run", Json{{"playbook", first_}, {"plan", plan_}, {"keep_on_failure", keep_}}); });

  CLI::App* check = takes_parameters(add("check", "Run only a playbook's checks; nothing is changed"));
  check->callback([this] { dispatch_("check", Json{{"playbook", first_}}); });

  CLI::App* list = add("list", "List the playbooks, and what overrides what");
  list->callback([this] { dispatch_("list", Json::object()); });

  CLI::App* show = add("show", "Show a playbook's purpose and parameters");
  show->add_option("playbook", first_, "Name of a playbook, or a path to one")->required()->type_name("PLAYBOOK");
  show->callback([this] { dispatch_("show", Json{{"playbook", first_}}); });

  CLI::App* copy = add("copy", "Copy a playbook to a folder, to edit it");
  copy->add_option("playbook", first_, "Name of a playbook")->required()->type_name("PLAYBOOK");
  copy->add_option("dir", second_, "Folder that receives the copy")->required()->type_name("DIR");
  copy->callback([this] { dispatch_("copy", Json{{"playbook", first_}, {"folder", second_}}); });

  CLI::App* eval = add("eval", "Run Lua code, and print what it returns");
  eval->add_option("code", first_, "Lua code; what it returns is printed")->required()->type_name("CODE");
  eval->add_option("arguments", rest_, "Given to the code as ...")->type_name("ARG");
  eval->footer("As in: drover eval 'return virt.connect(\"qemu:///system\"):hostname()'; help() lists the modules.");
  eval->callback([this] { dispatch_("eval", Json{{"code", first_}, {"arguments", rest_}}); });

  CLI::App* script = add("script", "Run a Lua file; drover FILE.lua does the same");
  script->add_option("file", first_, "Lua file; a first line #!/usr/bin/env drover is allowed")
      ->required()
      ->type_name("FILE");
  script->callback([this] { dispatch_("script", Json{{"file", first_}}); });

  CLI::App* trust = add("trust", "Add a host's key to the known hosts, if you agree");
  trust->add_option("host", first_, "user@name:port, an alias of ~/.ssh/config, or an entry of hosts.lua")
      ->required()
      ->type_name("HOST");
  trust->add_option("--from", from_, "Add it on this host instead of here")->type_name("HOST");
  trust->add_option("--fingerprint", second_, "Agree without a question when the key has this SHA256 fingerprint");
  trust->callback([this] { dispatch_("trust", Json{{"host", first_}, {"from", from_}, {"fingerprint", second_}}); });

  CLI::App* doctor = add("doctor", "Say what hosts lack, and the command that mends it");
  doctor->add_option("hosts", rest_, "Hosts to look at; this machine without one")->type_name("HOST");
  doctor->callback([this] { dispatch_("doctor", Json{{"hosts", rest_}}); });

  CLI::App* runs = add("runs", "List the runs in the journal");
  runs->callback([this] { dispatch_("runs", Json::object()); });

  CLI::App* report = add("report", "Show one run: steps, leases, errors");
  report->add_option("run", first_, "Run id; the newest without it")->type_name("RUN");
  report->add_flag("--html", html_, "One self-contained page on standard output");
  report->callback([this] { dispatch_("report", Json{{"run", first_}, {"html", html_}}); });

  CLI::App* recover = add("recover", "Finish what dead runs left on hosts");
  recover->add_option("run", first_, "Only this run")->type_name("RUN");
  recover->footer(
      "A move in mode p2p goes on when drover dies. Its guest then waits, paused, at\n"
      "the destination, until this command, the next run or the unit drover-recover\n"
      "starts it: libvirt would start it without asking the source, and when an answer\n"
      "is lost, the guest would run on both.");
  recover->add_option("--fenced", fenced_, "You vouch that this host runs nothing: what the run has there is given up")
      ->allow_extra_args(false)
      ->type_name("HOST");
  recover->add_option("--guest-on", from_, "You looked who has the domain: this host; what is on the other may go")
      ->type_name("HOST");
  recover->callback([this] { dispatch_("recover", Json{{"run", first_}, {"fenced", fenced_}, {"guest_on", from_}}); });

  CLI::App* undo = add("undo", "Take back what run --keep-on-failure left");
  undo->add_option("run", first_, "Run id")->required()->type_name("RUN");
  undo->callback([this] { dispatch_("undo", Json{{"run", first_}}); });

  CLI::App* reconcile = add("reconcile", "Ask two hosts who has a domain; --act settles it");
  reconcile->add_option("domain", first_, "Name or UUID")->required()->type_name("DOMAIN");
  reconcile->add_option("--hosts", second_, "Source and destination: a,b")->required()->type_name("A,B");
  reconcile->add_flag("--act", act_, "Do what the table says; without it, only say so");
  reconcile->callback([this] { dispatch_("reconcile", Json{{"domain", first_}, {"hosts", second_}, {"act", act_}}); });

  CLI::App* test = add("test", "Run Lua test files, with stdlib's test module");
  test->add_option("files", rest_, "Test files")->required()->type_name("FILE");
  test->add_option("--filter", second_, "Only the cases whose name contains this")->type_name("TEXT");
  test->callback([this] { dispatch_("test", Json{{"files", rest_}, {"filter", second_}}); });

  CLI::App* completion = add("completion", "Print the completion script for a shell");
  completion->add_option("shell", first_, "bash")->required()->type_name("SHELL");
  completion->callback([this] { dispatch_("completion", Json{{"shell", first_}}); });

  CLI::App* help = add("help", "Help for a command, a module or a function");
  help->add_option("topic", first_, "Its name; all commands without one")->type_name("TOPIC");
  help->callback([this] { dispatch_("help", Json{{"topic", first_}}); });

  CLI::App* complete = add("complete", "Candidates for the words of a command line; used by the completion script");
  complete->group("");
  complete->callback([this] { dispatch_("complete", Json::object()); });
}

}  // namespace drover
