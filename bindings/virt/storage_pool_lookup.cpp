// Methods of virt.Connection that find and make pools. Tested by tests/bindings/virt/storage_test.lua.
#include "bindings/virt/storage_pool.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::Effect;
using core::Options;

constexpr FlagOption list_filters[] = {
    {"active", VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE},
    {"inactive", VIR_CONNECT_LIST_STORAGE_POOLS_INACTIVE},
    {"persistent", VIR_CONNECT_LIST_STORAGE_POOLS_PERSISTENT},
    {"transient", VIR_CONNECT_LIST_STORAGE_POOLS_TRANSIENT},
    {"autostart", VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART},
    {"no_autostart", VIR_CONNECT_LIST_STORAGE_POOLS_NO_AUTOSTART},
    {"dir", VIR_CONNECT_LIST_STORAGE_POOLS_DIR},
    {"fs", VIR_CONNECT_LIST_STORAGE_POOLS_FS},
    {"netfs", VIR_CONNECT_LIST_STORAGE_POOLS_NETFS},
    {"logical", VIR_CONNECT_LIST_STORAGE_POOLS_LOGICAL},
    {"disk", VIR_CONNECT_LIST_STORAGE_POOLS_DISK},
    {"iscsi", VIR_CONNECT_LIST_STORAGE_POOLS_ISCSI},
    {"iscsi_direct", VIR_CONNECT_LIST_STORAGE_POOLS_ISCSI_DIRECT},
    {"scsi", VIR_CONNECT_LIST_STORAGE_POOLS_SCSI},
    {"mpath", VIR_CONNECT_LIST_STORAGE_POOLS_MPATH},
    {"rbd", VIR_CONNECT_LIST_STORAGE_POOLS_RBD},
    {"sheepdog", VIR_CONNECT_LIST_STORAGE_POOLS_SHEEPDOG},
    {"gluster", VIR_CONNECT_LIST_STORAGE_POOLS_GLUSTER},
    {"zfs", VIR_CONNECT_LIST_STORAGE_POOLS_ZFS},
    {"vstorage", VIR_CONNECT_LIST_STORAGE_POOLS_VSTORAGE},
};

int pools(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.pools");
  Options options(L, 2, "Connection.pools");
  unsigned flags = read_flags(options, list_filters);
  options.finish();
  return list_objects<Pool>(L, connection, flags, virConnectListAllStoragePools);
}

int look_up(lua_State* L, const char* function, Missing missing) {
  const ConnectionPtr& connection = check_connection(L, 1, function);
  std::string wanted = Args(L, function).text(2, "name_or_uuid");
  return get_object<Pool>(
      L, connection, "find pool '" + wanted + "'", wanted,
      look_up_by<virStoragePoolPtr>(wanted, virStoragePoolLookupByUUIDString, virStoragePoolLookupByName), missing,
      "NO_POOL");
}

int pool(lua_State* L) { return look_up(L, "Connection.pool", Missing::raise); }
int find_pool(lua_State* L) { return look_up(L, "Connection.find_pool", Missing::nil); }

int pool_of_path(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.pool_of_path");
  std::string path = Args(L, "Connection.pool_of_path").text(2, "path");
  return get_object<Pool>(
      L, connection, "find the pool of '" + path + "'", path,
      [path](virConnectPtr pointer) { return virStoragePoolLookupByTargetPath(pointer, path.c_str()); }, Missing::nil,
      "NO_POOL");
}

int define_pool(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.define_pool");
  std::string xml = Args(L, "Connection.define_pool").text(2, "xml");
  Options options(L, 3, "Connection.define_pool");
  unsigned flags = options.flag("validate") ? VIR_STORAGE_POOL_DEFINE_VALIDATE : 0;
  options.finish();
  return get_object<Pool>(L, connection, "define a pool", "", [xml, flags](virConnectPtr pointer) {
    return virStoragePoolDefineXML(pointer, xml.c_str(), flags);
  });
}

int create_pool(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.create_pool");
  std::string xml = Args(L, "Connection.create_pool").text(2, "xml");
  Options options(L, 3, "Connection.create_pool");
  unsigned flags = read_pool_build(options);
  options.finish();
  return get_object<Pool>(L, connection, "create a pool", "", [xml, flags](virConnectPtr pointer) {
    return virStoragePoolCreateXML(pointer, xml.c_str(), flags);
  });
}

}  // namespace

std::vector<core::Function> pool_methods_of_connection() {
  const core::Value name{"name_or_uuid", "string", "Its name or its UUID."};
  const core::Value pool_xml{"xml", "string", "Pool XML."};
  const core::Value made{"pool", "virt.Pool", ""};
  const core::Value maybe{"pool?", "virt.Pool", ""};
  return {
      {"pools",
       pools,
       "The storage pools of the host, all of them without a filter.",
       {{"filter?", "table",
         "Booleans. Of one group any is enough, groups are combined: active, inactive; persistent, transient; "
         "autostart, no_autostart; dir, fs, netfs, logical, disk, iscsi, iscsi_direct, scsi, mpath, rbd, sheepdog, "
         "gluster, zfs, vstorage."}},
       {{"pools", "virt.Pool[]", ""}},
       "CONNECTION_LOST, UNKNOWN_OPTION, UNSUPPORTED",
       Blocking::yes},
      {"pool", pool, "One storage pool.", {name}, {made}, "NO_POOL, CONNECTION_LOST", Blocking::yes},
      {"find_pool",
       find_pool,
       "One storage pool, or nil when there is none of that name or UUID.",
       {name},
       {maybe},
       "CONNECTION_LOST",
       Blocking::yes},
      {"pool_of_path",
       pool_of_path,
       "The active pool whose target is that folder, or nil.",
       {{"path", "string", "The folder itself, as /var/lib/libvirt/images."}},
       {maybe},
       "CONNECTION_LOST",
       Blocking::yes},
      {"define_pool",
       define_pool,
       "Defines a persistent pool, or changes the definition of the one with this UUID. It is not started.",
       {pool_xml, {"options?", "table", "validate: boolean, against libvirt's schema."}},
       {made},
       "BAD_XML, ALREADY_EXISTS, UNSUPPORTED, READ_ONLY",
       Blocking::yes,
       Effect::changes},
      {"create_pool",
       create_pool,
       "Starts a pool that is not defined: it is gone when it stops.",
       {pool_xml, {"options?", "table", pool_build_doc}},
       {made},
       "BAD_XML, ALREADY_EXISTS, UNSUPPORTED, READ_ONLY, NO_SPACE",
       Blocking::yes,
       Effect::changes},
  };
}

}  // namespace drover::virt
