// What the host's hypervisor can do: capabilities, CPU models, comparison. Tested by
// tests/bindings/virt/connection_test.lua; real CPUs by the lab.
#include "bindings/virt/connection.h"
#include "bindings/virt/enums.h"
#include "bindings/virt/host_facts.h"
#include "bindings/virt/run.h"
#include "bindings/virt/text.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::CancelToken;
using core::Options;
using core::Push;

// Which emulator a question is about; libvirt chooses what is left out.
struct Emulator {
  std::optional<std::string> emulator, architecture, machine, virtualization;

  static Emulator read(Options& options) {
    return {options.text("emulator"), options.text("architecture"), options.text("machine"),
            options.text("virtualization")};
  }
  static const char* text(const std::optional<std::string>& value) { return value ? value->c_str() : nullptr; }
};

constexpr const char* emulator_doc =
    "emulator: path. architecture: as x86_64. machine: as pc or q35. virtualization: kvm, qemu. libvirt chooses what "
    "is "
    "left out.";

using TextCall = std::function<char*(virConnectPtr)>;

int ask_text(lua_State* L, const char* function, const std::string& attempt, TextCall call) {
  const ConnectionPtr& connection = check_connection(L, 1, function);
  auto pointer = connection->use(attempt);
  return run(L, connection, attempt, [connection, pointer, attempt, call = std::move(call)](CancelToken&) -> Push {
    VirText text(call(pointer.get()));
    if (!text) throw connection->error(attempt);
    return push_value(std::string(text.get()));
  });
}

int capabilities(lua_State* L) {
  return ask_text(L, "Connection.capabilities", "read the capabilities of the host",
                  [](virConnectPtr pointer) { return virConnectGetCapabilities(pointer); });
}

int domain_capabilities(lua_State* L) {
  Options options(L, 2, "Connection.domain_capabilities");
  Emulator emulator = Emulator::read(options);
  options.finish();
  return ask_text(L, "Connection.domain_capabilities", "read the domain capabilities of the host",
                  [emulator](virConnectPtr pointer) {
                    return virConnectGetDomainCapabilities(
                        pointer, Emulator::text(emulator.emulator), Emulator::text(emulator.architecture),
                        Emulator::text(emulator.machine), Emulator::text(emulator.virtualization), 0);
                  });
}

constexpr EnumName<> comparisons[] = {
    {VIR_CPU_COMPARE_INCOMPATIBLE, "incompatible"},
    {VIR_CPU_COMPARE_IDENTICAL, "identical"},
    {VIR_CPU_COMPARE_SUPERSET, "superset"},
};

int compare(lua_State* L, const char* function, std::function<int(virConnectPtr)> call) {
  const ConnectionPtr& connection = check_connection(L, 1, function);
  const char* attempt = "compare a CPU with the host's";
  auto pointer = connection->use(attempt);
  return run(L, connection, attempt, [connection, pointer, attempt, call = std::move(call)](CancelToken&) -> Push {
    int answer = call(pointer.get());
    if (answer == VIR_CPU_COMPARE_ERROR) throw connection->error(attempt);
    return push_value<std::string>(enum_name(comparisons, answer));
  });
}

int compare_cpu(lua_State* L) {
  std::string xml = Args(L, "Connection.compare_cpu").text(2, "cpu_xml");
  Options options(L, 3, "Connection.compare_cpu");
  unsigned flags = options.flag("fail_incompatible") ? VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE : 0;
  options.finish();
  return compare(L, "Connection.compare_cpu",
                 [=](virConnectPtr pointer) { return virConnectCompareCPU(pointer, xml.c_str(), flags); });
}

int compare_hypervisor_cpu(lua_State* L) {
  std::string xml = Args(L, "Connection.compare_hypervisor_cpu").text(2, "cpu_xml");
  Options options(L, 3, "Connection.compare_hypervisor_cpu");
  Emulator emulator = Emulator::read(options);
  unsigned flags = options.flag("fail_incompatible") ? VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE : 0;
  options.finish();
  return compare(L, "Connection.compare_hypervisor_cpu", [=](virConnectPtr pointer) {
    return virConnectCompareHypervisorCPU(pointer, Emulator::text(emulator.emulator),
                                          Emulator::text(emulator.architecture), Emulator::text(emulator.machine),
                                          Emulator::text(emulator.virtualization), xml.c_str(), flags);
  });
}

int baseline_hypervisor_cpu(lua_State* L) {
  auto cpus = Args(L, "Connection.baseline_hypervisor_cpu").text_list(2, "cpu_xmls");
  Options options(L, 3, "Connection.baseline_hypervisor_cpu");
  Emulator emulator = Emulator::read(options);
  unsigned flags = options.flag("migratable") ? VIR_CONNECT_BASELINE_CPU_MIGRATABLE : 0;
  if (options.flag("expand_features")) flags |= VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES;
  options.finish();
  return ask_text(L, "Connection.baseline_hypervisor_cpu", "find a CPU that all have", [=](virConnectPtr pointer) {
    std::vector<const char*> texts;
    for (const std::string& cpu : cpus) texts.push_back(cpu.c_str());
    return virConnectBaselineHypervisorCPU(pointer, Emulator::text(emulator.emulator),
                                           Emulator::text(emulator.architecture), Emulator::text(emulator.machine),
                                           Emulator::text(emulator.virtualization), texts.data(),
                                           static_cast<unsigned>(texts.size()), flags);
  });
}

int cpu_models(lua_State* L) {
  std::string architecture = Args(L, "Connection.cpu_models").text(2, "architecture");
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.cpu_models");
  auto pointer = connection->use("list CPU models");
  return run(L, connection, "list of CPU models", [connection, pointer, architecture](CancelToken&) -> Push {
    char** found = nullptr;
    int count = virConnectGetCPUModelNames(pointer.get(), architecture.c_str(), &found, 0);
    if (count < 0) throw connection->error("list CPU models");
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) names.emplace_back(VirText(found[i]).get());
    free(found);
    return [names = std::move(names)](lua_State* state) {
      core::push(state, names);
      return 1;
    };
  });
}

}  // namespace

std::vector<core::Function> cpu_methods_of_connection() {
  constexpr const char* errors = "BAD_XML, CPU_INCOMPATIBLE, UNSUPPORTED, INVALID_ARGUMENT, CONNECTION_LOST";
  core::Value cpu{"cpu_xml", "string", "A <cpu> element, as in capabilities or the migratable XML of a domain."};
  core::Value verdict{"verdict", "string", "identical, superset (the host has more), incompatible."};
  std::string fail_doc = "fail_incompatible: boolean, CPU_INCOMPATIBLE that names the missing features.";
  return {
      {"capabilities",
       capabilities,
       "What host and hypervisor can do.",
       {},
       {{"xml", "string", ""}},
       "CONNECTION_LOST, CONNECTION_CLOSED",
       Blocking::yes},
      {"domain_capabilities",
       domain_capabilities,
       "What a domain of one emulator can have.",
       {{"options?", "table", emulator_doc}},
       {{"xml", "string", ""}},
       errors,
       Blocking::yes},
      {"compare_cpu",
       compare_cpu,
       "Compares a CPU with the host's own.",
       {cpu, {"options?", "table", fail_doc}},
       {verdict},
       errors,
       Blocking::yes},
      {"compare_hypervisor_cpu",
       compare_hypervisor_cpu,
       "Compares a CPU with what the hypervisor can give a guest on this host: the question before a move.",
       {cpu, {"options?", "table", fail_doc + " " + emulator_doc}},
       {verdict},
       errors,
       Blocking::yes},
      {"baseline_hypervisor_cpu",
       baseline_hypervisor_cpu,
       "The best CPU that can run on all the hosts of the list.",
       {{"cpu_xmls", "string[]", "A <cpu> element of each host, of its domain capabilities."},
        {"options?", "table",
         std::string("migratable: boolean, without features that stop a move. expand_features: boolean. ") +
             emulator_doc}},
       {{"xml", "string", "A <cpu> element."}},
       errors,
       Blocking::yes},
      {"cpu_models",
       cpu_models,
       "The CPU models that libvirt there knows.",
       {{"architecture", "string", "As x86_64."}},
       {{"names", "string[]", ""}},
       errors,
       Blocking::yes},
  };
}

}  // namespace drover::virt
