// Shows that a call into a driver in this process runs at once, with its results or its error there when it returns.
// What runs on worker threads, and waits for nobody, is shown by blocking_test.cpp.
#include "bindings/virt/run.h"

#include <catch2/catch.hpp>
#include <thread>

#include "tests/bindings/core/lua_fixture.h"

using namespace drover;
using namespace drover::virt;

namespace {

ConnectionPtr connection_to(const std::string& uri) {
  OpenRequest request;
  request.uri = uri;
  return VirConnection::open(request);
}

std::thread::id ran_on;

int where(lua_State* L) {
  return run(L, connection_to("test:///default"), "look where it runs", [](core::CancelToken&) -> core::Push {
    ran_on = std::this_thread::get_id();
    return [](lua_State* state) {
      lua_pushliteral(state, "pushed");
      return 1;
    };
  });
}

int fails(lua_State* L) {
  return run(L, connection_to("test:///default"), "fail",
             [](core::CancelToken&) -> core::Push { throw Error("virt", "NO_DOMAIN", "there is no such domain"); });
}

}  // namespace

TEST_CASE("a driver in this process is called at once, and the results are there", "[virt]") {
  core::LuaFixture fixture;
  fixture.define<where>("where");
  CHECK(fixture.run("return where()") == "pushed");
  CHECK(ran_on == std::this_thread::get_id());
}

TEST_CASE("its error is the error of the call", "[virt]") {
  core::LuaFixture fixture;
  fixture.define<fails>("fails");
  CHECK(fixture.fails("fails()").code == "NO_DOMAIN");
}
