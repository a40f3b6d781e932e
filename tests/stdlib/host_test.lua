-- Shows how a host is named and reached, with ssh, virt and firewall replaced by records of what they were asked.
local test = require "test"
local host = require "host"
local inventory = require "inventory"

local here = host.local_machine()

-- A machine of tables: what it answers to resolve, to `ip route get`, and its facts.
local function fake_machine(name, answers)
  return {
    name = function() return name end,
    is_local = function() return false end,
    close = function(self) self.closed = (self.closed or 0) + 1 end,
    resolve = function(_, wanted) return answers.resolve and answers.resolve[wanted] or {} end,
    facts = function(self)
      self.asked = (self.asked or 0) + 1
      return { addresses = answers.addresses or {} }
    end,
    query = function(_, program)
      local route = answers.routes and answers.routes[program[#program]]
      return { exit_code = route and 0 or 2, output = route and json.encode(json.array { route }) or "" }
    end,
  }
end

-- Runs body with modules replaced and an inventory of that text.
local function with(modules, text, body)
  local _ <close> = test.replace(package.loaded, modules)
  local folder = here:temp_directory { under = "/tmp" }
  here:write_file(folder .. "/hosts.lua", text or "return {}")
  inventory.load(folder .. "/hosts.lua")
  local ok, problem = pcall(body)
  here:remove_directory(folder, { recursive = true })
  inventory.load()
  if not ok then error(problem, 0) end
end

-- An ssh module that keeps what it was asked for.
local function fake_ssh(answers)
  local calls = {}
  return { connect = function(target, options)
    calls[#calls + 1] = { target = target, options = options }
    return fake_machine(target, answers or {})
  end }, calls
end

local function global(address) return { address = address, scope = "global", up = true } end

test.case("localhost, an empty name and no name are this machine", function()
  for _, name in ipairs { "localhost", "", false } do
    local h <close> = host.connect(name or nil)
    test.equal({ h.name, h:is_local(), tostring(h) }, { "localhost", true, "host localhost" })
    test.equal(h:exec({ "echo", "hi" }).output, "hi\n")
    test.equal(h:virt_uri(), "qemu:///system")
  end
end)

test.case("a target has a user, a name and a port, or is refused", function()
  test.equal(host.parse_target "kvm2", { name = "kvm2" })
  test.equal(host.parse_target "root@kvm2:2222", { user = "root", name = "kvm2", port = 2222 })
  test.equal(host.parse_target "a@[2001:db8::5]:22", { user = "a", name = "2001:db8::5", port = 22 })
  test.equal(host.parse_target "2001:db8::5", { name = "2001:db8::5" })
  for _, bad in ipairs { "", "@kvm2", "root@", "-oProxyCommand=x", "a b", "kvm2/x", "a,b", "a$b" } do
    test.equal(test.raises("BAD_TARGET", host.parse_target, bad).exit_code, 2)
  end
  for _, bad in ipairs { "kvm2:99999", "kvm2:0", "kvm2:ssh", "kvm2:" } do
    test.matches(test.raises("BAD_TARGET", host.parse_target, bad).message, "^'kvm2:.*': '.*' is no port$")
  end
  test.raises("BAD_ARGUMENT", host.connect, 5)
end)

test.case("what the caller says counts before the target, and that before the inventory", function()
  local ssh, calls = fake_ssh()
  local text = [[return { kvm1 = { address = "10.0.0.11", user = "ops", port = 2200, identity_file = "/k",
    host_key = "ssh-ed25519 AAAA" } }]]
  with({ ssh = ssh }, text, function()
    host.connect("kvm1")
    test.equal(calls[1], { target = "10.0.0.11", options = { name = "kvm1", user = "ops", port = 2200,
      identity_files = { "/k" }, host_key = "ssh-ed25519 AAAA" } })
    host.connect("root@kvm1", { port = 22 })
    test.equal(calls[2].options.user, "root")
    test.equal(calls[2].options.port, 22)
    local other = host.connect("me@kvm9:23", { ask_password = true })
    test.equal(calls[3], { target = "me@kvm9:23", options = { ask_password = true } })
    test.equal(other.name, "me@kvm9:23")
  end)
end)

test.case("a bad host key of the inventory is named with its file and its host", function()
  with({}, [[return { kvm1 = { address = "127.0.0.1", host_key = "ssh-ed25519 AAAA" } }]], function()
    local problem = test.raises("BAD_KEY", host.connect, "kvm1")
    test.matches(problem.message, "/hosts.lua: kvm1: host_key: not a public key")
    test.equal({ problem.hint, problem.exit_code }, { "drover trust kvm1 shows the key of the host", 2 })
  end)
end)

test.case("ssh is told what a person calls a host of the inventory: its errors have that name", function()
  local ssh, calls = fake_ssh()
  with({ ssh = ssh }, [[return { kvm1 = { address = "10.0.0.11" } }]], function()
    host.connect("root@kvm1")
    test.equal({ calls[1].target, calls[1].options.name }, { "10.0.0.11", "root@kvm1" })
    host.connect("10.0.0.11")
    test.is_nil(calls[2].options.name)
  end)
  local problem = test.raises("NO_CONNECTION", require("ssh").connect, "127.0.0.1", { name = "kvm1", port = 1,
    connect_timeout_ms = 2000 })
  test.equal(problem.host, "kvm1")
  test.matches(tostring(problem), "kvm1: cannot connect to 127.0.0.1 port 1")
end)

test.case("the libvirt URI keeps the name that ssh knows, and carries user, port and key", function()
  local ssh = fake_ssh()
  local text = [[return { kvm1 = { address = "2001:db8::5", user = "o@p", identity_file = "/a b" },
    kvm2 = { uri = "qemu+tls://kvm2/system" } }]]
  with({ ssh = ssh }, text, function()
    test.equal(host.connect("alias"):virt_uri(), "qemu+ssh://alias/system?no_tty=1")
    test.equal(host.connect("root@b:2222"):virt_uri(), "qemu+ssh://root@b:2222/system?no_tty=1")
    test.equal(host.connect("kvm1"):virt_uri(), "qemu+ssh://o%40p@[2001:db8::5]/system?no_tty=1&keyfile=%2Fa%20b")
    test.equal(host.connect("kvm2"):virt_uri(), "qemu+tls://kvm2/system")
  end)
end)

test.case("libvirt and the firewall open when first used, once, and close with the host", function()
  local opened, closed = 0, 0
  local virt = { connect = function(uri)
    opened = opened + 1
    async.sleep(20)
    return { uri = uri, close = function() closed = closed + 1 end }
  end }
  local firewall = { open = function(machine) return { machine = machine } end }
  with({ virt = virt, firewall = firewall }, nil, function()
    local h = host.connect()
    test.equal(opened, 0)
    local seen = async.parallel({ 1, 2, 3 }, function() return h.virt end)
    test.equal(opened, 1)
    test.is_true(rawequal(seen[1], seen[3]), "the same connection")
    test.equal(seen[1].uri, "qemu:///system")
    test.is_true(rawequal(h.firewall.machine, h.machine), "the firewall of this machine")
    h:close()
    h:close()
    test.equal(closed, 1)
    test.raises("CLOSED", function() return h.virt end)
    test.raises("CLOSED", h.exec, h, { "true" })
  end)
end)

test.case("a libvirt that never answers is an error in bounded time, and holds up no close", function()
  local _ <close> = test.replace(host, { patience = { opening = "30ms", farewell = "30ms" } })
  local answers = false
  local function hang() async.sleep "10s" end
  local virt = { connect = function()
    if not answers then hang() end
    return { close = hang }
  end }
  with({ virt = virt }, nil, function()
    local h = host.connect()
    local problem = test.raises("NO_CONNECTION", function() return h.virt end)
    test.matches(problem.message, "takes connections and has not answered for 30ms")
    answers = true
    local first = h.virt
    h:reopen_virt()
    test.is_true(h.virt ~= first)
    local began_ms = async.monotonic_ms()
    h:close()
    test.is_true(async.monotonic_ms() - began_ms < 5000)
  end)
end)

test.case("a libvirt that does not open is an error each time, and not a hang", function()
  local virt = { connect = function() errors.raise { code = "NO_CONNECTION", message = "refused" } end }
  with({ virt = virt }, nil, function()
    local h <close> = host.connect()
    test.raises("NO_CONNECTION", function() return h.virt end)
    test.raises("NO_CONNECTION", function() return h.virt end)
  end)
end)

test.case("facts are asked once, and again on request", function()
  local machine = fake_machine("kvm1", {})
  local h = host.wrap(machine, {})
  h:facts()
  h:facts()
  test.equal(machine.asked, 1)
  h:facts { refresh = true }
  test.equal(machine.asked, 2)
end)

test.case("the migration address of the inventory comes first", function()
  local a = host.wrap(fake_machine("a", {}), { target = { name = "a" },
    entry = { name = "a", address = "10.0.0.1", migrate_address = "10.9.0.1" } })
  local b = host.wrap(fake_machine("b", { resolve = { other = { "127.0.1.1" } } }), {})
  test.equal({ a:address_for(b) }, { "10.9.0.1", "inventory" })
  a.entry.migrate_address = nil
  test.equal({ a:address_for(b) }, { "10.0.0.1", "inventory" })
  a.entry.migrate_address = "other"
  test.matches(tostring(test.raises("NO_ADDRESS", a.address_for, a, b)), "b does not resolve 'other'")
end)

test.case("a name that resolves to loopback is not an address for another host", function()
  local answers = { routes = { ["10.77.0.2"] = { dst = "10.77.0.2", dev = "eth0", prefsrc = "10.77.0.1" } } }
  local a = host.wrap(fake_machine("a", answers), { target = { name = "a" } })
  local good = host.wrap(fake_machine("b", { resolve = { a = { "127.0.1.1", "10.77.0.1" } } }), {})
  test.equal({ a:address_for(good) }, { "10.77.0.1", "name" })
  local bad = host.wrap(fake_machine("b", { resolve = { a = { "127.0.1.1" } }, addresses = { global "10.77.0.2" } }),
    {})
  test.equal({ a:address_for(bad) }, { "10.77.0.1", "link" })
end)

test.case("a bridge that both hosts have under the same address is not a way between them", function()
  local answers = { routes = {
    ["192.168.122.1"] = { type = "local", dst = "192.168.122.1", dev = "lo", prefsrc = "192.168.122.1" },
    ["10.5.0.2"] = { dst = "10.5.0.2", gateway = "10.4.0.254", prefsrc = "10.4.0.1" },
  } }
  local a = host.wrap(fake_machine("a", answers), {})
  local b = host.wrap(fake_machine("b", { addresses = { global "192.168.122.1", global "10.5.0.2" } }), {})
  test.equal({ a:address_for(b) }, { "10.4.0.1", "route" })
  local alone = host.wrap(fake_machine("c", { addresses = { global "192.168.122.1" } }), {})
  local problem = test.raises("NO_ADDRESS", a.address_for, a, alone)
  test.matches(problem.hint, "migrate_address")
end)
