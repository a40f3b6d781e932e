#include "bindings/virt/storage_volume.h"

#include "bindings/virt/enums.h"
#include "bindings/virt/object_methods.h"
#include "bindings/virt/scalar.h"
#include "bindings/virt/storage_pool.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::Effect;
using core::Options;
using core::Push;
using VolumeCall = ObjectCall<Volume>;

constexpr EnumName<> volume_types[] = {
    {VIR_STORAGE_VOL_FILE, "file"},       {VIR_STORAGE_VOL_BLOCK, "block"},   {VIR_STORAGE_VOL_DIR, "dir"},
    {VIR_STORAGE_VOL_NETWORK, "network"}, {VIR_STORAGE_VOL_NETDIR, "netdir"}, {VIR_STORAGE_VOL_PLOOP, "ploop"},
};

constexpr EnumName<> wipe_algorithms[] = {
    {VIR_STORAGE_VOL_WIPE_ALG_ZERO, "zero"},
    {VIR_STORAGE_VOL_WIPE_ALG_NNSA, "nnsa"},
    {VIR_STORAGE_VOL_WIPE_ALG_DOD, "dod"},
    {VIR_STORAGE_VOL_WIPE_ALG_BSI, "bsi"},
    {VIR_STORAGE_VOL_WIPE_ALG_GUTMANN, "gutmann"},
    {VIR_STORAGE_VOL_WIPE_ALG_SCHNEIER, "schneier"},
    {VIR_STORAGE_VOL_WIPE_ALG_PFITZNER7, "pfitzner7"},
    {VIR_STORAGE_VOL_WIPE_ALG_PFITZNER33, "pfitzner33"},
    {VIR_STORAGE_VOL_WIPE_ALG_RANDOM, "random"},
    {VIR_STORAGE_VOL_WIPE_ALG_TRIM, "trim"},
};

int name(lua_State* L) {
  core::push(L, begin_call<Volume>(L, "Volume.name", "read the name of").name);
  return 1;
}

int key(lua_State* L) {
  core::push(L, virStorageVolGetKey(begin_call<Volume>(L, "Volume.key", "read the key of").get()));
  return 1;
}

int path(lua_State* L) { return read_text<Volume>(L, "Volume.path", "read the path of", virStorageVolGetPath); }

int pool_of_volume(lua_State* L) {
  auto call = begin_call<Volume>(L, "Volume.pool", "find the pool of");
  return get_object<Pool>(L, call.connection, call.attempt, call.name,
                          [call](virConnectPtr) { return virStoragePoolLookupByVolume(call.get()); });
}

int volume_info(lua_State* L) {
  Options options(L, 2, "Volume.info");
  bool physical = options.flag("physical");
  options.finish();
  auto call = begin_call<Volume>(L, "Volume.info", "read the sizes of");
  return run_call<Volume>(L, std::move(call), [physical](const VolumeCall& one) -> Push {
    virStorageVolInfo info{};
    one.checked(virStorageVolGetInfo(one.get(), &info));
    std::optional<int64_t> physical_bytes;
    if (physical) {
      // With this flag libvirt gives the physical size in the place of the allocation.
      virStorageVolInfo other{};
      one.checked(virStorageVolGetInfoFlags(one.get(), &other, VIR_STORAGE_VOL_GET_PHYSICAL));
      physical_bytes = to_integer(other.allocation);
    }
    return [info, physical_bytes](lua_State* state) {
      lua_createtable(state, 0, 4);
      core::set_field(state, "type", enum_name(volume_types, info.type));
      core::set_field(state, "capacity_bytes", to_integer(info.capacity));
      core::set_field(state, "allocation_bytes", to_integer(info.allocation));
      core::set_field(state, "physical_bytes", physical_bytes);
      return 1;
    };
  });
}

int xml(lua_State* L) {
  return read_text<Volume>(L, "Volume.xml", "read the XML of",
                           [](virStorageVolPtr volume) { return virStorageVolGetXMLDesc(volume, 0); });
}

int delete_volume(lua_State* L) {
  static constexpr FlagOption choices[] = {{"zeroed", VIR_STORAGE_VOL_DELETE_ZEROED},
                                           {"with_snapshots", VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS}};
  Options options(L, 2, "Volume.delete");
  unsigned flags = read_flags(options, choices);
  options.finish();
  return change<Volume>(L, "Volume.delete", "delete",
                        [flags](virStorageVolPtr volume) { return virStorageVolDelete(volume, flags); });
}

int resize(lua_State* L) {
  static constexpr FlagOption choices[] = {{"allocate", VIR_STORAGE_VOL_RESIZE_ALLOCATE},
                                           {"delta", VIR_STORAGE_VOL_RESIZE_DELTA},
                                           {"shrink", VIR_STORAGE_VOL_RESIZE_SHRINK}};
  auto size_bytes = static_cast<unsigned long long>(Args(L, "Volume.resize").integer(2, "size_bytes", 1));
  Options options(L, 3, "Volume.resize");
  unsigned flags = read_flags(options, choices);
  options.finish();
  return change<Volume>(L, "Volume.resize", "resize", [size_bytes, flags](virStorageVolPtr volume) {
    return virStorageVolResize(volume, size_bytes, flags);
  });
}

int wipe(lua_State* L) {
  Options options(L, 2, "Volume.wipe");
  auto chosen = options.choice("algorithm", enum_names(wipe_algorithms));
  options.finish();
  auto algorithm = static_cast<unsigned>(enum_number(wipe_algorithms, chosen.value_or("zero")));
  return change<Volume>(L, "Volume.wipe", "wipe", [algorithm](virStorageVolPtr volume) {
    return virStorageVolWipePattern(volume, algorithm, 0);
  });
}

int look_up_path(lua_State* L, const char* function, Missing missing) {
  const ConnectionPtr& connection = check_connection(L, 1, function);
  std::string wanted = Args(L, function).text(2, "path");
  return get_object<Volume>(
      L, connection, "find volume '" + wanted + "'", wanted,
      [wanted](virConnectPtr pointer) { return virStorageVolLookupByPath(pointer, wanted.c_str()); }, missing,
      "NO_VOLUME");
}

int volume_at_path(lua_State* L) { return look_up_path(L, "Connection.volume", Missing::raise); }
int find_volume_at_path(lua_State* L) { return look_up_path(L, "Connection.volume_of_path", Missing::nil); }

}  // namespace

std::vector<core::Function> volume_methods_of_connection() {
  const core::Value wanted{"path", "string", "Path of a file or a block device on that host."};
  return {
      {"volume",
       volume_at_path,
       "The volume of that path, of any active pool.",
       {wanted},
       {{"volume", "virt.Volume", ""}},
       "NO_VOLUME, CONNECTION_LOST",
       Blocking::yes},
      {"volume_of_path",
       find_volume_at_path,
       "The volume of that path, or nil when no active pool has it (as of its last refresh).",
       {wanted},
       {{"volume?", "virt.Volume", ""}},
       "CONNECTION_LOST",
       Blocking::yes},
  };
}

core::Class volume_class() {
  const std::vector<core::Value> self{{"volume", "virt.Volume", "This volume."}};
  return {
      Volume::lua_name,
      "A volume of a storage pool: an image file, a logical volume, ...",
      {
          {"name", name, "Its name in its pool.", {}, {{"name", "string", "Its name."}}, "CONNECTION_CLOSED"},
          tostring_method<Volume>(),
          {"key",
           key,
           "What names it on its host whatever its pool is called; for files the path.",
           {},
           {{"key", "string", ""}},
           "CONNECTION_CLOSED"},
          {"path",
           path,
           "Its path on its host.",
           {},
           {{"path", "string", ""}},
           "NO_VOLUME, CONNECTION_LOST",
           Blocking::yes},
          {"pool",
           pool_of_volume,
           "The pool that it is in.",
           {},
           {{"pool", "virt.Pool", ""}},
           "NO_POOL, CONNECTION_LOST",
           Blocking::yes},
          {"info",
           volume_info,
           "Type (file, block, dir, network, netdir, ploop) and sizes in bytes.",
           {{"options?", "table", "physical: boolean, reads the size on the storage too."}},
           {{"info", "table", "type, capacity_bytes, allocation_bytes, and physical_bytes when asked for"}},
           "NO_VOLUME, UNSUPPORTED, CONNECTION_LOST",
           Blocking::yes},
          {"xml", xml, "Its XML.", {}, {{"xml", "string", ""}}, "NO_VOLUME, CONNECTION_LOST", Blocking::yes},
          {"delete",
           delete_volume,
           "Deletes it, with its data. libvirt does not ask whether a domain uses it.",
           {{"options?", "table", "zeroed: boolean, overwrites it first. with_snapshots: boolean."}},
           self,
           "NO_VOLUME, OPERATION_INVALID, UNSUPPORTED, READ_ONLY",
           Blocking::yes,
           Effect::changes},
          {"resize",
           resize,
           "Changes its capacity. Not for a volume that a running domain uses: see Domain.",
           {{"size_bytes", "integer", "The new capacity, or by how much with delta."},
            {"options?", "table",
             "allocate: boolean, takes the space at once. delta: boolean, size_bytes is added. shrink: boolean, a "
             "smaller capacity is meant; with delta it is taken away."}},
           self,
           "NO_VOLUME, INVALID_ARGUMENT, NO_SPACE, UNSUPPORTED, READ_ONLY",
           Blocking::yes,
           Effect::changes},
          {"wipe",
           wipe,
           "Overwrites its data. A cancelled script does not stop it.",
           {{"options?", "table",
             "algorithm: zero (default), nnsa, dod, bsi, gutmann, schneier, pfitzner7, pfitzner33, random, trim. All "
             "but zero need the program scrub on that host."}},
           self,
           "NO_VOLUME, OPERATION_FAILED, UNSUPPORTED, BAD_ARGUMENT, READ_ONLY",
           Blocking::yes,
           Effect::changes},
      },
      core::destroy_object<Volume>};
}

}  // namespace drover::virt
