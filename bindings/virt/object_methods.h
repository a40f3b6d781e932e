// Methods that pools, networks and interfaces have alike: what is called, its words for errors and its documentation.
// Each is made of the function of libvirt that it stands for, as a template argument: a bound function has no place for
// data of its own. Tested by tests/bindings/virt/{storage,network}_test.lua.
#pragma once

#include "bindings/virt/object_call.h"

namespace drover::virt {

// "Pool.start", for errors.
template <class Object>
std::string method_name(const char* name) {
  return std::string(Object::lua_name).substr(std::string("virt.").size()) + "." + name;
}

template <class Object>
core::Value this_object() {
  return {Object::kind, Object::lua_name, std::string("This ") + Object::kind + "."};
}

template <class Object>
core::Function name_method() {
  return {"name",
          [](lua_State* L) {
            core::push(L, begin_call<Object>(L, method_name<Object>("name").c_str(), "read the name of").name);
            return 1;
          },
          "Its name.",
          {},
          {{"name", "string", "Its name."}},
          "CONNECTION_CLOSED"};
}

template <class Object>
core::Function tostring_method() {
  return {"tostring",
          [](lua_State* L) {
            std::string function = method_name<Object>("tostring"), text = Object::lua_name;
            const auto& handle = core::check_object<Object>(L, 1, function.c_str()).handle;
            if (handle.connection()->closed()) {
              text += " (closed)";
            } else {
              text += " " + begin_call<Object>(L, function.c_str(), "read the name of").name + " on " + handle.host();
            }
            core::push(L, text);
            return 1;
          },
          "Its class, its name and its host.",
          {},
          {{"text", "string", "What it says."}}};
}

template <class Object, auto read_uuid>
core::Function uuid_method() {
  return {"uuid",
          [](lua_State* L) {
            auto call = begin_call<Object>(L, method_name<Object>("uuid").c_str(), "read the UUID of");
            core::push(L, uuid_text(call.get(), read_uuid));
            return 1;
          },
          "Its UUID.",
          {},
          {{"uuid", "string", "Its UUID."}},
          "CONNECTION_CLOSED"};
}

template <class Object, auto read_xml, unsigned inactive_flag>
core::Function xml_method(const std::string& missing_code) {
  return {"xml",
          [](lua_State* L) {
            std::string function = method_name<Object>("xml");
            core::Options options(L, 2, function.c_str());
            unsigned flags = options.flag("inactive") ? inactive_flag : 0;
            options.finish();
            return read_text<Object>(L, function.c_str(), "read the XML of",
                                     [flags](typename Object::Pointer one) { return read_xml(one, flags); });
          },
          "Its XML.",
          {{"options?", "table", "inactive: boolean, the definition and not the state."}},
          {{"xml", "string", ""}},
          missing_code + ", CONNECTION_LOST",
          core::Blocking::yes};
}

template <class Object, auto question>
core::Function is_active_method(const std::string& doc) {
  return {"is_active",
          [](lua_State* L) {
            return ask<Object>(L, method_name<Object>("is_active").c_str(), "read the state of", question);
          },
          doc,
          {},
          {{"active", "boolean", ""}},
          "CONNECTION_LOST",
          core::Blocking::yes};
}

template <class Object, auto question>
core::Function is_persistent_method() {
  return {"is_persistent",
          [](lua_State* L) {
            return ask<Object>(L, method_name<Object>("is_persistent").c_str(), "read the persistence of", question);
          },
          "Whether it has a definition that outlives a stop.",
          {},
          {{"persistent", "boolean", ""}},
          "CONNECTION_LOST",
          core::Blocking::yes};
}

template <class Object, auto read_autostart>
core::Function autostart_method(const std::string& missing_code) {
  return {"autostart",
          [](lua_State* L) {
            return ask<Object>(L, method_name<Object>("autostart").c_str(), "read the autostart of",
                               [](typename Object::Pointer one) {
                                 int on = 0;
                                 return read_autostart(one, &on) < 0 ? -1 : on;
                               });
          },
          "Whether it starts with the host.",
          {},
          {{"on", "boolean", "Whether it starts with its host."}},
          missing_code,
          core::Blocking::yes};
}

template <class Object, auto write_autostart>
core::Function set_autostart_method(const std::string& errors) {
  return {"set_autostart",
          [](lua_State* L) {
            std::string function = method_name<Object>("set_autostart");
            bool on = core::Args(L, function.c_str()).boolean(2, "on");
            return change<Object>(L, function.c_str(), "set the autostart of",
                                  [on](typename Object::Pointer one) { return write_autostart(one, on ? 1 : 0); });
          },
          "Whether it starts with the host.",
          {{"on", "boolean", "Whether it starts with its host."}},
          {this_object<Object>()},
          errors,
          core::Blocking::yes,
          core::Effect::changes};
}

}  // namespace drover::virt
