// Starting, stopping, renaming and removing domains. Tested by tests/bindings/virt/domain_test.lua.
#include "bindings/virt/domain.h"
#include "bindings/virt/enums.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::Effect;
using core::Options;
using core::Push;

// The same bits mean the same for reboot.
constexpr EnumName<> stop_modes[] = {
    {VIR_DOMAIN_SHUTDOWN_DEFAULT, "default"},   {VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN, "acpi"},
    {VIR_DOMAIN_SHUTDOWN_GUEST_AGENT, "agent"}, {VIR_DOMAIN_SHUTDOWN_INITCTL, "initctl"},
    {VIR_DOMAIN_SHUTDOWN_SIGNAL, "signal"},     {VIR_DOMAIN_SHUTDOWN_PARAVIRT, "paravirt"},
};

int start(lua_State* L) {
  static constexpr FlagOption choices[] = {
      {"paused", VIR_DOMAIN_START_PAUSED},           {"bypass_cache", VIR_DOMAIN_START_BYPASS_CACHE},
      {"force_boot", VIR_DOMAIN_START_FORCE_BOOT},   {"autodestroy", VIR_DOMAIN_START_AUTODESTROY},
      {"reset_nvram", VIR_DOMAIN_START_RESET_NVRAM},
  };
  Options options(L, 2, "Domain.start");
  unsigned flags = read_flags(options, choices);
  options.finish();
  return change_domain(L, "Domain.start", "start domain",
                       [flags](virDomainPtr domain) { return virDomainCreateWithFlags(domain, flags); });
}

unsigned read_stop_mode(lua_State* L, const char* function) {
  Options options(L, 2, function);
  auto mode = options.choice("mode", enum_names(stop_modes));
  options.finish();
  return static_cast<unsigned>(enum_number(stop_modes, mode.value_or("default")));
}

int shutdown(lua_State* L) {
  unsigned flags = read_stop_mode(L, "Domain.shutdown");
  return change_domain(L, "Domain.shutdown", "shut down domain",
                       [flags](virDomainPtr domain) { return virDomainShutdownFlags(domain, flags); });
}

int reboot(lua_State* L) {
  unsigned flags = read_stop_mode(L, "Domain.reboot");
  return change_domain(L, "Domain.reboot", "reboot domain",
                       [flags](virDomainPtr domain) { return virDomainReboot(domain, flags); });
}

int destroy(lua_State* L) {
  static constexpr FlagOption choices[] = {{"graceful", VIR_DOMAIN_DESTROY_GRACEFUL},
                                           {"remove_logs", VIR_DOMAIN_DESTROY_REMOVE_LOGS}};
  Options options(L, 2, "Domain.destroy");
  unsigned flags = read_flags(options, choices);
  options.finish();
  return change_domain(L, "Domain.destroy", "destroy domain",
                       [flags](virDomainPtr domain) { return virDomainDestroyFlags(domain, flags); });
}

int suspend(lua_State* L) { return change_domain(L, "Domain.suspend", "suspend domain", virDomainSuspend); }

int resume(lua_State* L) { return change_domain(L, "Domain.resume", "resume domain", virDomainResume); }

int reset(lua_State* L) {
  return change_domain(L, "Domain.reset", "reset domain",
                       [](virDomainPtr domain) { return virDomainReset(domain, 0); });
}

int rename(lua_State* L) {
  std::string new_name = Args(L, "Domain.rename").text(2, "new_name");
  return run_domain_call(
      L, begin_domain_call(L, "Domain.rename", "rename domain"), [new_name](const DomainCall& call) -> Push {
        call.checked(virDomainRename(call.get(), new_name.c_str(), 0));
        // The object keeps the name that it was looked up by; scripts get one with the new name.
        VirRef<virConnectPtr> pointer = VirRef<virConnectPtr>::share(virDomainGetConnect(call.get()));
        return push_domain(call.connection, look_up_domain(*call.connection, pointer.get(), new_name));
      });
}

int set_autostart(lua_State* L) {
  bool on = Args(L, "Domain.set_autostart").boolean(2, "on");
  return change_domain(L, "Domain.set_autostart", "set autostart of domain",
                       [on](virDomainPtr domain) { return virDomainSetAutostart(domain, on ? 1 : 0); });
}

int managed_save(lua_State* L) {
  static constexpr FlagOption choices[] = {
      {"bypass_cache", VIR_DOMAIN_SAVE_BYPASS_CACHE},
      {"running", VIR_DOMAIN_SAVE_RUNNING},
      {"paused", VIR_DOMAIN_SAVE_PAUSED},
  };
  Options options(L, 2, "Domain.managed_save");
  unsigned flags = read_flags(options, choices);
  options.finish();
  return change_domain(L, "Domain.managed_save", "save the state of domain",
                       [flags](virDomainPtr domain) { return virDomainManagedSave(domain, flags); });
}

int remove_managed_save(lua_State* L) {
  return change_domain(L, "Domain.remove_managed_save", "remove the saved state of domain",
                       [](virDomainPtr domain) { return virDomainManagedSaveRemove(domain, 0); });
}

unsigned read_undefine_flags(lua_State* L) {
  Options options(L, 2, "Domain.undefine");
  unsigned flags = 0;
  auto nvram = options.choice("nvram", {"refuse", "keep", "remove"});
  if (nvram == "keep") flags |= VIR_DOMAIN_UNDEFINE_KEEP_NVRAM;
  if (nvram == "remove") flags |= VIR_DOMAIN_UNDEFINE_NVRAM;
  auto tpm = options.choice("tpm", {"default", "keep", "remove"});
  if (tpm == "keep") flags |= VIR_DOMAIN_UNDEFINE_KEEP_TPM;
  if (tpm == "remove") flags |= VIR_DOMAIN_UNDEFINE_TPM;
  if (options.choice("managed_save", {"refuse", "remove"}) == "remove") flags |= VIR_DOMAIN_UNDEFINE_MANAGED_SAVE;
  if (options.choice("snapshots", {"refuse", "remove_metadata"}) == "remove_metadata") {
    flags |= VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;
  }
  if (options.choice("checkpoints", {"refuse", "remove_metadata"}) == "remove_metadata") {
    flags |= VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
  }
  options.finish();
  return flags;
}

std::string undefine_hint(const std::string& text) {
  if (text.find("nvram") != std::string::npos) return "say what becomes of its NVRAM: nvram = \"keep\" or \"remove\"";
  if (text.find("managed save") != std::string::npos) {
    return "its memory is saved on disk: start it, or give managed_save = \"remove\" to lose that state";
  }
  if (text.find("snapshot") != std::string::npos) {
    return "snapshots = \"remove_metadata\" forgets them; the disks stay as they are";
  }
  if (text.find("checkpoint") != std::string::npos) return "checkpoints = \"remove_metadata\" forgets them";
  return "";
}

int undefine(lua_State* L) {
  unsigned flags = read_undefine_flags(L);
  return run_domain_call(L, begin_domain_call(L, "Domain.undefine", "undefine domain"),
                         [flags](const DomainCall& call) -> Push {
                           if (virDomainUndefineFlags(call.get(), flags) == 0) return push_domain(call);
                           Error error = call.error();
                           if (error.hint.empty()) error.with_hint(undefine_hint(error.native));
                           throw error;
                         });
}

core::Function change(const char* name, lua_CFunction call, const char* doc, std::vector<core::Value> params,
                      const char* errors) {
  return {
      name,          call,           doc, std::move(params), {{"domain", "virt.Domain", "The same domain."}}, errors,
      Blocking::yes, Effect::changes};
}

}  // namespace

std::vector<core::Function> domain_lifecycle_methods() {
  constexpr const char* common = "NO_DOMAIN, OPERATION_INVALID, DOMAIN_BUSY, CONNECTION_LOST, READ_ONLY";
  core::Value mode{"options?", "table", "mode: default, acpi, agent, initctl, signal or paravirt."};
  return {
      change("start", start, "Starts a defined domain.",
             {{"options?", "table",
               "Booleans: paused, bypass_cache, force_boot (drops a managed save), autodestroy (ends with this "
               "connection), reset_nvram."}},
             common),
      change("shutdown", shutdown, "Asks the guest to shut down. It returns at once: wait for the state or the event.",
             {mode}, "NO_DOMAIN, OPERATION_INVALID, AGENT_UNRESPONSIVE, UNSUPPORTED, CONNECTION_LOST, READ_ONLY"),
      change("reboot", reboot, "Asks the guest to reboot.", {mode},
             "NO_DOMAIN, OPERATION_INVALID, AGENT_UNRESPONSIVE, UNSUPPORTED, CONNECTION_LOST, READ_ONLY"),
      change("destroy", destroy, "Takes the power away. The definition stays; a transient domain is gone.",
             {{"options?", "table", "graceful: boolean, no SIGKILL. remove_logs: boolean."}}, common),
      change("suspend", suspend, "Stops its CPUs.", {}, common),
      change("resume", resume, "Lets its CPUs go on.", {}, common),
      change("reset", reset, "As the reset button: the guest is not asked.", {}, common),
      change("rename", rename, "Gives a domain that is shut off another name. The result has the new name.",
             {{"new_name", "string", "The name it gets."}},
             "NO_DOMAIN, OPERATION_INVALID, ALREADY_EXISTS, UNSUPPORTED, READ_ONLY"),
      change("set_autostart", set_autostart, "Whether it starts with its host.",
             {{"on", "boolean", "Whether it starts with its host."}}, common),
      change("managed_save", managed_save, "Saves its memory on disk and stops it; the next start restores it.",
             {{"options?", "table", "Booleans: bypass_cache; running or paused, its state after the restore."}},
             "NO_DOMAIN, OPERATION_INVALID, NO_SPACE, CONNECTION_LOST, READ_ONLY"),
      change("remove_managed_save", remove_managed_save, "Drops the saved state: the next start boots.", {}, common),
      change("undefine", undefine,
             "Removes its definition; disks stay. What hangs on the definition is refused until the caller says what "
             "becomes of it.",
             {{"options?", "table",
               "nvram: refuse (default), keep, remove. managed_save: refuse (default), remove. snapshots, checkpoints: "
               "refuse (default), remove_metadata. tpm: default (as the XML says), keep, remove."}},
             common),
  };
}

}  // namespace drover::virt
