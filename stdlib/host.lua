--- Hosts: one object for a machine, local or over SSH, with its libvirt and its firewall. Code above it does not
-- care whether the host is local.
--
--   local h <close> = host.connect "kvm2"
--   print(h:exec { "uname", "-r" }.output, h:facts().libvirt_version, h.virt:hostname())
--
-- A host is named "localhost" (or nothing), by an entry of the inventory, by an alias of ~/.ssh/config, or as
-- user@name:port. Nothing connects before it is used, except the machine itself.
-- Tested by tests/stdlib/host_test.lua.
local core = require "drover.core"
local errors = require "errors"
local inventory = require "inventory"
local native = require "native.host"

local host = {}

for name, value in pairs(native) do host[name] = value end

host.inventory = inventory

local methods = {}

-- Set by the plan: called with each host that drover connected to, and with the URI of a libvirt that it reaches in
-- another way than through that connection.
local listener

--- Sets what hears of connections; gives what heard before.
function host.set_listener(f)
  local before = listener
  listener = f
  return before
end

local function fail(fields)
  fields.domain = "host"
  errors.raise(fields)
end

-- The letters that ssh.connect refuses as well.
local function is_name(text)
  return text ~= "" and text:sub(1, 1) ~= "-" and not text:find("[%s%c'`\"$\\;&<>|(){}*?!,@/]")
end

--- The parts of "user@name:port", "[2001:db8::5]:22" or "name"; nil where a part is missing. Raises BAD_TARGET.
function host.parse_target(target)
  local user, rest = target:match("^([^@]*)@(.*)$")
  rest = rest or target
  local name, port = rest:match("^%[(.*)%]:?(%d*)$")
  if not name then name, port = rest:match("^([^:]*):([^:]*)$") end
  if not name then name, port = rest, nil end
  if not is_name(name) or user and not is_name(user) then
    fail { code = "BAD_TARGET", exit_code = 2, message = ("'%s' does not name a host"):format(target),
      hint = "write a name, user@name or user@name:port" }
  end
  local number = port and port:find("^%d+$") and math.tointeger(tonumber(port))
  if port and port ~= "" and not (number and number >= 1 and number <= 65535) or rest:find("[^%]]:$") then
    fail { code = "BAD_TARGET", exit_code = 2, message = ("'%s': '%s' is no port"):format(target, port),
      hint = "a port is a number from 1 to 65535" }
  end
  return { user = user, name = name, port = number or nil }
end

local function is_local_name(name) return name == nil or name == "" or name == "localhost" end

-- What ssh.connect gets: what the caller said, then what the target says, then the inventory.
local function ssh_arguments(name, target, entry, options)
  local given = {}
  for field, value in pairs(options or {}) do given[field] = value end
  if not entry then return given end
  given.name = given.name or name  -- a person knows the host by its name in the inventory, not by its address
  given.user = given.user or target.user or entry.user
  given.port = given.port or target.port or entry.port
  given.host_key = given.host_key or entry.host_key
  given.identity_files = given.identity_files or entry.identity_file and { entry.identity_file } or nil
  return given
end

--- Connects to a host. options go to ssh.connect: user, port, identity_files, host_key, ask_password, ...
-- Raises what ssh.connect raises: HOST_KEY_UNKNOWN, HOST_KEY_CHANGED, AUTH_FAILED, NO_CONNECTION, ...
function host.connect(name, options)
  if name ~= nil and type(name) ~= "string" then
    fail { code = "BAD_ARGUMENT", message = "host.connect: name: expected a string, got " .. type(name) }
  end
  if is_local_name(name) then return host.wrap(native.local_machine(), { name = "localhost" }) end
  local target = host.parse_target(name)
  local entry = inventory.find(target.name)
  local arguments = ssh_arguments(name, target, entry, options)
  local connected, machine = core.pcall(require("ssh").connect, entry and (entry.address or target.name) or name,
    arguments)
  if not connected then
    if errors.is(machine, "BAD_KEY") and entry and entry.host_key then
      machine.message = ("%s: %s: host_key: %s"):format(inventory.path(), entry.name, machine.message)
      machine.hint, machine.exit_code = ("drover trust %s shows the key of the host"):format(name), 2
    end
    error(machine, 0)
  end
  local one = host.wrap(machine, { name = name, target = target, entry = entry, options = arguments })
  if listener then listener(one) end
  return one
end

--- A host object around a machine; for tests, and for code that made its machine in another way.
function host.wrap(machine, fields)
  local self = { name = fields.name or machine:name(), machine = machine, entry = fields.entry,
    target = fields.target, options = fields.options or {} }
  return setmetatable(self, host.metatable)
end

-- ---- properties that open when first used ----

local function escaped(text)
  return (text:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

--- The libvirt URI of the host as drover reaches it. The name stays what ssh knows, so that ~/.ssh/config counts.
function methods:virt_uri()
  if self.entry and self.entry.uri then return self.entry.uri end
  if self:is_local() then return "qemu:///system" end
  local given = self.options
  local name = self.entry and self.entry.address or self.target.name
  local user, port = given.user or self.target.user, given.port or self.target.port
  local uri = "qemu+ssh://" .. (user and escaped(user) .. "@" or "")
    .. (name:find(":", 1, true) and "[" .. name .. "]" or name) .. (port and ":" .. port or "")
    .. "/system?no_tty=1"  -- ssh must fail rather than ask on a terminal that it does not have
  local identity = given.identity_files and given.identity_files[1]
  if identity then uri = uri .. "&keyfile=" .. escaped(identity) end
  return uri
end

local libvirt_socket = [[
for s in /run/libvirt/libvirt-sock /run/libvirt/virtqemud-sock; do [ -S "$s" ] && { echo "$s"; exit 0; }; done; exit 0]]

-- The host's libvirt through the ssh connection that drover has already: no second login, and the same verified key.
-- nil where the host has no such socket or its sshd forwards none; `qemu+ssh` is the way then.
local function connect_through_ssh(self)
  local socket = self:query { "sh", "-c", libvirt_socket, "drover" }.output:match("%S+")
  if not socket then return nil end
  local forward = require("ssh").forward_unix(self.machine, { remote_path = socket })
  local uri = "qemu+unix:///system?socket=" .. forward:local_address()
  local ok, connection = core.pcall(require("virt").connect, uri, { host = self.name })
  if ok then
    rawset(self, "virt_forward", forward)
    return connection
  end
  forward:close()
  if core.is_cancellation(connection) then error(connection, 0) end
  return nil
end

--- How long libvirt is waited for, before anything is asked of it and after: a daemon that stands still takes a
-- connection and never says a word, not even farewell.
host.patience = { opening = "15s", farewell = "3s" }

local function connect_virt(self)
  local own_uri = self.entry and self.entry.uri
  local connection = not own_uri and not self:is_local() and connect_through_ssh(self)
  if connection then return connection end
  local uri = self:virt_uri()
  if listener and uri:find("^%w+%+%w+://[^/]") then listener(self, uri) end
  return require("virt").connect(uri, { host = self.name })
end

local openers = {
  virt = function(self)
    local ok, result = core.pcall(async.timeout, host.patience.opening, function() return connect_virt(self) end)
    if ok then return result end
    if not errors.is(result, "TIMEOUT") then error(result, 0) end
    fail { code = "NO_CONNECTION", host = self.name,
      message = ("libvirt on %s takes connections and has not answered for %s"):format(self.name,
        host.patience.opening),
      hint = "does its daemon stand still? systemctl status libvirtd, or restart it: its domains go on" }
  end,
  firewall = function(self) return require("firewall").open(self.machine) end,
}

-- Two tasks that ask for the same property at once get the same object: the second waits for the first.
local function open_property(self, name)
  local opening = rawget(self, "opening")
  if not opening then
    opening = {}
    rawset(self, "opening", opening)
  end
  while opening[name] do
    async.sleep(2)
    local value = rawget(self, name)
    if value then return value end
  end
  if rawget(self, "closed") then
    fail { code = "CLOSED", message = ("the host object was closed; %s cannot be opened"):format(name),
      host = self.name }
  end
  opening[name] = true
  local ok, value = core.pcall(openers[name], self)
  opening[name] = nil
  if not ok then error(value, 0) end
  rawset(self, name, value)
  return value
end

-- ---- methods ----

--- Whether the host is the machine that drover runs on.
function methods:is_local() return self.machine:is_local() end

-- What the machine below does for the host; help and the stubs know it too.
host.passed_on = { "exec", "query", "read_file", "write_file", "stat", "remove_file", "make_directory",
  "remove_directory", "temp_directory", "disk_space", "resolve" }

for _, name in ipairs(host.passed_on) do
  methods[name] = function(self, ...)
    local machine = self.machine
    return machine[name](machine, ...)
  end
end

--- What the host is (see Machine.facts). Asked once and kept; { refresh = true } asks again.
function methods:facts(options)
  local known = rawget(self, "known_facts")
  if not known or options and options.refresh then
    known = self.machine:facts()
    rawset(self, "known_facts", known)
  end
  return known
end

local function is_loopback(address) return address:find("^127%.") ~= nil or address == "::1" end

local function is_address(text) return text:find("^%d+%.%d+%.%d+%.%d+$") ~= nil or text:find(":", 1, true) ~= nil end

-- The addresses of the host that other machines may be able to reach.
local function own_addresses(self)
  local list = {}
  for _, one in ipairs(self:facts().addresses) do
    if one.scope == "global" and one.up then list[#list + 1] = one end
  end
  return list
end

-- What `from` finds for a name, without loopback: a host whose name is in its own /etc/hosts as 127.0.1.1 is common.
local function reachable_addresses(from, name)
  if is_address(name) then return is_loopback(name) and {} or { name } end
  local list = {}
  for _, address in ipairs(from:resolve(name)) do
    if not is_loopback(address) and not address:find("^fe80:") then list[#list + 1] = address end
  end
  return list
end

-- The source address of the way to `address`, and whether the way needs no gateway; nil when there is no way, or when
-- the address is the host's own: two hosts may both have 192.168.122.1 on their own bridge.
local function source_towards(self, address)
  local result = self:query { "ip", "-j", "route", "get", address, check = false, timeout_ms = 10000 }
  if result.exit_code ~= 0 then return nil end
  local route = json.decode(result.output)[1]
  if not route or not route.prefsrc or route.type == "local" or is_loopback(route.prefsrc) then return nil end
  return route.prefsrc, route.gateway == nil
end

local function address_by_route(self, other)
  local routed
  for _, theirs in ipairs(own_addresses(other)) do
    local source, direct = source_towards(self, theirs.address)
    if direct then return source, "link" end
    routed = routed or source
  end
  return routed, routed and "route"
end

--- The address at which `other` should reach this host, and how it was found: "inventory", "name", "link", "route".
-- The inventory's migrate_address comes first, then its address or the name as `other` resolves it, then a network
-- that both are on, then the source address of the route. A name that resolves to loopback is never taken.
-- Raises NO_ADDRESS.
function methods:address_for(other)
  local entry = self.entry
  local wanted = entry and entry.migrate_address
  if wanted then
    local found = reachable_addresses(other, wanted)
    if found[1] then return found[1], "inventory" end
    fail { code = "NO_ADDRESS", host = other.name, object = wanted,
      message = ("%s does not resolve '%s', the migrate_address of %s"):format(other.name, wanted, self.name),
      hint = "write an address in " .. (inventory.path() or "hosts.lua") }
  end
  if self.target then
    local found = reachable_addresses(other, entry and entry.address or self.target.name)
    if found[1] then return found[1], entry and entry.address and "inventory" or "name" end
  end
  local source, how = address_by_route(self, other)
  if source then return source, how end
  fail { code = "NO_ADDRESS", host = other.name,
    message = ("%s has no address of %s that is not loopback"):format(other.name, self.name),
    hint = "give the playbook an address, or set migrate_address in hosts.lua" }
end

-- Ends the libvirt connection and then what carries it, which frees whoever still waits inside a call. Gives the error
-- of the close, if any.
local function end_virt(self)
  local virt, forward = rawget(self, "virt"), rawget(self, "virt_forward")
  rawset(self, "virt", nil)
  rawset(self, "virt_forward", nil)
  local ok, problem = true, nil
  if virt then ok, problem = core.pcall(async.timeout, host.patience.farewell, function() virt:close() end) end
  if forward then core.pcall(forward.close, forward) end
  if not ok and not errors.is(problem, "TIMEOUT") then return problem end
end

--- Closes the libvirt connection, as after it broke; the next use opens a new one.
function methods:reopen_virt() end_virt(self) end

--- Closes what was opened, last first. A second time does nothing.
function methods:close()
  if rawget(self, "closed") then return end
  rawset(self, "closed", true)
  rawset(self, "firewall", nil)
  local problem = end_virt(self)
  self.machine:close()
  if problem then error(problem, 0) end
end

host.metatable = {
  __index = function(self, name)
    if openers[name] then return open_property(self, name) end
    return methods[name]
  end,
  __close = function(self) self:close() end,
  __tostring = function(self) return "host " .. self.name end,
  __name = "host",
}

return host
