-- Shows that all that stands in the way is told at once, in the order of the checks, each with host and hint.
local test = require "test"
local preflight = require "preflight"
local world = test.load(..., "preflight_fakes")
local a_move, check = world.a_move, world.check

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
  { { key = "none" }, "--key none means no ssh from the source at all, and --channel ssh needs it" },
  { { key = "none", channel = "direct" }, "--key none means no ssh from the source at all, and --mode p2p needs it" },
  { { key = "none", channel = "ssh", mode = "managed" },
    "--key none means no ssh from the source at all, and --channel ssh needs it" },
  { { key = "none", mode = "managed", channel = "direct" } },
  { { key = "existing" } },
} do
  test.case("options that exclude each other: " .. (row[2] or "these do not"), function()
    test.equal(check("domain", "options that exclude each other", a_move(row[1])), { row[2] })
  end)
end
