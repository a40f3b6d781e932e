-- Shows which disks are copied and which are shared, by what was asked and by what the hosts answer.
local test = require "test"
local storage = require "migrate.storage"
local xml = require "xml"

local live = xml.parse [[<domain><devices>
  <disk type='file'><driver name='qemu' type='qcow2' cache='none'/><source file='/a/one.img'/><target dev='vda'/>
    <backingStore type='file'><source file='/a/base.img'/></backingStore></disk>
  <disk type='file'><driver name='qemu' type='raw'/><source file='/b/two.img'/><target dev='vdb'/></disk>
  <disk type='block'><source dev='/dev/mapper/x'/><target dev='vdc'/></disk>
  <disk type='network'><source protocol='rbd' name='pool/image'/><target dev='vdd'/></disk>
  <disk type='file' device='cdrom'><source file='/iso/cd.iso'/><target dev='sda'/><readonly/></disk>
  <disk type='file' device='cdrom'><target dev='sdb'/></disk>
  <disk type='file'><source file='/a/ro.img'/><target dev='vde'/><readonly/></disk>
</devices></domain>]]

local function a_move(p)
  local move = { live = live, run_id = "RUN", ctx = {}, source = { name = "a" }, destination = { name = "b" },
    p = setmetatable(p or {}, { __index = { storage = "auto", copy_disks = {} } }) }
  move.disks = storage.disks(move)
  return move
end

local function actions(p, shared)
  local move = a_move(p)
  storage.decide(move, function(place) return (shared or {})[place.name] == true end)
  local words = {}
  for _, disk in ipairs(move.disks) do words[#words + 1] = disk.target .. "=" .. disk.action end
  return table.concat(words, " ")
end

test.case("disks are read from the definition", function()
  local move = a_move()
  local first = move.disks[1]
  test.equal({ first.target, first.path, first.format, first.cache, first.backing, first.readonly },
    { "vda", "/a/one.img", "qcow2", "none", { "/a/base.img" }, false })
  test.equal({ move.disks[3].path, move.disks[4].path, move.disks[6].has_source }, { "/dev/mapper/x", nil, false })
  test.equal(storage.places(move), { { name = "/a", here = "/a", there = "/a" },
    { name = "/b", here = "/b", there = "/b" } })
end)

for _, row in ipairs {
  { {}, {}, "vda=copy vdb=copy vdc=shared vdd=shared sda=skip sdb=skip vde=skip" },
  { {}, { ["/a"] = true }, "vda=shared vdb=copy vdc=shared vdd=shared sda=skip sdb=skip vde=skip" },
  { { storage = "shared" }, {}, "vda=shared vdb=shared vdc=shared vdd=shared sda=skip sdb=skip vde=skip" },
  { { storage = "copy" }, {}, "vda=copy vdb=copy vdc=copy vdd=shared sda=skip sdb=skip vde=skip" },
  { { copy_disks = { "vdb" } }, {}, "vda=shared vdb=copy vdc=shared vdd=shared sda=skip sdb=skip vde=skip" },
  { { copy_disks = { "sda" } }, { ["/a"] = true, ["/b"] = true },
    "vda=shared vdb=shared vdc=shared vdd=shared sda=skip sdb=skip vde=skip" },
} do
  test.case("decides " .. row[3], function() test.equal(actions(row[1], row[2]), row[3]) end)
end

test.case("each folder is asked about once", function()
  local move, asked = a_move(), {}
  storage.decide(move, function(place) asked[#asked + 1] = place.name return true end)
  test.equal(asked, { "/a", "/b" })
end)

test.case("the targets to copy are named in order", function()
  local move = a_move { storage = "copy" }
  storage.decide(move)
  test.equal(storage.copied(move), { "vda", "vdb", "vdc" })
end)

-- ---- what the run proves before it takes a disk for shared ----

-- Two hosts that answer the scripts of storage: there = the files that the destination sees; devices = { here, there },
-- what each says of its block devices; stat = { here, there }.
local function prepared(text, p, answers)
  local leases, warned, plan = {}, {}, {}
  local function a_host(name, side)
    return { name = name, query = function(_, request)
      local script, output = request[3], ""
      if script:find("dm/uuid", 1, true) then output = answers.devices[side]
      elseif script:find("%i:%s", 1, true) then output = answers.stat and answers.stat[side] or "absent\n"
      elseif script:find("stat -f", 1, true) then output = (answers.kind or "ext2/ext3") .. "\n"
      elseif script:find("date +%s", 1, true) then output = "1000\n"
      elseif script:find("echo yes", 1, true) then output = (answers.seen or {})[request[5]] and "yes\n" or "no\n"
      end
      return { exit_code = 0, output = output, errors = "" }
    end }
  end
  local ctx = { planning = answers.planning, plan = { add = function(_, one) plan[#plan + 1] = one.text end } }
  function ctx.lease(_, kind, arguments)
    if answers.read_only then errors.raise { code = "COMMAND_FAILED", message = "Permission denied", where = false } end
    leases[#leases + 1] = kind .. " " .. arguments.path
  end
  function ctx.release() end
  function ctx.warn(_, message) warned[#warned + 1] = message end
  local move = { live = xml.parse("<domain><devices>" .. text .. "</devices></domain>"), run_id = "RUN", ctx = ctx,
    source = a_host("a", 1), destination = a_host("b", 2),
    p = setmetatable(p or {}, { __index = { storage = "auto", copy_disks = {} } }) }
  move.disks = storage.disks(move)
  return move, leases, warned, plan
end

local a_file = "<disk type='file'><source file='/a/one.img'/><target dev='vda'/></disk>"
local a_device = "<disk type='block'><source dev='/dev/vg0/web1'/><target dev='vda'/></disk>"

test.case("A27: --storage shared is put to the proof: an old copy at the destination is not it", function()
  local move, leases = prepared(a_file, { storage = "shared" }, { seen = { ["/a/one.img"] = true } })
  local problem = test.raises("NOT_SHARED", storage.prepare, move)
  test.equal({ problem.message, problem.host, leases }, { "/a/one.img is not the same file there: what a makes in /a "
    .. "is not seen", "b", { "probe-file /a/.drover-RUN" } })
  move = prepared(a_file, { storage = "shared" }, { seen = { ["/a/.drover-RUN"] = true } })
  storage.prepare(move)
  test.equal(move.disks[1].action, "shared")
end)

test.case("A27: a volume whose pool is in another folder there is looked for in that folder", function()
  local move, leases = prepared(a_file, {}, { stat = { "12:4096 0\n", "12:4096 0\n" },
    seen = { ["/b/.drover-RUN"] = true } })
  move.disks[1].path_there = "/b/one.img"
  storage.prepare(move)
  test.equal({ move.disks[1].action, leases }, { "shared", { "probe-file /a/.drover-RUN" } })
end)

test.case("A27: a disk that --copy-disks leaves out is put to the same proof", function()
  local two = a_file .. "<disk type='file'><source file='/b/two.img'/><target dev='vdb'/></disk>"
  local move = prepared(two, { copy_disks = { "none" } }, { seen = {} })
  test.raises("NOT_SHARED", storage.prepare, move)
end)

test.case("A27: where root may not make a file, the file's own identity must speak for --storage shared", function()
  local function with(there)
    return prepared(a_file, { storage = "shared" }, { read_only = true, stat = { "12:4096 1700000000\n", there } })
  end
  local move, _, warned = with "12:4096 1700000000\n"
  storage.prepare(move)
  test.equal(warned, { "no file can be made in /a to see whether it is shared: Permission denied" })
  storage.prepare((with "12:4096 0\n"))  -- a file system that does not know when a file was made
  test.raises("NOT_SHARED", storage.prepare, (with "12:4096 1700000001\n"))
  test.raises("NOT_SHARED", storage.prepare, (with "13:4096 1700000000\n"))
  test.raises("NOT_SHARED", storage.prepare, (with "absent\n"))
  local problem = test.raises("COMMAND_FAILED", storage.prepare, (prepared(a_file, {}, { read_only = true })))
  test.equal(problem.hint,
    "where root may not write, as on NFS that squashes it, say which it is: --storage shared or copy")
end)

test.case("A27: what looks shared and is not, or the other way round, is for a person to say", function()
  local problem = test.raises("STORAGE_UNCLEAR", storage.prepare, (prepared(a_file, {}, { kind = "nfs", seen = {} })))
  test.equal(problem.message, "/a looks shared on both hosts, but a file made on a is not seen there")
  test.equal(problem.hint, "look at what is mounted there on both hosts; if the disks are to be copied: --storage copy")
  problem = test.raises("STORAGE_UNCLEAR", storage.prepare, (prepared(a_file, {}, {
    seen = { ["/a/.drover-RUN"] = true } })))
  test.equal({ problem.message, problem.hint }, { "/a looks local on both hosts, but a file made on a is seen there",
    "say which it is: --storage shared or --storage copy" })
end)

test.case("A27: a device that another one has the name of stops the run, also without the checks", function()
  local others = { "1000 LVM-aaaa\n", "1000 LVM-bbbb\n" }
  for _, asked in ipairs { "auto", "shared" } do
    local problem = test.raises("NOT_SHARED", storage.prepare, (prepared(a_device, { storage = asked }, {
      devices = others })))
    test.equal(problem.message, "disk vda (/dev/vg0/web1) is another device there: LVM-aaaa here and LVM-bbbb there")
  end
  local move = prepared(a_device, {}, { devices = { "1000 LVM-aaaa\n", "1000 LVM-aaaa\n" } })
  storage.prepare(move)
  test.equal(move.disks[1].action, "shared")
end)

test.case("A27: the person's word for a device without an identity stands in the plan", function()
  local unknown = { "1000 ?\n", "1000 ?\n" }
  local problem = test.raises("NOT_SHARED", storage.prepare, (prepared(a_device, {}, { devices = unknown })))
  test.equal({ problem.message, problem.hint }, { "whether disk vda (/dev/vg0/web1) is the same device there is not "
    .. "known: it has no identity of its own (WWN, LVM UUID) on either host",
    "only when you know that both hosts write the same storage through it: --storage shared" })
  local move, _, _, plan = prepared(a_device, { storage = "shared" }, { devices = unknown, planning = true })
  storage.prepare(move)
  test.equal(plan, { "open /dev/vg0/web1, which you say is the same device (--storage shared): it has no identity of "
    .. "its own (WWN, LVM UUID) on either host" })
end)

test.case("network disks are shared by their name, not through the host itself; other kinds are not known", function()
  local function network(host)
    return ("<disk type='network'><source protocol='rbd' name='pool/image'>%s</source><target dev='vda'/></disk>")
      :format(host)
  end
  local move, _, _, plan = prepared(network "<host name='10.0.0.9'/>", {}, { planning = true })
  storage.prepare(move)
  test.equal(plan, { "open vda as rbd pool/image, which both hosts reach by that name" })
  for _, host in ipairs { "<host name='localhost'/>", "<host name='127.0.0.1'/>",
    "<host transport='unix' socket='/s'/>" } do
    local problem = test.raises("NOT_SHARED", storage.prepare, (prepared(network(host), {}, {})))
    test.equal(problem.message, "disk vda is reached through the host itself, which is another one there")
    storage.prepare((prepared(network(host), { storage = "shared" }, {})))
  end
  local problem = test.raises("NOT_SHARED", storage.prepare, (prepared(
    "<disk type='nvme'><source type='pci' namespace='1'/><target dev='vda'/></disk>", {}, {})))
  test.equal(problem.message, "whether disk vda (type 'nvme') is the same there is not known")
end)

-- ---- what the run makes at the destination ----

-- A copy whose volume the pool makes at the last of so many tries, and the number of tries.
local function made_at_try(wanted, problem)
  local move = prepared(a_file, { storage = "copy" }, { seen = {} })
  local tries, noted = 0, {}
  local pool = {}
  function pool.create_volume()
    tries = tries + 1
    if tries < wanted then errors.raise { code = "VOLUME_FAILED", message = problem, where = false } end
  end
  move.destination.virt = { pool_of_path = function() return pool end, volume_of_path = function() end }
  move.domain = { block_info = function() return { capacity_bytes = 4096 } end }
  function move.ctx.undo(_, kind) noted[#noted + 1] = kind return 1 end
  function move.ctx.made(_, sequence) noted[#noted + 1] = "made " .. sequence end
  return move, function() return tries, noted end
end

test.case("A22: QEMU that could not measure the processor to encrypt a volume is asked again, not for ever", function()
  local unmeasured = "unexpected exit status 1: qemu-img: /a/one.img: Unable to get accurate CPU usage"
  local move, seen = made_at_try(4, unmeasured)
  storage.prepare(move)
  test.equal({ seen() }, { 4, { "created-volume", "made 1" } })
  move, seen = made_at_try(100, unmeasured)
  test.raises("VOLUME_FAILED", storage.prepare, move)
  test.equal({ seen() }, { 12, { "created-volume" } })
end)

test.case("what else keeps a volume from being made is not tried again", function()
  local move, seen = made_at_try(2, "No space left on device")
  test.raises("VOLUME_FAILED", storage.prepare, move)
  test.equal({ seen() }, { 1, { "created-volume" } })
end)
