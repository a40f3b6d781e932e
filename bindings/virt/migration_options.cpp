#include "bindings/virt/migration_options.h"

#include <limits>

namespace drover::virt {

namespace {

constexpr int64_t no_limit = std::numeric_limits<int64_t>::max();
constexpr int64_t most_int = std::numeric_limits<int>::max();

constexpr MigrationFlag flags[] = {
    {"live", VIR_MIGRATE_LIVE, "it runs while it moves"},
    {"peer_to_peer", VIR_MIGRATE_PEER2PEER, "the source daemon leads; always so for migrate_to_uri, never for migrate"},
    {"tunnelled", VIR_MIGRATE_TUNNELLED, "memory goes through the daemons' connection; no copied disks, no post-copy"},
    {"persist_destination", VIR_MIGRATE_PERSIST_DEST, "it is defined at the destination"},
    {"undefine_source", VIR_MIGRATE_UNDEFINE_SOURCE,
     "its definition at the source goes; only with persist_destination"},
    {"paused", VIR_MIGRATE_PAUSED, "it stays paused at the destination"},
    {"non_shared_disk", VIR_MIGRATE_NON_SHARED_DISK, "disks are copied whole"},
    {"non_shared_incremental", VIR_MIGRATE_NON_SHARED_INC, "disks are copied above their shared backing file"},
    {"change_protection", VIR_MIGRATE_CHANGE_PROTECTION, "its definition cannot change while it moves"},
    {"unsafe", VIR_MIGRATE_UNSAFE, "gives up libvirt's check that no disk is damaged by caches"},
    {"offline", VIR_MIGRATE_OFFLINE, "the definition only, no disks, no NVRAM"},
    {"compressed", VIR_MIGRATE_COMPRESSED, "memory is compressed; methods in compression"},
    {"abort_on_error", VIR_MIGRATE_ABORT_ON_ERROR, "a disk error of the guest ends the move"},
    {"auto_converge", VIR_MIGRATE_AUTO_CONVERGE, "its CPUs are throttled when it writes too fast"},
    {"rdma_pin_all", VIR_MIGRATE_RDMA_PIN_ALL, "all memory is pinned before an RDMA move"},
    {"post_copy", VIR_MIGRATE_POSTCOPY, "start_post_copy is allowed"},
    {"tls", VIR_MIGRATE_TLS, "QEMU encrypts with TLS"},
    {"parallel", VIR_MIGRATE_PARALLEL, "several connections carry the memory"},
    {"non_shared_synchronous_writes", VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES,
     "writes of the guest wait until the copy has them, so that copying disks converges"},
    {"post_copy_resume", VIR_MIGRATE_POSTCOPY_RESUME, "goes on with a post-copy move that broke"},
    {"zero_copy", VIR_MIGRATE_ZEROCOPY, "memory is sent without copying it; needs parallel"},
};

using Kind = MigrationKind;

constexpr MigrationParameter parameters[] = {
    {"uri", VIR_MIGRATE_PARAM_URI, Kind::text, 0, 0, "where the memory goes: tcp://host:port, unix:///path"},
    {"destination_name", VIR_MIGRATE_PARAM_DEST_NAME, Kind::text, 0, 0, "another name there"},
    {"destination_xml", VIR_MIGRATE_PARAM_DEST_XML, Kind::text, 0, 0, "the XML that runs there"},
    {"persistent_xml", VIR_MIGRATE_PARAM_PERSIST_XML, Kind::text, 0, 0, "the XML that is defined there"},
    {"bandwidth_mibps", VIR_MIGRATE_PARAM_BANDWIDTH, Kind::long_number, 0, no_limit, "MiB/s at most"},
    {"bandwidth_post_copy_mibps", VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY, Kind::long_number, 0, no_limit,
     "MiB/s at most in post-copy; 0 for no limit"},
    {"graphics_uri", VIR_MIGRATE_PARAM_GRAPHICS_URI, Kind::text, 0, 0, "where graphics clients go on"},
    {"listen_address", VIR_MIGRATE_PARAM_LISTEN_ADDRESS, Kind::text, 0, 0, "what QEMU listens on there"},
    {"migrate_disks", VIR_MIGRATE_PARAM_MIGRATE_DISKS, Kind::texts, 0, 0, "list of the disks to copy, as vda"},
    {"disks_port", VIR_MIGRATE_PARAM_DISKS_PORT, Kind::int_number, 0, 65535, "port for the disks there"},
    {"disks_uri", VIR_MIGRATE_PARAM_DISKS_URI, Kind::text, 0, 0, "where the disks go: tcp://host:port, unix:///path"},
    {"compression", VIR_MIGRATE_PARAM_COMPRESSION, Kind::texts, 0, 0, "list of methods: xbzrle, mt"},
    {"compression_mt_level", VIR_MIGRATE_PARAM_COMPRESSION_MT_LEVEL, Kind::int_number, 0, 9, "0 to 9"},
    {"compression_mt_threads", VIR_MIGRATE_PARAM_COMPRESSION_MT_THREADS, Kind::int_number, 1, most_int, "threads"},
    {"compression_mt_decompression_threads", VIR_MIGRATE_PARAM_COMPRESSION_MT_DTHREADS, Kind::int_number, 1, most_int,
     "threads there"},
    {"compression_xbzrle_cache_bytes", VIR_MIGRATE_PARAM_COMPRESSION_XBZRLE_CACHE, Kind::long_number, 1, no_limit,
     "size of the page cache"},
    {"auto_converge_initial", VIR_MIGRATE_PARAM_AUTO_CONVERGE_INITIAL, Kind::int_number, 1, 99,
     "first throttling, in percent"},
    {"auto_converge_increment", VIR_MIGRATE_PARAM_AUTO_CONVERGE_INCREMENT, Kind::int_number, 1, 99,
     "percent added each time"},
    {"parallel_connections", VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS, Kind::int_number, 1, 255, "how many"},
    {"tls_destination", VIR_MIGRATE_PARAM_TLS_DESTINATION, Kind::text, 0, 0,
     "the name in the destination's certificate"},
};

void read_parameter(core::Options& options, const MigrationParameter& parameter, MigrationRequest& request) {
  auto add = [&](Scalar value) { request.parameters.emplace_back(&parameter, std::move(value)); };
  switch (parameter.kind) {
    case Kind::text:
      if (auto text = options.text(parameter.name)) add(*text);
      return;
    case Kind::texts:
      if (auto texts = options.text_list(parameter.name)) {
        for (const std::string& text : *texts) add(text);
      }
      return;
    default:
      if (auto number = options.integer(parameter.name, parameter.least, parameter.most)) add(*number);
  }
}

void check_mode(const MigrationRequest& request, const char* function, std::optional<bool> asked, bool peer_to_peer) {
  // virDomainMigrate3 refuses the flag itself. [libvirt src/libvirt-domain.c]
  if (!peer_to_peer && asked.value_or(false)) {
    throw Error("virt", "WRONG_MODE", std::string(function) + " leads the move itself: it cannot be peer_to_peer")
        .with_hint("domain:migrate_to_uri(uri, options) lets the source's daemon lead");
  }
  if (peer_to_peer && !asked.value_or(true)) {
    throw Error("virt", "WRONG_MODE", std::string(function) + " is always peer_to_peer")
        .with_hint("domain:migrate(connection, options) leads the move from here");
  }
  if (!peer_to_peer && (request.flags & VIR_MIGRATE_TUNNELLED) != 0) {
    throw Error("virt", "WRONG_MODE", "tunnelled needs a move that the source's daemon leads")
        .with_hint("use domain:migrate_to_uri(uri, { tunnelled = true, ... })");
  }
}

}  // namespace

std::span<const MigrationFlag> migration_flags() { return flags; }
std::span<const MigrationParameter> migration_parameters() { return parameters; }

std::string migration_options_doc() {
  std::string text = "Booleans: ";
  for (const MigrationFlag& flag : flags) text += std::string(flag.name) + " (" + flag.doc + "), ";
  text += "all false without them. Values: ";
  for (const MigrationParameter& parameter : parameters) {
    text += std::string(parameter.name) + " (" + parameter.doc + "), ";
  }
  text.resize(text.size() - 2);
  return text + ".";
}

void MigrationRequest::write_to(TypedParameters& list) const {
  for (const auto& [parameter, value] : parameters) {
    int result = 0;
    const char* name = parameter->libvirt_name;
    switch (parameter->kind) {
      case Kind::int_number:
        result = virTypedParamsAddInt(&list.list, &list.count, &list.capacity, name,
                                      static_cast<int>(std::get<int64_t>(value)));
        break;
      case Kind::long_number:
        result = virTypedParamsAddULLong(&list.list, &list.count, &list.capacity, name,
                                         static_cast<unsigned long long>(std::get<int64_t>(value)));
        break;
      default:
        result = virTypedParamsAddString(&list.list, &list.count, &list.capacity, name,
                                         std::get<std::string>(value).c_str());
    }
    if (result < 0) throw last_error(std::string("set ") + parameter->name, "localhost");
  }
}

MigrationRequest read_migration_options(lua_State* L, int index, const char* function, bool peer_to_peer) {
  MigrationRequest request;
  core::Options options(L, index, function);
  auto asked_peer_to_peer = options.boolean("peer_to_peer");
  for (const MigrationFlag& flag : flags) {
    if (flag.flag != VIR_MIGRATE_PEER2PEER && options.flag(flag.name)) request.flags |= flag.flag;
  }
  for (const MigrationParameter& parameter : parameters) read_parameter(options, parameter, request);
  options.finish();
  check_mode(request, function, asked_peer_to_peer, peer_to_peer);
  if (peer_to_peer) request.flags |= VIR_MIGRATE_PEER2PEER;
  // Together they would leave no definition anywhere. [libvirt-tck scripts/domain/300-migration.t]
  if ((request.flags & VIR_MIGRATE_UNDEFINE_SOURCE) != 0 && (request.flags & VIR_MIGRATE_PERSIST_DEST) == 0) {
    throw Error("virt", "UNDEFINE_PAIR",
                "undefine_source without persist_destination would leave no definition of the domain on any host")
        .with_hint("add persist_destination = true, or undefine the source later");
  }
  return request;
}

}  // namespace drover::virt
