-- Shows class host.Machine on the machine that runs the test: programs, files, folders, facts.
local test = require "test"
local native = require "native.host"

local machine = native.local_machine()

local function with_folder(body)
  local path = machine:temp_directory { under = "/tmp" }
  local ok, problem = pcall(body, path)
  machine:remove_directory(path, { recursive = true })
  if not ok then error(problem, 0) end
end

test.case("exec gives output and exit code, and raises when it is not 0", function()
  test.equal(machine:exec { "echo", "a b" }, { exit_code = 0, output = "a b\n", errors = "" })
  local problem = test.raises("COMMAND_FAILED", machine.exec, machine, { "ls", "/no/such/folder" })
  test.matches(tostring(problem), "localhost: ls failed with exit code 2: .*No such file")
  test.equal(machine:query({ "sh", "-c", "exit 7", check = false }).exit_code, 7)
end)

test.case("exec takes input and environment", function()
  local result = machine:exec { "sh", "-c", "cat; echo $COLOUR", input = "in\n", environment = { COLOUR = "red" } }
  test.equal(result.output, "in\nred\n")
end)

test.case("exec refuses what it does not know", function()
  test.raises("UNKNOWN_OPTION", machine.exec, machine, { "true", timout_ms = 1 })
  test.raises("BAD_ARGUMENT", machine.exec, machine, {})
  test.raises("BAD_ARGUMENT", machine.exec, machine, "true")
  test.raises("BAD_ARGUMENT", machine.exec, machine, { "true", 1 })
  test.raises("BAD_ARGUMENT", machine.exec, machine, { "true", timeout_ms = 0 })
  test.raises("NO_PROGRAM", machine.exec, machine, { "no-such-program-of-drover" })
end)

test.case("programs run side by side and a timeout ends one", function()
  local began_ms = async.monotonic_ms()
  async.parallel({ 1, 2, 3, 4, 5, 6, 7, 8 }, function() machine:exec { "sleep", "0.3" } end)
  test.is_true(async.monotonic_ms() - began_ms < 1500, "eight sleeps together")
  test.raises("TIMEOUT", machine.exec, machine, { "sleep", "20", timeout_ms = 100 })
  test.raises("TIMEOUT", async.timeout, "100ms", function() machine:exec { "sleep", "20" } end)
end)

test.case("files are written, read, looked at and removed", function()
  with_folder(function(path)
    local file = path .. "/file"
    test.is_nil(machine:stat(file))
    test.equal(machine:write_file(file, "text", { mode = 420 }), { size_bytes = 4 })
    test.equal(machine:read_file(file), "text")
    test.raises("TOO_LARGE", machine.read_file, machine, file, { most_bytes = 3 })
    local info = machine:stat(file)
    test.equal({ info.type, info.size_bytes, info.mode }, { "file", 4, 420 })
    test.equal(machine:remove_file(file), { removed = true })
    test.equal(machine:remove_file(file), { removed = false })
    test.raises("NO_FILE", machine.read_file, machine, file)
  end)
end)

test.case("folders are made and removed, and say whether they were there", function()
  with_folder(function(path)
    test.equal(machine:make_directory(path .. "/a"), { created = true })
    test.equal(machine:stat(path .. "/a").mode, 448)
    test.equal(machine:make_directory(path .. "/a"), { created = false })
    test.raises("COMMAND_FAILED", machine.make_directory, machine, path .. "/b/c")
    test.equal(machine:make_directory(path .. "/b/c", { parents = true, mode = 493 }), { created = true })
    test.equal(machine:make_directory(path .. "/b/c", { parents = true }), { created = false })
    test.raises("COMMAND_FAILED", machine.remove_directory, machine, path .. "/b")
    test.equal(machine:remove_directory(path .. "/b", { recursive = true }), { removed = true })
    test.equal(machine:remove_directory(path .. "/b"), { removed = false })
    test.equal(machine:remove_directory(path .. "/a"), { removed = true })
  end)
end)

test.case("removing a whole tree refuses paths that a slip would make", function()
  for _, path in ipairs { "/", "/etc", "relative/path", "/tmp/x/../..", "", "/tmp//." } do
    test.raises("BAD_ARGUMENT", machine.remove_directory, machine, path, { recursive = true })
  end
end)

test.case("a temporary folder is private, and its name can be chosen once", function()
  with_folder(function(path)
    test.equal(machine:temp_directory { under = path, name = "run-1" }, path .. "/run-1")
    test.equal(machine:stat(path .. "/run-1").mode, 448)
    local problem = test.raises("EXISTS", machine.temp_directory, machine, { under = path, name = "run-1" })
    test.matches(tostring(problem), "is there already")
    test.raises("BAD_ARGUMENT", machine.temp_directory, machine, { under = path, name = "../x" })
    test.raises("COMMAND_FAILED", machine.temp_directory, machine, { under = path .. "/none", name = "x" })
  end)
end)

test.case("the default temporary folder is not one that others may enter", function()
  local path = machine:temp_directory()
  test.equal(machine:stat(path).mode, 448)
  test.equal(machine:stat(path:match("^(.*)/")).mode, 448)
  machine:remove_directory(path)
end)

test.case("facts name this machine, its addresses, memory and clock", function()
  local facts = machine:facts()
  test.equal(facts.kernel, (machine:query({ "uname", "-r" }).output:gsub("\n", "")))
  test.is_true(facts.cpu_count >= 1, "cpu_count")
  test.is_true(facts.memory.total_bytes > facts.memory.available_bytes, "memory")
  test.is_true(math.abs(facts.clock_skew_ms) < 200, "skew " .. facts.clock_skew_ms)
  test.is_true(facts.boot_id and facts.distribution.id, "boot_id, distribution")
  local loopback
  for _, address in ipairs(facts.addresses) do loopback = loopback or address.address == "127.0.0.1" end
  test.is_true(loopback, "loopback")
end)

test.case("disk space is asked by path", function()
  local space = machine:disk_space("/tmp")
  test.is_true(space.total_bytes >= space.available_bytes and space.total_bytes > 0, "space")
  test.matches(tostring(test.raises("NO_FILE", machine.disk_space, machine, "/no/such")), "there is no /no/such")
end)

test.case("names are resolved here and as a machine sees them", function()
  test.equal(native.resolve("192.0.2.7"), { "192.0.2.7" })
  test.equal(machine:resolve("192.0.2.7"), { "192.0.2.7" })
  test.equal(machine:resolve("-no-such-option"), {})
  test.is_true(#native.resolve("localhost") > 0, "localhost")
end)

test.case("a closed machine says so, and closing twice does nothing", function()
  local other = native.local_machine()
  test.equal(other:name(), "localhost")
  test.is_true(other:is_local())
  test.equal(tostring(other), "host.Machine localhost")
  other:close()
  other:close()
  test.raises("CLOSED", other.exec, other, { "true" })
  test.equal(tostring(other), "host.Machine (closed)")
end)

test.case("a file that will run as Lua is read as it is; one that others may write is refused to root", function()
  with_folder(function(path)
    machine:write_file(path .. "/hosts.lua", "return {}")
    test.equal(native.read_trusted_file(path .. "/hosts.lua"), "return {}")
    test.is_nil(native.read_trusted_file(path .. "/none.lua"))
    test.raises("IS_DIRECTORY", native.read_trusted_file, path)
    machine:exec { "chmod", "666", path .. "/hosts.lua" }
    if machine:facts().user_id == 0 then
      test.raises("UNTRUSTED_FILE", native.read_trusted_file, path .. "/hosts.lua")
    end
  end)
end)
