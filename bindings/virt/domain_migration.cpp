// Moving a domain, and steering the move while it runs. Tested by tests/bindings/virt/migration_test.lua (refusals)
// and the lab (real moves).
#include "bindings/virt/cancellable_move.h"
#include "bindings/virt/domain.h"
#include "bindings/virt/migration_options.h"
#include "bindings/virt/run.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::CancelToken;
using core::Effect;
using core::OnCancel;
using core::Options;
using core::Push;

MoveSteps steps_of(const DomainCall& call, std::function<void()> move) {
  return {std::move(move), [domain = call.domain] { virDomainAbortJob(domain.get()); },
          "move of domain '" + call.name + "'", call.connection->host()};
}

// Always on a worker: a move takes its time on every driver.
int migrate(lua_State* L) {
  DomainCall call = begin_domain_call(L, "Domain.migrate", "migrate domain");
  const ConnectionPtr& destination = check_connection(L, 2, "Domain.migrate");
  MigrationRequest request = read_migration_options(L, 3, "Domain.migrate", false);
  auto destination_pointer = destination->use(call.attempt);
  std::string description = call.attempt + " to " + destination->host();
  return start_call(
      L, call.connection, description,
      [call, destination, destination_pointer, request](CancelToken& token) -> Push {
        // Shared: a move that outlives its waiter writes here.
        auto moved = std::make_shared<DomainRef>();
        run_cancellable_move(
            steps_of(call,
                     [call, destination_pointer, request, moved] {
                       TypedParameters parameters;
                       request.write_to(parameters);
                       *moved = DomainRef(virDomainMigrate3(call.get(), destination_pointer.get(), parameters.list,
                                                            static_cast<unsigned>(parameters.count), request.flags));
                       if (!*moved) throw call.error();
                     }),
            token);
        return push_domain(destination, *moved);
      },
      OnCancel::wait);
}

int migrate_to_uri(lua_State* L) {
  DomainCall call = begin_domain_call(L, "Domain.migrate_to_uri", "migrate domain");
  std::string uri = checked_uri(Args(L, "Domain.migrate_to_uri").text(2, "uri"));
  MigrationRequest request = read_migration_options(L, 3, "Domain.migrate_to_uri", true);
  return start_call(
      L, call.connection, call.attempt + " to " + host_of_uri(uri),
      [call, uri, request](CancelToken& token) -> Push {
        auto started = std::chrono::steady_clock::now();
        run_cancellable_move(
            steps_of(call,
                     [call, uri, request] {
                       TypedParameters parameters;
                       request.write_to(parameters);
                       call.checked(virDomainMigrateToURI3(call.get(), uri.c_str(), parameters.list,
                                                           static_cast<unsigned>(parameters.count), request.flags));
                     }),
            token);
        auto elapsed = std::chrono::steady_clock::now() - started;
        return [elapsed](lua_State* state) {
          lua_createtable(state, 0, 1);
          core::set_field(state, "elapsed_ms",
                          static_cast<int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count()));
          return 1;
        };
      },
      OnCancel::wait);
}

int migrate_max_downtime_ms(lua_State* L) {
  return run_domain_call(L, begin_domain_call(L, "Domain.migrate_max_downtime_ms", "read the downtime limit of domain"),
                         [](const DomainCall& call) -> Push {
                           unsigned long long downtime_ms = 0;
                           call.checked(virDomainMigrateGetMaxDowntime(call.get(), &downtime_ms, 0));
                           return push_value(to_integer(downtime_ms));
                         });
}

int set_migrate_max_downtime_ms(lua_State* L) {
  constexpr int64_t most_ms = 2000 * 1000;  // QEMU's own limit
  auto downtime_ms = static_cast<unsigned long long>(
      Args(L, "Domain.set_migrate_max_downtime_ms").integer(2, "downtime_ms", 1, most_ms));
  return change_domain(L, "Domain.set_migrate_max_downtime_ms", "set the downtime limit of domain",
                       [=](virDomainPtr domain) { return virDomainMigrateSetMaxDowntime(domain, downtime_ms, 0); });
}

int migrate_max_speed_mibps(lua_State* L) {
  Options options(L, 2, "Domain.migrate_max_speed_mibps");
  unsigned flags = options.flag("post_copy") ? VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY : 0;
  options.finish();
  return run_domain_call(L, begin_domain_call(L, "Domain.migrate_max_speed_mibps", "read the speed limit of domain"),
                         [flags](const DomainCall& call) -> Push {
                           unsigned long speed_mibps = 0;
                           call.checked(virDomainMigrateGetMaxSpeed(call.get(), &speed_mibps, flags));
                           return push_value(to_integer(speed_mibps));
                         });
}

int set_migrate_max_speed_mibps(lua_State* L) {
  constexpr int64_t most_mibps = INT64_MAX >> 20;  // libvirt makes bytes of it
  auto speed_mibps = static_cast<unsigned long>(
      Args(L, "Domain.set_migrate_max_speed_mibps").integer(2, "speed_mibps", 0, most_mibps));
  Options options(L, 3, "Domain.set_migrate_max_speed_mibps");
  unsigned flags = options.flag("post_copy") ? VIR_DOMAIN_MIGRATE_MAX_SPEED_POSTCOPY : 0;
  options.finish();
  return change_domain(L, "Domain.set_migrate_max_speed_mibps", "set the speed limit of domain",
                       [=](virDomainPtr domain) { return virDomainMigrateSetMaxSpeed(domain, speed_mibps, flags); });
}

int compression_cache_bytes(lua_State* L) {
  return run_domain_call(L,
                         begin_domain_call(L, "Domain.compression_cache_bytes", "read the compression cache of domain"),
                         [](const DomainCall& call) -> Push {
                           unsigned long long bytes = 0;
                           call.checked(virDomainMigrateGetCompressionCache(call.get(), &bytes, 0));
                           return push_value(to_integer(bytes));
                         });
}

int set_compression_cache_bytes(lua_State* L) {
  auto bytes =
      static_cast<unsigned long long>(Args(L, "Domain.set_compression_cache_bytes").integer(2, "cache_bytes", 1));
  return change_domain(L, "Domain.set_compression_cache_bytes", "set the compression cache of domain",
                       [=](virDomainPtr domain) { return virDomainMigrateSetCompressionCache(domain, bytes, 0); });
}

int start_post_copy(lua_State* L) {
  return change_domain(L, "Domain.start_post_copy", "switch to post-copy the move of domain",
                       [](virDomainPtr domain) { return virDomainMigrateStartPostCopy(domain, 0); });
}

constexpr const char* move_errors =
    "CANCELLED, OPERATION_ABORTED, MIGRATE_UNSAFE, CPU_INCOMPATIBLE, NO_DOMAIN, DOMAIN_BUSY, OPERATION_INVALID, "
    "OPERATION_FAILED, ALREADY_EXISTS, NO_SPACE, UNSUPPORTED, CONNECTION_LOST, NO_CONNECTION, AUTH_FAILED, "
    "HOST_KEY_CHANGED, HOST_KEY_UNKNOWN, MIGRATE_PERSIST_FAILED, MIGRATE_FINISHED, UNDEFINE_PAIR, WRONG_MODE, "
    "INSECURE_URI, READ_ONLY, UNKNOWN_OPTION";

core::Function setting(const char* name, lua_CFunction call, const char* doc, std::vector<core::Value> params) {
  return {name,
          call,
          doc,
          std::move(params),
          {{"domain", "virt.Domain", "The same domain."}},
          "NO_DOMAIN, OPERATION_INVALID, INVALID_ARGUMENT, UNSUPPORTED, CONNECTION_LOST, READ_ONLY",
          Blocking::yes,
          Effect::changes};
}

core::Function reading(const char* name, lua_CFunction call, const char* doc, std::vector<core::Value> params) {
  return {name,
          call,
          doc,
          std::move(params),
          {{"value", "integer", ""}},
          "NO_DOMAIN, OPERATION_INVALID, UNSUPPORTED, CONNECTION_LOST",
          Blocking::yes};
}

}  // namespace

std::vector<core::Function> domain_migration_methods() {
  static const std::string options_doc = migration_options_doc();
  core::Value options{"options?", "table", options_doc};
  core::Value phase{"options?", "table", "post_copy: boolean, the limit of the post-copy phase."};
  return {
      {"migrate",
       migrate,
       "Moves it; this program leads and both connections carry the control. If this program dies the move is aborted "
       "where that is possible. Cancelling the task aborts the job on the source until the call returns, within 30 s; "
       "then ask both hosts where the domain is.",
       {{"destination", "virt.Connection", "To the other host."}, options},
       {{"domain", "virt.Domain", "At the destination."}},
       move_errors,
       Blocking::yes,
       Effect::changes},
      {"migrate_to_uri",
       migrate_to_uri,
       "Moves it; the source's daemon leads (peer-to-peer), and goes on when this program dies. Cancelling the task "
       "aborts as for migrate.",
       {{"uri", "string", "The destination as the source's daemon, usually root with root's keys, reaches it."},
        options},
       {{"result", "table", "elapsed_ms."}},
       move_errors,
       Blocking::yes,
       Effect::changes},
      reading("migrate_max_downtime_ms", migrate_max_downtime_ms, "How long it may stand still for the last step.", {}),
      setting("set_migrate_max_downtime_ms", set_migrate_max_downtime_ms,
              "How long it may stand still for the last step of a move; also while it moves.",
              {{"downtime_ms", "integer", "Milliseconds."}}),
      reading("migrate_max_speed_mibps", migrate_max_speed_mibps, "The speed limit of moves, in MiB/s.", {phase}),
      setting("set_migrate_max_speed_mibps", set_migrate_max_speed_mibps,
              "Limits the speed of moves; also while it moves.", {{"speed_mibps", "integer", "MiB/s."}, phase}),
      reading("compression_cache_bytes", compression_cache_bytes, "The page cache of xbzrle compression.", {}),
      setting("set_compression_cache_bytes", set_compression_cache_bytes, "The page cache of xbzrle compression.",
              {{"cache_bytes", "integer", "QEMU rounds it down to a power of two."}}),
      setting("start_post_copy", start_post_copy,
              "Switches a running move, begun with post_copy = true, to post-copy. From then on neither side has the "
              "whole memory: never destroy one.",
              {}),
  };
}

}  // namespace drover::virt
