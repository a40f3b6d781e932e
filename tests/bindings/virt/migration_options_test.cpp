// Shows that every flag and parameter of libvirt 9.0 can be given, and which are refused together.
#include "bindings/virt/migration_options.h"

#include <catch2/catch.hpp>

#include "tests/base/error_of.h"
#include "tests/bindings/virt/libvirt_header.h"

using namespace drover;
using namespace drover::virt;

namespace {

// The options table that the chunk returns, read as migrate (or migrate_to_uri) reads it.
MigrationRequest read(const std::string& lua, bool peer_to_peer = false) {
  std::unique_ptr<lua_State, decltype(&lua_close)> state(luaL_newstate(), lua_close);
  REQUIRE(luaL_dostring(state.get(), ("return " + lua).c_str()) == LUA_OK);
  return read_migration_options(state.get(), 1, "Domain.migrate", peer_to_peer);
}

std::string code_of(const std::string& lua, bool peer_to_peer = false) {
  return tests::code_of([&] { read(lua, peer_to_peer); });
}

}  // namespace

TEST_CASE("every migration flag of libvirt's header has an option", "[virt]") {
  auto shifts = names_in_header("VIR_MIGRATE_[A-Z0-9_]+\\s*=\\s*\\(1 << ([0-9]+)\\)");
  REQUIRE(shifts.size() >= 21);  // of 9.0.0
  std::set<unsigned> known;
  for (const MigrationFlag& flag : migration_flags()) known.insert(flag.flag);
  for (const std::string& shift : shifts) {
    INFO("VIR_MIGRATE_ flag 1 << " << shift);
    CHECK(known.count(1U << std::stoi(shift)) == 1);
  }
  CHECK(known.size() == migration_flags().size());
}

TEST_CASE("every migration parameter of libvirt's header has an option", "[virt]") {
  auto names = names_in_header("define VIR_MIGRATE_PARAM_[A-Z_]+\\s+\"([^\"]+)\"");
  REQUIRE(names.size() >= 20);  // of 9.0.0
  std::set<std::string> known;
  for (const MigrationParameter& parameter : migration_parameters()) known.insert(parameter.libvirt_name);
  CHECK(known == names);
}

TEST_CASE("every option is read and reaches libvirt under its own name and type", "[virt]") {
  std::string lua = "{";
  for (const MigrationParameter& parameter : migration_parameters()) {
    const char* value = parameter.kind == MigrationKind::text    ? "'x'"
                        : parameter.kind == MigrationKind::texts ? "{'one', 'two'}"
                                                                 : "7";
    lua += std::string(parameter.name) + " = " + value + ", ";
  }
  MigrationRequest request = read(lua + "}");
  TypedParameters list;
  request.write_to(list);
  for (const MigrationParameter& parameter : migration_parameters()) {
    INFO(parameter.name);
    virTypedParameterPtr found = virTypedParamsGet(list.list, list.count, parameter.libvirt_name);
    REQUIRE(found != nullptr);
    switch (parameter.kind) {
      case MigrationKind::int_number:
        CHECK(found->type == VIR_TYPED_PARAM_INT);
        break;
      case MigrationKind::long_number:
        CHECK(found->type == VIR_TYPED_PARAM_ULLONG);
        break;
      default:
        CHECK(found->type == VIR_TYPED_PARAM_STRING);
    }
  }
  std::vector<std::string> disks;
  for (int i = 0; i < list.count; ++i) {
    if (std::string(list.list[i].field) == VIR_MIGRATE_PARAM_MIGRATE_DISKS) disks.push_back(list.list[i].value.s);
  }
  CHECK(disks == std::vector<std::string>{"one", "two"});
}

TEST_CASE("flags are what was asked for and nothing else", "[virt]") {
  CHECK(read("{}").flags == 0);
  CHECK(read("{ live = true, unsafe = false }").flags == VIR_MIGRATE_LIVE);
  CHECK(read("{ live = true }", true).flags == (VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER));
  for (const MigrationFlag& flag : migration_flags()) {
    if (flag.flag == VIR_MIGRATE_PEER2PEER) continue;
    INFO(flag.name);
    std::string lua = std::string("{ persist_destination = true, ") + flag.name + " = true }";
    CHECK(read(lua, true).flags == (flag.flag | VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_PEER2PEER));
  }
}

TEST_CASE("a move that would lose the definition, or that nobody leads, is refused", "[virt]") {
  CHECK(code_of("{ undefine_source = true }") == "UNDEFINE_PAIR");
  CHECK(code_of("{ undefine_source = true, persist_destination = true }") == "");
  CHECK(code_of("{ peer_to_peer = true }") == "WRONG_MODE");
  CHECK(code_of("{ peer_to_peer = true }", true) == "");
  CHECK(code_of("{ peer_to_peer = false }", true) == "WRONG_MODE");
  CHECK(code_of("{ tunnelled = true }") == "WRONG_MODE");
  CHECK(code_of("{ tunnelled = true }", true) == "");
}

TEST_CASE("wrong options blame their field", "[virt]") {
  CHECK(code_of("{ liv = true }") == "UNKNOWN_OPTION");
  CHECK(code_of("{ live = 1 }") == "BAD_ARGUMENT");
  CHECK(code_of("{ compression_mt_level = 10 }") == "BAD_ARGUMENT");
  CHECK(code_of("{ disks_port = 65536 }") == "BAD_ARGUMENT");
  CHECK(code_of("{ migrate_disks = 'vda' }") == "BAD_ARGUMENT");
  CHECK(code_of("{ bandwidth_mibps = '5' }") == "BAD_ARGUMENT");
}
