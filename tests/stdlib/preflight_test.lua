-- Shows that all that stands in the way is told at once, in the order of the checks, each with host and hint.
local test = require "test"
local preflight = require "preflight"
local fakes = test.load(..., "fakes")
local xml = require "xml"

local defaults = { storage = "auto", copy_disks = {}, channel = "ssh", mode = "p2p", key = "ed25519", network = {},
  cdrom = "keep", parallel = 1, compression = "none", persistent = true, policy = "none", timeout_action = "abort",
  undefine_source = false, post_copy = false, unsafe = false }

local function a_move(p, fields)
  local ctx = fakes.screen()
  ctx.faults, ctx.warned = {}, {}
  function ctx:fault(message, hint, host_name)
    self.faults[#self.faults + 1] = { message = message, hint = hint, host = host_name }
  end
  function ctx:warn(message) self.warned[#self.warned + 1] = message end
  ctx.screen = ctx
  local function host_of(name)
    return { name = name, facts_of = {}, answers = {}, domains = {},
      facts = function(self) return self.facts_of end,
      query = function(self, request)
        for pattern, answer in pairs(self.answers) do
          if request[3]:find(pattern, 1, true) then return { exit_code = answer.exit_code or 0,
            output = answer.output or "",
            errors = answer.errors or "" } end
        end
        return { exit_code = 0, output = "", errors = "" }
      end }
  end
  local move = { ctx = ctx, run_id = "RUN", name = "web1", new_name = "web1", uuid = "uuid-1", disks = {},
    state = { state = "running", reason = "booted" }, source = host_of "kvm1", destination = host_of "kvm2",
    to_address = "10.0.0.2", p = setmetatable(p or {}, { __index = defaults }),
    live = xml.parse(fields and fields.xml or "<domain><devices/></domain>") }
  for name, value in pairs(fields or {}) do if name ~= "xml" then move[name] = value end end
  return move
end

-- Runs the check of that name alone; gives the faults as "host: message", and the warnings.
local function check(part, name, move)
  for _, one in ipairs(require("preflight." .. part)) do
    if one[1] == name then
      one[2](move)
      local lines = {}
      for _, fault in ipairs(move.ctx.faults) do
        lines[#lines + 1] = (fault.host and fault.host .. ": " or "") .. fault.message
      end
      return lines, move.ctx.warned, move.ctx.faults
    end
  end
  error("no check '" .. name .. "' in preflight." .. part)
end

test.case("the same host stops everything else", function()
  local move = a_move({}, { same_host = true })
  preflight.all(move)
  test.equal(move.ctx.faults, { { message = "kvm1 and kvm2 are the same host", hint = "name another host with --to" } })
end)

test.case("faults come in the order of the checks, whatever answers first; a check that fails is a fault", function()
  local parts = { "identity", "domain", "cpu", "memory", "storage", "network", "ports" }
  local before = {}
  for _, name in ipairs(parts) do
    before[name] = require("preflight." .. name)
    package.loaded["preflight." .. name] = {}
  end
  package.loaded["preflight.domain"] = {
    { "slow", function(own) async.sleep(30) own.ctx:fault("first", "hint", "kvm1") own.noted = "kept" end },
    { "quick", function(own) own.ctx:fault("second") own.ctx:warn("careful") end },
    { "broken", function() errors.raise { code = "NO_PROGRAM", message = "ss is missing", host = "kvm2" } end },
    { "busy", function() errors.raise { code = "DOMAIN_BUSY", message = "run X is at work", where = false } end },
  }
  local move = a_move()
  local ok, problem = pcall(preflight.all, move)
  for _, name in ipairs(parts) do package.loaded["preflight." .. name] = before[name] end
  if not ok then error(problem, 0) end
  local messages = {}
  for index, fault in ipairs(move.ctx.faults) do messages[index] = fault.message end
  test.equal(messages, { "first", "second", "cannot check broken: ss is missing", "run X is at work" })
  test.equal({ move.ctx.faults[3].host, move.ctx.warned, move.noted }, { "kvm2", { "careful" }, "kept" })
end)

test.case("the domain's state", function()
  test.equal(check("domain", "the domain's state", a_move()), {})
  test.equal(check("domain", "the domain's state", a_move({}, { state = { state = "paused", reason = "user" } })), {})
  test.equal(check("domain", "the domain's state", a_move({}, { state = { state = "shutoff" } })),
    { "kvm1: 'web1' is shut off" })
  local lines, _, faults = check("domain", "the domain's state", a_move({}, { state = { state = "paused",
    reason = "ioerror" } }))
  test.equal(lines, { "kvm1: 'web1' is paused (ioerror)" })
  test.matches(faults[1].hint, "drover reconcile web1 %-%-hosts kvm1,kvm2$")
end)

for body, expected in pairs {
  ["<hostdev mode='subsystem' type='pci'/>"] = "a host PCI device is attached",
  ["<hostdev mode='subsystem' type='usb'/>"] = "a host USB device is attached",
  ["<filesystem type='mount'/>"] = "a host folder is shared with the guest (filesystem)",
  ["<shmem name='x'/>"] = "shared memory (shmem) is attached",
  ["<disk type='file'><transient/></disk>"] = "a disk is transient: its changes live in a file of this host",
} do
  test.case("a device that cannot move: " .. body, function()
    local move = a_move({}, { xml = "<domain><devices>" .. body .. "</devices></domain>" })
    test.equal(check("domain", "devices", move), { "kvm1: " .. expected })
  end)
end

for _, row in ipairs {
  { { channel = "tunnel", mode = "managed" }, "--channel tunnel needs --mode p2p" },
  { { channel = "tunnel", post_copy = true }, "--channel tunnel cannot switch to post-copy" },
  { { channel = "tunnel", policy = "post-copy" }, "--channel tunnel cannot switch to post-copy" },
  { { parallel = 2 }, "--parallel needs --channel direct or tls" },
  { { compression = "zstd" }, "--compression zstd needs --parallel 2 or more" },
  { { compression = "mt", parallel = 2, channel = "direct" }, "--compression mt and --parallel exclude each other" },
  { { timeout_action = "post-copy", parallel = 2, channel = "tls" }, "--post-copy and --parallel exclude each other in "
    .. "this libvirt" },
  { { undefine_source = true, persistent = false }, "--undefine-source without --persistent would leave no definition "
    .. "anywhere" },
  { { bandwidth = 100 }, "--bandwidth 100 is 100 B a second, and libvirt can be told no less than 1 MiB" },
  { { bandwidth = 1 << 20 } },
  { { key = "none" }, "--key none leaves the source no way to the destination" },
  { { key = "none", mode = "managed", channel = "direct" } },
  { { key = "existing" } },
} do
  test.case("options that exclude each other: " .. (row[2] or "these do not"), function()
    test.equal(check("domain", "options that exclude each other", a_move(row[1])), { row[2] })
  end)
end

test.case("memory at the destination", function()
  local domain = { info = function() return { memory_bytes = 4 << 30 } end }
  local move = a_move({}, { domain = domain })
  move.destination.facts_of.memory = { available_bytes = 2 << 30 }
  test.equal(check("memory", "memory", move), { "kvm2: it needs 4.0 GiB of memory, and 2.0 GiB is free" })
  move = a_move({}, { domain = domain })
  move.destination.facts_of.memory = { available_bytes = (4 << 30) + 1000, swap_used_bytes = 1 << 30 }
  local faults, warned = check("memory", "memory", move)
  test.equal({ faults, #warned }, { {}, 2 })
end)

local bridged = [[<domain><devices><interface type='bridge'><source bridge='br0'/></interface>
  <interface type='network'><source network='lan'/></interface></devices></domain>]]

test.case("bridges: missing, too small, and renamed", function()
  local move = a_move({}, { xml = bridged })
  move.source.answers["/sys/class/net"] = { output = "br0 9000\n" }
  move.destination.answers["/sys/class/net"] = { output = "br0 none\n" }
  local lines, _, faults = check("network", "bridges", move)
  test.equal(lines, { "kvm2: there is no bridge 'br0'" })
  test.matches(faults[1].hint, "%-%-network br0=OTHER")
  move = a_move({}, { xml = bridged })
  move.source.answers["/sys/class/net"] = { output = "br0 9000\n" }
  move.destination.answers["/sys/class/net"] = { output = "br0 1500\n" }
  test.equal(check("network", "bridges", move), { "kvm2: bridge br0 has an MTU of 1500, and 9000 on the source" })
  test.equal(check("network", "--network", a_move({ network = { br9 = "br1" } }, { xml = bridged })),
    { "kvm1: it has no interface on 'br9'" })
end)

test.case("networks: missing and not active", function()
  local function with(network)
    local move = a_move({}, { xml = bridged })
    move.destination.virt = { find_network = function() return network end }
    return move
  end
  test.equal(check("network", "networks", with(nil)), { "kvm2: there is no network 'lan'" })
  test.equal(check("network", "networks", with { is_active = function() return false end }),
    { "kvm2: the network 'lan' is not active" })
  test.equal(check("network", "networks", with { is_active = function() return true end }), {})
end)

test.case("A30: the source's own key is tried as the move will use it", function()
  local move = a_move { key = "existing" }
  move.destination.facts_of.user = "root"
  move.source.answers["BatchMode=yes"] = { exit_code = 255, errors = "root@10.0.0.2: Permission denied (publickey).\n" }
  move.destination.answers["sshd -T"] = { output = "port 22\nssh-ed25519 AAAA\n" }
  test.equal(check("ports", "the source's own key", move),
    { "kvm1: its own key does not log in as root at 10.0.0.2: root@10.0.0.2: Permission denied (publickey)." })
  test.equal(check("ports", "the source's own key", a_move()), {})
end)

test.case("versions and architecture", function()
  local move = a_move()
  move.source.facts_of = { libvirt_version = "9.0.0", qemu_version = "7.2.4", architecture = "x86_64" }
  move.destination.facts_of = { libvirt_version = "8.0.0", qemu_version = "7.2.11", architecture = "x86_64" }
  test.equal(check("identity", "versions", move), { "kvm2: libvirt is 8.0.0 there and 9.0.0 on the source" })
end)

test.case("MAC addresses are compared with all guests there, many at once", function()
  local function with_mac(address)
    return ("<domain><devices><interface><mac address='%s'/></interface></devices></domain>"):format(address)
  end
  local move = a_move({}, { xml = with_mac "52:54:00:00:00:01" })
  local guests = {}
  for index = 1, 100 do
    guests[index] = { uuid = function() return "other " .. index end, name = function() return "guest" .. index end,
      xml = function()
        async.sleep(10)
        if index == 50 then errors.raise { domain = "virt", code = "NO_DOMAIN", message = "it stopped" } end
        return with_mac(index == 99 and "52:54:00:00:00:01" or "52:54:00:00:01:00")
      end }
  end
  move.destination.virt = { domains = function() return guests end }
  local started_ms = async.monotonic_ms()
  test.equal(check("network", "MAC addresses", move),
    { "kvm2: 'guest99' there has the same MAC address 52:54:00:00:00:01" })
  test.is_true(async.monotonic_ms() - started_ms < 600, "one after the other")
end)

test.case("A46: a rule there that sends the move's port elsewhere is told", function()
  local function warned(p, rules)
    local move = a_move(setmetatable({ channel = "direct" }, { __index = p }), { disks = {} })
    setmetatable(move.p, { __index = function(_, name) return p[name] or rawget(defaults, name) end })
    move.destination.firewall = { can_expire = function() return p.can_expire ~= false end,
      ruleset = function() return rules end }
    local _, warnings = check("ports", "the port", move)
    return warnings
  end
  local rule = "tcp dport 5000 dnat to 10.9.9.9"
  test.equal(warned({ port = 5000 }, rule), { "kvm2 sends what comes to port 5000 elsewhere: " .. rule })
  test.equal(warned({ port = 5001 }, rule), {})
  test.equal(warned({}, "tcp dport 49152-49214 dnat to 10.9.9.9"), {})  -- the run takes another one
  test.equal(#warned({}, "tcp dport 49152-49215 dnat to 10.9.9.9"), 1)
  -- The second lock of an opening, for the day when drover's own machine never comes back, is not there.
  test.equal(warned({ can_expire = false }, ""),
    { "the opening on kvm2 does not expire by itself: iptables there has no match 'time'" })
end)

test.case("a running guest without KVM may lose memory with QEMU before 9.0", function()
  local function warned(kind, emulator, version, state)
    local definition = ("<domain type='%s'><devices><emulator>%s</emulator></devices></domain>"):format(kind, emulator)
    local move = a_move({}, { xml = definition, state = { state = state or "running" } })
    move.source.facts_of.qemu_version = version
    local _, warnings = check("cpu", "memory without KVM", move)
    return warnings[1]
  end
  local usual = "/usr/bin/qemu-system-x86_64"
  test.equal(warned("qemu", usual, "7.2.22"),
    "it runs without KVM, and QEMU 7.2.22 can lose what such a guest writes to its memory while it moves")
  test.equal(warned("kvm", usual, "7.2.22"), nil)
  test.equal(warned("qemu", usual, "9.0.0"), nil)
  test.equal(warned("qemu", usual, "10.1.0"), nil)
  test.equal(warned("qemu", usual, nil), nil)
  test.equal(warned("qemu", "/opt/qemu/qemu", "7.2.22"), nil)
  test.equal(warned("qemu", usual, "7.2.22", "paused"), nil)
end)
