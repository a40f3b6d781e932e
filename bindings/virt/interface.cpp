#include "bindings/virt/interface.h"

#include "bindings/virt/object_methods.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::Options;

int mac(lua_State* L) {
  auto call = begin_call<Interface>(L, "Interface.mac", "read the address of");
  const char* text = virInterfaceGetMACString(call.get());
  core::push(L, text != nullptr ? text : "");
  return 1;
}

int interfaces(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.interfaces");
  static constexpr FlagOption filters[] = {{"active", VIR_CONNECT_LIST_INTERFACES_ACTIVE},
                                           {"inactive", VIR_CONNECT_LIST_INTERFACES_INACTIVE}};
  Options options(L, 2, "Connection.interfaces");
  unsigned flags = read_flags(options, filters);
  options.finish();
  return list_objects<Interface>(L, connection, flags, virConnectListAllInterfaces);
}

int look_up(lua_State* L, const char* function, Missing missing) {
  const ConnectionPtr& connection = check_connection(L, 1, function);
  std::string wanted = Args(L, function).text(2, "name");
  return get_object<Interface>(
      L, connection, "find interface '" + wanted + "'", wanted,
      [wanted](virConnectPtr pointer) { return virInterfaceLookupByName(pointer, wanted.c_str()); }, missing,
      "NO_INTERFACE");
}

int interface(lua_State* L) { return look_up(L, "Connection.interface", Missing::raise); }
int find_interface(lua_State* L) { return look_up(L, "Connection.find_interface", Missing::nil); }

}  // namespace

std::vector<core::Function> interface_methods_of_connection() {
  const core::Value wanted{"name", "string", "As eth0, br0."};
  return {
      {"interfaces",
       interfaces,
       "The network interfaces of the host, all of them without a filter.",
       {{"filter?", "table", "Booleans: active, inactive."}},
       {{"interfaces", "virt.Interface[]", ""}},
       "CONNECTION_LOST, UNKNOWN_OPTION, UNSUPPORTED",
       Blocking::yes},
      {"interface",
       interface,
       "One network interface of the host.",
       {wanted},
       {{"interface", "virt.Interface", ""}},
       "NO_INTERFACE, CONNECTION_LOST, UNSUPPORTED",
       Blocking::yes},
      {"find_interface",
       find_interface,
       "One network interface of the host, or nil.",
       {wanted},
       {{"interface?", "virt.Interface", ""}},
       "CONNECTION_LOST, UNSUPPORTED",
       Blocking::yes},
  };
}

core::Class interface_class() {
  return {Interface::lua_name,
          "A network interface of a host.",
          {
              name_method<Interface>(),
              tostring_method<Interface>(),
              {"mac", mac, "Its address, \"\" when it has none.", {}, {{"mac", "string", ""}}, "CONNECTION_CLOSED"},
              xml_method<Interface, virInterfaceGetXMLDesc, VIR_INTERFACE_XML_INACTIVE>("NO_INTERFACE"),
              is_active_method<Interface, virInterfaceIsActive>("Whether it is up."),
          },
          core::destroy_object<Interface>};
}

}  // namespace drover::virt
