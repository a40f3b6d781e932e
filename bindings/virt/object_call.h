// What pools, volumes, networks and interfaces have in common: a call on one, a list of them, one found by its name.
//
// Such a type gives: lua_name, `using Pointer` of libvirt, `kind` ("pool", for sentences), name_of(Pointer) without a
// call to the daemon, and a member `Handle<Pointer> handle`. Tested by tests/bindings/virt/{storage,network}_test.lua.
#pragma once

#include "bindings/core/module.h"
#include "bindings/core/object.h"
#include "bindings/virt/connection.h"
#include "bindings/virt/domain.h"  // FlagOption, read_flags, push_value
#include "bindings/virt/run.h"
#include "bindings/virt/text.h"

namespace drover::virt {

// One call on an object: a reference of its own, and the words for its errors.
template <class Object>
struct ObjectCall {
  using Pointer = typename Object::Pointer;

  VirRef<Pointer> object;
  ConnectionPtr connection;
  std::string name;
  std::string attempt;  // "start pool 'images'"

  Pointer get() const { return object.get(); }
  Error error() const { return connection->error(attempt, name); }
  // Throws the error of the call when its result is negative; otherwise gives the result.
  int checked(int result) const {
    if (result < 0) throw error();
    return result;
  }
  // Takes over a text that libvirt allocated. Throws the error of the call when there is none.
  std::string checked_text(char* allocated) const {
    VirText text(allocated);
    if (!text) throw error();
    return text.get();
  }
};

// The object at index 1. function: "Pool.start"; verb: "start", "read the XML of".
template <class Object>
ObjectCall<Object> begin_call(lua_State* L, const char* function, const std::string& verb) {
  const auto& handle = core::check_object<Object>(L, 1, function).handle;
  std::string kind_attempt = verb + " " + Object::kind;
  auto pointer = handle.get(kind_attempt.c_str());
  std::string name = Object::name_of(pointer);
  std::string attempt = kind_attempt + " '" + name + "'";
  return {VirRef<typename Object::Pointer>::share(pointer), handle.connection(), std::move(name), std::move(attempt)};
}

template <class Object>
int run_call(lua_State* L, ObjectCall<Object> call, std::function<core::Push(const ObjectCall<Object>&)> work) {
  ConnectionPtr connection = call.connection;
  std::string description = call.attempt;
  return run(L, connection, std::move(description),
             [call = std::move(call), work = std::move(work)](core::CancelToken&) { return work(call); });
}

template <class Object>
core::Push push_handle(ConnectionPtr connection, VirRef<typename Object::Pointer> reference) {
  return [connection = std::move(connection), reference = std::move(reference)](lua_State* L) {
    core::push_object(L, Object{Handle<typename Object::Pointer>(connection, reference)});
    return 1;
  };
}

// A call that changes the object, and gives the object back.
template <class Object>
int change(lua_State* L, const char* function, const std::string& verb,
           std::function<int(typename Object::Pointer)> change_it) {
  return run_call<Object>(L, begin_call<Object>(L, function, verb), [change_it](const ObjectCall<Object>& call) {
    call.checked(change_it(call.get()));
    return push_handle<Object>(call.connection, call.object);
  });
}

// A call that answers yes or no.
template <class Object>
int ask(lua_State* L, const char* function, const std::string& verb,
        std::function<int(typename Object::Pointer)> question) {
  return run_call<Object>(L, begin_call<Object>(L, function, verb), [question](const ObjectCall<Object>& call) {
    return push_value(call.checked(question(call.get())) > 0);
  });
}

// A call that reads a text, which libvirt allocates.
template <class Object>
int read_text(lua_State* L, const char* function, const std::string& verb,
              std::function<char*(typename Object::Pointer)> read) {
  return run_call<Object>(L, begin_call<Object>(L, function, verb), [read](const ObjectCall<Object>& call) {
    return push_value(call.checked_text(read(call.get())));
  });
}

// The UUID is a part of the object: no call to the daemon.
template <class Pointer>
std::string uuid_text(Pointer pointer, int (*read)(Pointer, char*)) {
  char text[VIR_UUID_STRING_BUFLEN] = "";
  read(pointer, text);
  return text;
}

// Takes over an array of references as virConnectListAll* allocate them.
template <class Pointer>
std::vector<VirRef<Pointer>> take_list(Pointer* found, int count) {
  std::vector<VirRef<Pointer>> list;
  list.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) list.emplace_back(found[i]);
  std::free(found);
  return list;
}

template <class Object>
core::Push push_list(ConnectionPtr connection, std::vector<VirRef<typename Object::Pointer>> list) {
  return [connection = std::move(connection), list = std::move(list)](lua_State* L) {
    lua_createtable(L, static_cast<int>(list.size()), 0);
    lua_Integer index = 0;
    for (const auto& reference : list) {
      core::push_object(L, Object{Handle<typename Object::Pointer>(connection, reference)});
      lua_rawseti(L, -2, ++index);
    }
    return 1;
  };
}

// All objects of a connection that the flags let through; list_all is one of virConnectListAll*.
template <class Object>
int list_objects(lua_State* L, const ConnectionPtr& connection, unsigned flags,
                 int (*list_all)(virConnectPtr, typename Object::Pointer**, unsigned)) {
  std::string attempt = std::string("list ") + Object::kind + "s";
  auto pointer = connection->use(attempt);
  return run(L, connection, attempt, [connection, pointer, flags, list_all, attempt](core::CancelToken&) {
    typename Object::Pointer* found = nullptr;
    int count = list_all(pointer.get(), &found, flags);
    if (count < 0) throw connection->error(attempt);
    return push_list<Object>(connection, take_list(found, count));
  });
}

// How a function answers when there is nothing of that name.
enum class Missing { raise, nil };

// A call that finds or makes one object. missing_code: the error that means "is not there".
template <class Object>
int get_object(lua_State* L, const ConnectionPtr& connection, const std::string& attempt, const std::string& name,
               std::function<typename Object::Pointer(virConnectPtr)> get, Missing missing = Missing::raise,
               const char* missing_code = "") {
  auto pointer = connection->use(attempt);
  auto work = [connection, pointer, attempt, name, get, missing, missing_code](core::CancelToken&) -> core::Push {
    VirRef<typename Object::Pointer> found(get(pointer.get()));
    if (found) return push_handle<Object>(connection, found);
    Error error = connection->error(attempt, name);
    if (missing == Missing::raise || error.code != missing_code) throw error;
    return [](lua_State* state) {
      lua_pushnil(state);
      return 1;
    };
  };
  return run(L, connection, attempt, work);
}

inline bool looks_like_uuid(const std::string& text) {
  return text.size() == VIR_UUID_STRING_BUFLEN - 1 &&
         text.find_first_not_of("0123456789abcdefABCDEF-") == std::string::npos;
}

// By UUID when the text looks like one and there is such an object, by name otherwise.
template <class Pointer>
std::function<Pointer(virConnectPtr)> look_up_by(const std::string& name_or_uuid,
                                                 Pointer (*by_uuid)(virConnectPtr, const char*),
                                                 Pointer (*by_name)(virConnectPtr, const char*)) {
  return [name_or_uuid, by_uuid, by_name](virConnectPtr connection) {
    if (looks_like_uuid(name_or_uuid)) {
      if (Pointer found = by_uuid(connection, name_or_uuid.c_str())) return found;
    }
    return by_name(connection, name_or_uuid.c_str());
  };
}

}  // namespace drover::virt
