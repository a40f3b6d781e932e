-- Shows how hosts.lua is found, read and checked. Files are written to a folder of the test's own.
local test = require "test"
local inventory = require "inventory"

local machine = require("native.host").local_machine()

-- The inventory of that text, while body runs.
local function with_file(text, body)
  local folder = machine:temp_directory { under = "/tmp" }
  local path = folder .. "/hosts.lua"
  machine:write_file(path, text)
  local ok, problem = pcall(body, path)
  machine:remove_directory(folder, { recursive = true })
  inventory.load()
  if not ok then error(problem, 0) end
end

local good = [[
return {
  kvm1 = { address = "10.0.0.11", user = "root", port = 2222, groups = { "rack1", "all" },
           host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA comment", fence = function() return true end },
  kvm2 = { groups = { "all" }, uri = "qemu+tls://kvm2/system", migrate_address = "10.1.0.2" },
  kvm3 = {},
}]]

test.case("hosts are found by name and by group", function()
  with_file(good, function(path)
    test.equal(inventory.load(path), path)
    test.equal(inventory.path(), path)
    test.equal(inventory.names(), { "kvm1", "kvm2", "kvm3" })
    local entry = inventory.find "kvm1"
    test.equal({ entry.name, entry.address, entry.port, entry.fence() }, { "kvm1", "10.0.0.11", 2222, true })
    test.equal(inventory.find("kvm3").groups, {})
    test.is_nil(inventory.find "kvm4")
    test.equal(inventory.group "all", { "kvm1", "kvm2" })
    test.equal(inventory.groups(), { "all", "rack1" })
    local problem = test.raises("NO_GROUP", inventory.group, "rack")
    test.equal(problem.hint, "did you mean 'rack1'?")
  end)
end)

test.case("an unknown field and a wrong type are named with the file and the host", function()
  local cases = {
    { "return { kvm1 = { adress = 'x' } }", "kvm1: unknown field 'adress'", "did you mean 'address'?" },
    { "return { kvm1 = { port = '22' } }", "kvm1: port: expected an integer from 1 to 65535, got '22'" },
    { "return { kvm1 = { port = 70000 } }", "kvm1: port: expected an integer .*got number 70000" },
    { "return { kvm1 = { host_key = 'SHA256:x' } }", "kvm1: host_key: expected a public key" },
    { "return { kvm1 = { groups = 'all' } }", "kvm1: groups: expected a list of strings, got 'all'" },
    { "return { kvm1 = { groups = { a = 'b' } } }", "kvm1: groups" },
    { "return { kvm1 = { uri = 'kvm1' } }", "kvm1: uri: expected a libvirt URI" },
    { "return { kvm1 = 'x' }", "kvm1: expected a table of fields, got 'x'" },
    { "return { 'kvm1' }", "number 1 cannot be the name of a host" },
    { "return { localhost = {} }", "'localhost' cannot be the name" },
    { "return { ['-oProxyCommand=x'] = {} }", "cannot be the name" },
    { "return 1", "expected a table of hosts" },
    { "return { kvm1 = { address = print('x') } }", "print" },
    { "error('broken')", "error" },
  }
  for _, one in ipairs(cases) do
    with_file(one[1], function(path)
      local problem = test.raises("BAD_INVENTORY", inventory.load, path)
      test.matches(tostring(problem), one[2])
      test.matches(tostring(problem), "hosts%.lua")
      if one[3] then test.equal(problem.hint, one[3]) end
    end)
  end
end)

test.case("a syntax error names the line", function()
  with_file("return {\n  kvm1 = { address = \n}", function(path)
    local problem = test.raises("BAD_INVENTORY", inventory.load, path)
    test.matches(tostring(problem), "hosts.lua:3")
    test.equal({ problem.exit_code, problem.hint },
      { 2, 'it is a Lua file: return { NAME = { address = "..." } }' })
  end)
  with_file("return {\n  kvm1 = { address = env('X') },\n}", function(path)
    test.matches(tostring(test.raises("BAD_INVENTORY", inventory.load, path)), "hosts.lua:2: attempt to call")
  end)
end)

test.case("root refuses an inventory that others may write", function()
  with_file(good, function(path)
    machine:exec { "chmod", "666", path }
    if machine:facts().user_id == 0 then test.raises("UNTRUSTED_FILE", inventory.load, path) end
  end)
end)

test.case("a file that is asked for and missing is an error", function()
  test.raises("NO_FILE", inventory.load, "/no/such/hosts.lua")
end)

-- The places come from the environment: another drover shows them.
local function names_seen_with(environment)
  local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")
  local code = "return table.concat(require('inventory').names(), ' ')"
  return machine:query({ drover, "eval", code, environment = environment }).output
end

test.case("a service of systemd, which has no HOME, finds the same inventory as its user at a terminal", function()
  local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")
  local code = "return os.getenv 'HOME'"
  local home = machine:query({ "sh", "-c", 'getent passwd "$(id -u)" | cut -d: -f6' }).output
  test.equal(machine:query({ "env", "-i", drover, "eval", code }).output, home)
  test.equal(machine:query({ "env", "-i", "HOME=/srv", drover, "eval", code }).output, "/srv\n")
end)

test.case("the inventory is searched in DROVER_INVENTORY, then in the configuration of the user", function()
  local folder = machine:temp_directory { under = "/tmp" }
  machine:make_directory(folder .. "/.config/drover", { parents = true })
  machine:write_file(folder .. "/.config/drover/hosts.lua", "return { of_user = {} }")
  machine:write_file(folder .. "/chosen.lua", "return { chosen = {} }")
  local user = { HOME = folder, XDG_CONFIG_HOME = folder .. "/.config", DROVER_INVENTORY = "" }
  test.matches(names_seen_with(user), "^of_user")
  user.DROVER_INVENTORY = folder .. "/chosen.lua"
  test.matches(names_seen_with(user), "^chosen")
  user.DROVER_INVENTORY = folder .. "/none.lua"
  test.matches(tostring(test.raises("COMMAND_FAILED", names_seen_with, user)), "code 2: +$DROVER_INVENTORY names it")
  machine:remove_directory(folder, { recursive = true })
end)
