#include "bindings/virt/storage_pool.h"

#include "bindings/virt/enums.h"
#include "bindings/virt/object_methods.h"
#include "bindings/virt/scalar.h"
#include "bindings/virt/storage_volume.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::Effect;
using core::Options;
using core::Push;
using PoolCall = ObjectCall<Pool>;

constexpr EnumName<> pool_states[] = {
    {VIR_STORAGE_POOL_INACTIVE, "inactive"},         {VIR_STORAGE_POOL_BUILDING, "building"},
    {VIR_STORAGE_POOL_RUNNING, "running"},           {VIR_STORAGE_POOL_DEGRADED, "degraded"},
    {VIR_STORAGE_POOL_INACCESSIBLE, "inaccessible"},
};

int info(lua_State* L) {
  return run_call<Pool>(L, begin_call<Pool>(L, "Pool.info", "read the sizes of"), [](const PoolCall& call) -> Push {
    virStoragePoolInfo info{};
    call.checked(virStoragePoolGetInfo(call.get(), &info));
    return [info](lua_State* state) {
      lua_createtable(state, 0, 4);
      core::set_field(state, "state", enum_name(pool_states, info.state));
      core::set_field(state, "capacity_bytes", to_integer(info.capacity));
      core::set_field(state, "allocation_bytes", to_integer(info.allocation));
      core::set_field(state, "available_bytes", to_integer(info.available));
      return 1;
    };
  });
}

int start(lua_State* L) {
  Options options(L, 2, "Pool.start");
  unsigned flags = read_pool_build(options);
  options.finish();
  return change<Pool>(L, "Pool.start", "start",
                      [flags](virStoragePoolPtr pool) { return virStoragePoolCreate(pool, flags); });
}

int stop(lua_State* L) { return change<Pool>(L, "Pool.stop", "stop", virStoragePoolDestroy); }

int refresh(lua_State* L) {
  return change<Pool>(L, "Pool.refresh", "refresh",
                      [](virStoragePoolPtr pool) { return virStoragePoolRefresh(pool, 0); });
}

int build(lua_State* L) {
  Options options(L, 2, "Pool.build");
  auto overwrite = options.boolean("overwrite");
  unsigned flags = !overwrite ? 0 : *overwrite ? VIR_STORAGE_POOL_BUILD_OVERWRITE : VIR_STORAGE_POOL_BUILD_NO_OVERWRITE;
  options.finish();
  return change<Pool>(L, "Pool.build", "build",
                      [flags](virStoragePoolPtr pool) { return virStoragePoolBuild(pool, flags); });
}

int delete_pool(lua_State* L) {
  Options options(L, 2, "Pool.delete");
  unsigned flags = options.flag("zeroed") ? VIR_STORAGE_POOL_DELETE_ZEROED : VIR_STORAGE_POOL_DELETE_NORMAL;
  options.finish();
  return change<Pool>(L, "Pool.delete", "delete the storage of",
                      [flags](virStoragePoolPtr pool) { return virStoragePoolDelete(pool, flags); });
}

int undefine(lua_State* L) { return change<Pool>(L, "Pool.undefine", "undefine", virStoragePoolUndefine); }

int volumes(lua_State* L) {
  return run_call<Pool>(L, begin_call<Pool>(L, "Pool.volumes", "list the volumes of"), [](const PoolCall& call) {
    virStorageVolPtr* found = nullptr;
    int count = call.checked(virStoragePoolListAllVolumes(call.get(), &found, 0));
    return push_list<Volume>(call.connection, take_list(found, count));
  });
}

int look_up_volume(lua_State* L, const char* function, Missing missing) {
  std::string wanted = Args(L, function).text(2, "name");
  auto call = begin_call<Pool>(L, function, "find volume '" + wanted + "' in");
  return get_object<Volume>(
      L, call.connection, call.attempt, wanted,
      [call, wanted](virConnectPtr) { return virStorageVolLookupByName(call.get(), wanted.c_str()); }, missing,
      "NO_VOLUME");
}

int volume(lua_State* L) { return look_up_volume(L, "Pool.volume", Missing::raise); }
int find_volume(lua_State* L) { return look_up_volume(L, "Pool.find_volume", Missing::nil); }

constexpr FlagOption creation_options[] = {
    {"preallocate", VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA},
    {"reflink", VIR_STORAGE_VOL_CREATE_REFLINK},
    {"validate", VIR_STORAGE_VOL_CREATE_VALIDATE},
};

int create_volume(lua_State* L) {
  std::string text = Args(L, "Pool.create_volume").text(2, "xml");
  Options options(L, 3, "Pool.create_volume");
  unsigned flags = read_flags(options, creation_options);
  options.finish();
  auto call = begin_call<Pool>(L, "Pool.create_volume", "create a volume in");
  return get_object<Volume>(L, call.connection, call.attempt, call.name, [call, text, flags](virConnectPtr) {
    return virStorageVolCreateXML(call.get(), text.c_str(), flags);
  });
}

int clone_volume(lua_State* L) {
  std::string text = Args(L, "Pool.clone_volume").text(2, "xml");
  const auto& source = core::check_object<Volume>(L, 3, "Pool.clone_volume", "source").handle;
  Options options(L, 4, "Pool.clone_volume");
  unsigned flags = read_flags(options, creation_options);
  options.finish();
  auto call = begin_call<Pool>(L, "Pool.clone_volume", "clone a volume into");
  // libvirt copies within one daemon; with a volume of another it would look for the same key on this host.
  if (source.connection() != call.connection) {
    throw Error("virt", "BAD_ARGUMENT", "cannot " + call.attempt + ": the source is of another connection")
        .on_host(call.connection->host());
  }
  auto original = source.use(call.attempt);
  return get_object<Volume>(L, call.connection, call.attempt, call.name, [call, text, original, flags](virConnectPtr) {
    return virStorageVolCreateXMLFrom(call.get(), text.c_str(), original.get(), flags);
  });
}

std::vector<core::Function> volume_functions_of_pool() {
  const core::Value volume_xml{"xml", "string", "Volume XML."};
  const core::Value choices{"options?", "table",
                            "preallocate: boolean, metadata of a qcow2 image. reflink: boolean, share blocks where the "
                            "file system can. validate: boolean, against libvirt's schema; libvirt 9.0 refuses it."};
  const core::Value made{"volume", "virt.Volume", ""};
  const std::string errors = "BAD_XML, ALREADY_EXISTS, NO_SPACE, UNSUPPORTED, OPERATION_INVALID, READ_ONLY";
  return {
      {"volumes",
       volumes,
       "The volumes of the active pool, as of its last refresh.",
       {},
       {{"volumes", "virt.Volume[]", ""}},
       "OPERATION_INVALID, CONNECTION_LOST",
       Blocking::yes},
      {"volume",
       volume,
       "The volume of that name.",
       {{"name", "string", "Its name."}},
       {made},
       "NO_VOLUME, OPERATION_INVALID",
       Blocking::yes},
      {"find_volume",
       find_volume,
       "The volume of that name, or nil.",
       {{"name", "string", "Its name."}},
       {{"volume?", "virt.Volume", ""}},
       "OPERATION_INVALID",
       Blocking::yes},
      {"create_volume",
       create_volume,
       "Creates a volume. Never replaces one.",
       {volume_xml, choices},
       {made},
       errors,
       Blocking::yes,
       Effect::changes},
      {"clone_volume",
       clone_volume,
       "Creates a volume with the content of another one of the same host. Copies as long as it takes: a cancelled "
       "script does not stop it.",
       {volume_xml, {"source", "virt.Volume", "Of the same connection; nothing may write to it."}, choices},
       {made},
       errors + ", NO_VOLUME, BAD_ARGUMENT",
       Blocking::yes,
       Effect::changes},
  };
}

std::vector<core::Function> pool_functions() {
  const std::vector<core::Value> self{this_object<Pool>()};
  const core::Value start_options{"options?", "table", pool_build_doc};
  return {
      name_method<Pool>(),
      tostring_method<Pool>(),
      uuid_method<Pool, virStoragePoolGetUUIDString>(),
      {"info",
       info,
       "State (inactive, building, running, degraded, inaccessible) and sizes in bytes, as of the last refresh.",
       {},
       {{"info", "table", "state, capacity_bytes, allocation_bytes, available_bytes"}},
       "NO_POOL, CONNECTION_LOST",
       Blocking::yes},
      xml_method<Pool, virStoragePoolGetXMLDesc, VIR_STORAGE_XML_INACTIVE>("NO_POOL"),
      is_active_method<Pool, virStoragePoolIsActive>("Whether it is started."),
      is_persistent_method<Pool, virStoragePoolIsPersistent>(),
      autostart_method<Pool, virStoragePoolGetAutostart>("NO_POOL"),
      {"start",
       start,
       "Starts it.",
       {start_options},
       self,
       "OPERATION_INVALID, NO_SPACE, READ_ONLY",
       Blocking::yes,
       Effect::changes},
      {"stop",
       stop,
       "Stops it. Its volumes stay, and domains keep what they have open.",
       {},
       self,
       "OPERATION_INVALID, READ_ONLY",
       Blocking::yes,
       Effect::changes},
      {"refresh",
       refresh,
       "Reads again what volumes and space there are.",
       {},
       self,
       "OPERATION_INVALID",
       Blocking::yes,
       Effect::changes},
      {"build",
       build,
       "Makes the storage of an inactive pool: the folder, the file system, the volume group.",
       {{"options?", "table",
         "overwrite: boolean, true destroys what is there, false refuses when something is; only for "
         "pools that format something (fs, logical, disk)."}},
       self,
       "OPERATION_INVALID, READ_ONLY",
       Blocking::yes,
       Effect::changes},
      {"delete",
       delete_pool,
       "Deletes the storage of an inactive pool, with all that is in it.",
       {{"options?", "table", "zeroed: boolean, overwrites it first."}},
       self,
       "OPERATION_INVALID, UNSUPPORTED, READ_ONLY",
       Blocking::yes,
       Effect::changes},
      {"undefine",
       undefine,
       "Removes the definition of an inactive pool. Its storage stays.",
       {},
       self,
       "OPERATION_INVALID, READ_ONLY",
       Blocking::yes,
       Effect::changes},
      set_autostart_method<Pool, virStoragePoolSetAutostart>("OPERATION_INVALID, READ_ONLY"),
  };
}

}  // namespace

const char* const pool_build_doc =
    "build: boolean, makes its storage first. overwrite: boolean, with build: true destroys what is there, false "
    "refuses when something is; only for pools that format something (fs, logical, disk).";

unsigned read_pool_build(Options& options) {
  bool wanted = options.flag("build");
  auto overwrite = options.boolean("overwrite");
  if (overwrite && !wanted) options.fail("overwrite", "build = true beside it", "no build");
  if (!wanted) return VIR_STORAGE_POOL_CREATE_NORMAL;
  if (!overwrite) return VIR_STORAGE_POOL_CREATE_WITH_BUILD;
  return *overwrite ? VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE : VIR_STORAGE_POOL_CREATE_WITH_BUILD_NO_OVERWRITE;
}

core::Class pool_class() {
  std::vector<core::Function> methods = pool_functions();
  for (core::Function& function : volume_functions_of_pool()) methods.push_back(std::move(function));
  return {Pool::lua_name, "A storage pool of a connection.", std::move(methods), core::destroy_object<Pool>};
}

}  // namespace drover::virt
