// The options of a move: every flag and every typed parameter of libvirt 9.0 under a clear name. The tables are the
// source of reading, of the documentation, and of the test that reads libvirt's header and finds none missing.
// Tested by tests/bindings/virt/migration_options_test.cpp.
#pragma once

#include <map>
#include <span>

#include "bindings/virt/domain.h"
#include "bindings/virt/scalar.h"

namespace drover::virt {

struct MigrationFlag {
  const char* name;
  unsigned flag;
  const char* doc;
};

enum class MigrationKind { text, int_number, long_number, texts };

struct MigrationParameter {
  const char* name;
  const char* libvirt_name;
  MigrationKind kind;
  int64_t least;
  int64_t most;
  const char* doc;
};

std::span<const MigrationFlag> migration_flags();
std::span<const MigrationParameter> migration_parameters();
std::string migration_options_doc();

// What was asked for, before libvirt's own form is made of it.
struct MigrationRequest {
  unsigned flags = 0;
  // By libvirt's name; a list parameter occurs several times.
  std::vector<std::pair<const MigrationParameter*, Scalar>> parameters;

  // Throws when libvirt cannot take them (no memory).
  void write_to(TypedParameters& list) const;
};

// Reads and checks the whole options table. peer_to_peer: of migrate_to_uri, else of migrate.
// Throws BAD_ARGUMENT, UNKNOWN_OPTION, UNDEFINE_PAIR, WRONG_MODE.
MigrationRequest read_migration_options(lua_State* L, int index, const char* function, bool peer_to_peer);

}  // namespace drover::virt
