// Shows that libvirt's objects are released once, whatever is copied or moved.
#include "bindings/virt/vir_ref.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <future>
#include <thread>

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

namespace {

// Something counted that tells on which thread it was given back.
struct Watched {
  std::promise<std::thread::id> given_back;
};

}  // namespace

template <>
struct drover::virt::VirCounting<Watched*> {
  static void take(Watched*) {}
  static void give_back(Watched* watched) { watched->given_back.set_value(std::this_thread::get_id()); }
};

TEST_CASE("while a connection may end late, Lua's thread gives nothing back by itself", "[virt]") {
  auto given_back_on = [] {
    Watched watched;
    VirRef<Watched*>(&watched).reset();
    auto answer = watched.given_back.get_future();
    REQUIRE(answer.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
    return answer.get();
  };
  CHECK(given_back_on() == std::this_thread::get_id());
  connection_is_closing();
  CHECK(given_back_on() != std::this_thread::get_id());
  std::thread([&] { CHECK(given_back_on() == std::this_thread::get_id()); }).join();
  connection_has_ended();
  CHECK(given_back_on() == std::this_thread::get_id());
}
