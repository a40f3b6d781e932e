-- Shows that all that stands in the way is told at once, in the order of the checks, each with host and hint.
local test = require "test"
local preflight = require "preflight"
local xml = require "xml"
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
  ["<hostdev mode='subsystem' type='scsi'/>"] = "a host SCSI or mediated device is attached",
  ["<hostdev mode='subsystem' type='mdev'/>"] = "a host SCSI or mediated device is attached",
  ["<interface type='hostdev'><mac address='52:54:00:00:00:01'/></interface>"] = "an interface is a PCI device of this "
    .. "host",
  ["<disk type='file'><transient/></disk>"] = "a disk is transient: its changes live in a file of this host",
} do
  test.case("a device that cannot move: " .. body, function()
    local move = a_move({}, { xml = "<domain><devices>" .. body .. "</devices></domain>" })
    test.equal(check("domain", "devices", move), { "kvm1: " .. expected })
  end)
end

test.case("an interface of the host with a teamed one beside it may move, and an emulated TPM too", function()
  test.equal(check("domain", "devices", a_move({}, { xml = "<domain><devices><interface type='hostdev'>"
    .. "<teaming type='transient' persistent='ua-1'/></interface><tpm><backend type='emulator'/></tpm></devices>"
    .. "</domain>" })), {})
end)

test.case("of an emulated TPM it is said with -v that its state travels", function()
  local move = a_move({}, { xml = "<domain><devices><tpm><backend type='emulator'/></tpm></devices></domain>" })
  move.ctx.verbose = true
  local _, warned = check("domain", "devices", move)
  test.equal(warned, { "it has an emulated TPM; its state travels with the domain" })
end)

test.case("a CPU that is tied to its host's clock", function()
  local function with(policy)
    return check("domain", "devices", a_move({}, { xml = ("<domain><cpu><feature name='invtsc' policy='%s'/></cpu>"
      .. "<devices/></domain>"):format(policy) }))
  end
  test.equal(with "require", { "kvm1: its CPU has invtsc, tied to this host's clock" })
  test.equal(with "disable", {})
end)

test.case("A11: a job or a block job that runs", function()
  local function with(active, job, block_job)
    local domain = { is_active = function() return active end, job = function() return job end,
      block_job = function(_, target) return target == "vda" and block_job or nil end }
    return check("domain", "jobs", a_move({}, { domain = domain, disks = {
      { target = "vda", device = "disk", has_source = true },
      { target = "sda", device = "cdrom", has_source = true } } }))
  end
  test.equal(with(true, { type = "unbounded", operation = "migration_out" }),
    { "kvm1: a job is running on it (migration_out)" })
  test.equal(with(true, { type = "unbounded" }), { "kvm1: a job is running on it (unbounded)" })
  test.matches(with(true, { type = "none" }, { type = "copy" })[1], "^kvm1: a .*block job is running on disk vda")
  test.equal(with(true, { type = "none" }), {})
  test.equal(with(false, { type = "unbounded" }), {})
end)

test.case("A18: snapshots and checkpoints are named", function()
  local function with(snapshots, checkpoints)
    local domain = { snapshots = function() return snapshots end, checkpoints = function() return checkpoints end }
    return check("domain", "snapshots", a_move({}, { domain = domain }))
  end
  test.equal(with({}, {}), {})
  test.equal(with({ "one", "two", "three", "four" }, {}), { "kvm1: it has 4 snapshot(s): one, two, three" })
  test.equal(with({}, { "monday" }), { "kvm1: it has 1 backup checkpoint(s)" })
end)

test.case("a guest without an agent, or with one that does not answer", function()
  local function warned(target)
    return select(2, check("domain", "the guest's agent", a_move({}, { xml = ("<domain><devices>%s</devices></domain>")
      :format(target and "<channel>" .. target .. "</channel>" or "") })))
  end
  local silent = { "the guest has no agent that answers: its addresses cannot be compared after the move" }
  test.equal(warned(), silent)
  test.equal(warned "<target name='org.qemu.guest_agent.0' state='disconnected'/>", silent)
  test.equal(warned "<target name='org.qemu.guest_agent.0' state='connected'/>", {})
end)

test.case("post-copy for a QEMU that is not root needs the kernel's leave", function()
  local function with(p, label, allowed)
    local move = a_move(p)
    move.capabilities = { destination = xml.parse(("<capabilities><host><secmodel><model>dac</model><baselabel>%s"
      .. "</baselabel></secmodel></host></capabilities>"):format(label)) }
    move.destination.answers["userfaultfd"] = { output = allowed }
    return check("domain", "post-copy", move)
  end
  test.equal(with({ post_copy = true }, "+64055:+994", "0\n"),
    { "kvm2: the kernel gives post-copy's userfaultfd to root only, and QEMU runs as another user" })
  test.equal(with({ post_copy = true }, "+64055:+994", "1\n"), {})
  test.equal(with({ post_copy = true }, "+0:+0", "0\n"), {})
  test.equal(with({}, "+64055:+994", "0\n"), {})
end)

test.case("--channel tunnel carries no disks; zstd is newer than libvirt 9.0", function()
  local move = a_move({ channel = "tunnel" }, { disks = { { target = "vda", action = "copy" } } })
  test.equal(check("domain", "options that exclude each other", move), { "--channel tunnel cannot carry disks" })
  local function zstd(version)
    local old = a_move { compression = "zstd", parallel = 2, channel = "direct" }
    old.source.facts_of.libvirt_version = version
    return check("domain", "options that exclude each other", old)
  end
  test.equal(zstd "9.0.0", { "kvm1: libvirt 9.0.0 does not know zstd for a move" })
  test.equal({ (zstd "9.1.0"), (zstd "10.0.0") }, { {}, {} })
end)

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
