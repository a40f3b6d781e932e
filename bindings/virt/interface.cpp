#include "bindings/virt/interface.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::Options;

int name(lua_State* L) {
  core::push(L, begin_call<Interface>(L, "Interface.name", "read the name of").name);
  return 1;
}

int mac(lua_State* L) {
  auto call = begin_call<Interface>(L, "Interface.mac", "read the address of");
  const char* text = virInterfaceGetMACString(call.get());
  core::push(L, text != nullptr ? text : "");
  return 1;
}

int xml(lua_State* L) {
  Options options(L, 2, "Interface.xml");
  unsigned flags = options.flag("inactive") ? VIR_INTERFACE_XML_INACTIVE : 0;
  options.finish();
  return read_text<Interface>(L, "Interface.xml", "read the XML of",
                              [flags](virInterfacePtr one) { return virInterfaceGetXMLDesc(one, flags); });
}

int is_active(lua_State* L) {
  return ask<Interface>(L, "Interface.is_active", "read the state of", virInterfaceIsActive);
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
              {"name", name, "Its name.", {}, {{"name", "string", "Its name."}}, "CONNECTION_CLOSED"},
              {"mac", mac, "Its address, \"\" when it has none.", {}, {{"mac", "string", ""}}, "CONNECTION_CLOSED"},
              {"xml",
               xml,
               "Its XML.",
               {{"options?", "table", "inactive: boolean, the definition and not the state."}},
               {{"xml", "string", ""}},
               "NO_INTERFACE, CONNECTION_LOST",
               Blocking::yes},
              {"is_active",
               is_active,
               "Whether it is up.",
               {},
               {{"active", "boolean", ""}},
               "CONNECTION_LOST",
               Blocking::yes},
          },
          core::destroy_object<Interface>};
}

}  // namespace drover::virt
