// Attaching and detaching devices. Tested by tests/lab (the test driver has few devices) and
// tests/bindings/virt/domain_test.lua.
#include "bindings/virt/domain.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::Effect;
using core::Options;

int attach_device(lua_State* L) {
  std::string xml = Args(L, "Domain.attach_device").text(2, "xml");
  Options options(L, 3, "Domain.attach_device");
  unsigned flags = read_impact(options);
  options.finish();
  return change_domain(L, "Domain.attach_device", "attach a device to domain",
                       [=](virDomainPtr domain) { return virDomainAttachDeviceFlags(domain, xml.c_str(), flags); });
}

int detach_device(lua_State* L) {
  std::string device = Args(L, "Domain.detach_device").text(2, "xml_or_alias");
  Options options(L, 3, "Domain.detach_device");
  unsigned flags = read_impact(options);
  options.finish();
  bool is_xml = device.find('<') != std::string::npos;
  return change_domain(L, "Domain.detach_device", "detach a device from domain", [=](virDomainPtr domain) {
    return is_xml ? virDomainDetachDeviceFlags(domain, device.c_str(), flags)
                  : virDomainDetachDeviceAlias(domain, device.c_str(), flags);
  });
}

int update_device(lua_State* L) {
  std::string xml = Args(L, "Domain.update_device").text(2, "xml");
  Options options(L, 3, "Domain.update_device");
  unsigned flags = read_impact(options);
  if (options.flag("force")) flags |= VIR_DOMAIN_DEVICE_MODIFY_FORCE;
  options.finish();
  return change_domain(L, "Domain.update_device", "change a device of domain",
                       [=](virDomainPtr domain) { return virDomainUpdateDeviceFlags(domain, xml.c_str(), flags); });
}

}  // namespace

std::vector<core::Function> domain_device_methods() {
  constexpr const char* errors =
      "NO_DOMAIN, NO_DEVICE, BAD_XML, OPERATION_INVALID, OPERATION_FAILED, UNSUPPORTED, CONNECTION_LOST, READ_ONLY";
  core::Value same{"domain", "virt.Domain", "The same domain."};
  return {
      {"attach_device",
       attach_device,
       "Adds a device.",
       {{"xml", "string", "Its XML."}, {"options?", "table", impact_doc}},
       {same},
       errors,
       Blocking::yes,
       Effect::changes},
      {"detach_device",
       detach_device,
       "Takes a device away. The guest decides when: a running domain has let it go only when the event device_removed "
       "came or its live XML no longer has it.",
       {{"xml_or_alias", "string", "Its XML, or its alias in the live XML."}, {"options?", "table", impact_doc}},
       {same},
       errors,
       Blocking::yes,
       Effect::changes},
      {"update_device",
       update_device,
       "Changes what can be changed of a device, as the medium of a CD drive or the bridge of an interface.",
       {{"xml", "string", "Its whole XML, changed."},
        {"options?", "table", std::string("force: boolean, ejects a locked medium. ") + impact_doc}},
       {same},
       errors,
       Blocking::yes,
       Effect::changes},
  };
}

}  // namespace drover::virt
