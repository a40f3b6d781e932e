// Shows that libvirt's objects are released once, whatever is copied or moved.
#include "bindings/virt/vir_ref.h"

#include <catch2/catch.hpp>

using namespace drover::virt;

TEST_CASE("a copy of a reference outlives the first one, and the last one ends the connection", "[virt]") {
  VirRef<virConnectPtr> first(virConnectOpen("test:///default"));
  REQUIRE(first);
  VirRef<virConnectPtr> second = first;
  first.reset();
  CHECK_FALSE(first);
  CHECK(virConnectIsAlive(second.get()) == 1);
  VirRef<virConnectPtr> moved = std::move(second);
  CHECK_FALSE(second);
  // virConnectClose gives the number of references that are left; one more is taken for the question.
  virConnectRef(moved.get());
  CHECK(virConnectClose(moved.get()) == 1);
}

TEST_CASE("a shared reference leaves the owner's alone", "[virt]") {
  VirRef<virConnectPtr> connection(virConnectOpen("test:///default"));
  virDomainPtr borrowed = virDomainLookupByName(connection.get(), "test");
  { auto shared = VirRef<virDomainPtr>::share(borrowed); }
  CHECK(std::string(virDomainGetName(borrowed)) == "test");
  virDomainFree(borrowed);
}
