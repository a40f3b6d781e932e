// Shows how strictly arguments are read: types, ranges, unknown names, and what the error says.
#include "bindings/core/args.h"

#include <catch2/catch.hpp>

#include "tests/bindings/core/lua_fixture.h"

namespace drover::core {

namespace {

int read_text(lua_State* L) {
  push(L, Args(L, "test.text").text(1, "name"));
  return 1;
}

int read_port(lua_State* L) {
  push(L, Args(L, "test.port").integer(1, "port", 1, 65535));
  return 1;
}

int read_size(lua_State* L) {
  push(L, Args(L, "test.size").integer(1, "size_bytes", 0));
  return 1;
}

int read_any_integer(lua_State* L) {
  push(L, Args(L, "test.any").optional_integer(1, "number").value_or(-1));
  return 1;
}

int read_boolean(lua_State* L) {
  push(L, Args(L, "test.boolean").boolean(1, "on"));
  return 1;
}

int read_list(lua_State* L) {
  push(L, static_cast<int64_t>(Args(L, "test.list").text_list(1, "names").size()));
  return 1;
}

int read_choice(lua_State* L) {
  push(L, Args(L, "test.choice").choice(1, "mode", {"p2p", "managed"}));
  return 1;
}

int read_function(lua_State* L) {
  Args(L, "test.function").function(1, "body");
  return 0;
}

int read_options(lua_State* L) {
  Options options(L, 1, "test.options");
  auto name = options.text("name");
  auto port = options.integer("port", 1, 65535);
  bool live = options.flag("live");
  auto disks = options.text_list("disks");
  auto map = options.text_map("networks");
  auto mode = options.choice("mode", {"p2p", "managed"});
  options.finish();
  push(L, name.value_or("-") + " " + std::to_string(port.value_or(0)) + (live ? " live " : " - ") +
              std::to_string(disks ? disks->size() : 0) + " " + std::to_string(map ? map->size() : 0) + " " +
              mode.value_or("-"));
  return 1;
}

struct ArgsFixture : LuaFixture {
  ArgsFixture() {
    define<read_text>("text");
    define<read_port>("port");
    define<read_size>("size");
    define<read_any_integer>("any");
    define<read_boolean>("boolean");
    define<read_list>("list");
    define<read_choice>("choice");
    define<read_function>("body");
    define<read_options>("options");
  }
  std::string message(const std::string& code) {
    Error error = fails(code);
    CHECK((error.code == "BAD_ARGUMENT" || error.code == "UNKNOWN_OPTION"));
    return error.message;
  }
};

}  // namespace

TEST_CASE("a string is a string, and a number is none") {
  ArgsFixture lua;
  CHECK(lua.run("return text('a\\0b')") == std::string("a\0b", 3));
  CHECK(lua.message("text(5)").find("test.text: name: expected a string, got number 5") != std::string::npos);
  CHECK(lua.message("text()").find("got nothing") != std::string::npos);
  CHECK(lua.message("text(nil)").find("got nil") != std::string::npos);
  CHECK(lua.message("text({})").find("got table") != std::string::npos);
  CHECK(lua.message("text(true)").find("got true") != std::string::npos);
}

TEST_CASE("an integer is an integer in its range, and a string is none") {
  ArgsFixture lua;
  CHECK(lua.run("return port(65535)") == "65535");
  CHECK(lua.run("return port(80.0)") == "80");
  CHECK(lua.message("port('80')").find("expected an integer from 1 to 65535, got string '80'") != std::string::npos);
  for (const char* wrong : {"port(0)", "port(65536)", "port(-1)", "port(1.5)", "port(1/0)", "port(0/0)", "port(nil)"}) {
    CHECK(lua.message(wrong).find("expected an integer from 1 to 65535") != std::string::npos);
  }
  CHECK(lua.message("size(-1)").find("an integer of at least 0") != std::string::npos);
  CHECK(lua.message("any('x')").find("expected an integer, got string 'x'") != std::string::npos);
  CHECK(lua.run("return any()") == "-1");
  CHECK(lua.run("return any(math.mininteger)") == std::to_string(Args::lowest));
}

TEST_CASE("booleans, lists, choices and functions are what they say") {
  ArgsFixture lua;
  CHECK(lua.message("boolean(0)").find("expected true or false, got number 0") != std::string::npos);
  CHECK(lua.message("boolean('true')").find("true or false") != std::string::npos);
  CHECK(lua.run("return list{'a', 'b'}") == "2");
  CHECK(lua.message("list{'a', 1}").find("a list of strings only") != std::string::npos);
  CHECK(lua.message("list('a')").find("a list of strings, got string 'a'") != std::string::npos);
  CHECK(lua.message("choice('p3p')").find("one of p2p, managed, got string 'p3p'") != std::string::npos);
  CHECK(lua.message("body('x')").find("expected a function") != std::string::npos);
}

TEST_CASE("a long string is cut in the message") {
  ArgsFixture lua;
  std::string text = lua.message("port(('x'):rep(5000))");
  CHECK(text.size() < 200);
  CHECK(text.find("...") != std::string::npos);
}

TEST_CASE("options are read by name, and absent ones are well") {
  ArgsFixture lua;
  CHECK(lua.run("return options()") == "- 0 - 0 0 -");
  CHECK(lua.run("return options{ name = 'n', port = 22, live = true, disks = {'vda'}, networks = {a = 'b'}, "
                "mode = 'p2p' }") == "n 22 live 1 1 p2p");
}

TEST_CASE("an unknown option is an error with the nearest name") {
  ArgsFixture lua;
  Error error = lua.fails("options{ prot = 22 }");
  CHECK(error.code == "UNKNOWN_OPTION");
  CHECK(error.message.find("test.options: unknown option 'prot'") != std::string::npos);
  CHECK(error.hint == "did you mean 'port'?");
  error = lua.fails("options{ zzzzzz = 1 }");
  CHECK(error.hint.find("it knows disks, live, mode, name, networks, port") != std::string::npos);
  CHECK(lua.fails("options{ 'name' }").message.find("unknown option 'number 1'") != std::string::npos);
}

TEST_CASE("an option of the wrong type names the option") {
  ArgsFixture lua;
  CHECK(lua.message("options{ port = '22' }")
            .find("test.options: option 'port': expected an integer from 1 to 65535, got string '22'") !=
        std::string::npos);
  CHECK(lua.message("options{ live = 1 }").find("option 'live': expected true or false") != std::string::npos);
  CHECK(lua.message("options{ name = 1 }").find("option 'name': expected a string") != std::string::npos);
  CHECK(lua.message("options{ disks = 'vda' }").find("option 'disks'") != std::string::npos);
  CHECK(lua.message("options{ networks = { 1 } }").find("option 'networks'") != std::string::npos);
  CHECK(lua.message("options{ mode = 'x' }").find("one of p2p, managed, got 'x'") != std::string::npos);
  CHECK(lua.message("options('x')").find("options: expected a table, got string 'x'") != std::string::npos);
}

}  // namespace drover::core
