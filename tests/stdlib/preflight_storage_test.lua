-- Shows what stands in the way of a guest's disks: shared ones that are not, and no place for those to be copied.
local test = require "test"
local storage = require "migrate.storage"
local world = test.load(..., "preflight_fakes")
local check = world.check

-- A move of a guest with these disks. options: missing = paths that the destination lacks; kind of both file systems;
-- devices = what each host says of its block devices; stat of each file; pool, free_bytes, there at the destination.
local function a_move(disks, p, options)
  options = options or {}
  local move = world.a_move(p, { xml = "<domain><devices>" .. disks .. "</devices></domain>" })
  move.domain = { block_info = function()
    return { allocation_bytes = 1 << 20, physical_bytes = 1 << 30, capacity_bytes = 2 << 30 }
  end }
  for index, one in ipairs { move.source, move.destination } do
    one.answers["dm/uuid"] = { output = options.devices and options.devices[index] or "" }
    one.answers["stat -f"] = { output = (options.kind or "ext2/ext3") .. "\n" }
    one.answers["%i:%s"] = { output = options.stat and options.stat[index] or "absent\n" }
  end
  move.destination.answers["|| echo \"$f\""] = function(request)
    local lines = {}
    for index = 5, #request do
      if (options.missing or {})[request[index]] then lines[#lines + 1] = request[index] .. "\n" end
    end
    return table.concat(lines)
  end
  function move.destination.stat() return options.there and {} or nil end
  function move.destination.disk_space() return { available_bytes = options.free_bytes or 1 << 40 } end
  local pool = options.pool
  move.destination.virt = { pool_of_path = function() return pool and pool.active and pool or nil end,
    pools = function() return { pool } end }
  move.disks = storage.disks(move)
  storage.decide(move)
  return move
end

local function disk(source, more)
  return ("<disk type='file'>%s<source file='%s'/><target dev='vda'/></disk>"):format(more or "", source)
end
local block = "<disk type='block'><source dev='/dev/vg0/web1'/><target dev='vda'/></disk>"
local active = { active = true, is_active = function() return true end, name = function() return "images" end }

-- ---- shared disks ----

test.case("A27: a shared disk that is not seen there", function()
  test.equal(check("storage", "shared disks", a_move(disk "/a/one.img", { storage = "shared" },
    { missing = { ["/a/one.img"] = true } })), { "kvm2: /a/one.img is not seen there" })
end)

test.case("A27: a file there that does not look like the same one is told before the run proves it", function()
  local function with(there)
    return check("storage", "shared disks", a_move(disk "/a/one.img", { storage = "shared" },
      { stat = { "12:4096 0\n", there } }))
  end
  local lines, warned = with "13:4096 0\n"
  test.equal({ lines, warned }, { {}, { "/a/one.img there does not look like the same file: the run stops unless what "
    .. "one host makes in /a is seen by the other" } })
  lines, warned = with "12:4096 0\n"
  test.equal({ lines, warned }, { {}, {} })
end)

test.case("A27: block devices: the same, another one, none, and one that nobody knows", function()
  local function with(here, there, p)
    return check("storage", "shared disks", a_move(block, p, { devices = { here, there } }))
  end
  test.equal(with("1000 LVM-a\n", "1000 LVM-a\n"), {})
  test.equal(with("1000 LVM-a\n", "1000 LVM-b\n"),
    { "kvm2: disk vda (/dev/vg0/web1) is another device there: LVM-a here and LVM-b there" })
  test.equal(with("1000 LVM-a\n", "absent\n"), { "kvm2: /dev/vg0/web1 is not seen there" })
  local lines, warned = with("1000 ?\n", "1000 ?\n")
  test.equal({ #lines, warned }, { 1, {} })
  lines, warned = with("1000 ?\n", "1000 ?\n", { storage = "shared" })
  test.equal({ lines, warned }, { {}, { "that disk vda (/dev/vg0/web1) is the same device on both hosts is known from "
    .. "--storage shared alone: it has no identity of its own (WWN, LVM UUID) on either host" } })
end)

test.case("a cache mode that hides writes from the other host", function()
  local function with(cache, p, kind)
    return check("storage", "shared disks", a_move(disk("/a/one.img", ("<driver cache='%s'/>"):format(cache)), p,
      { kind = kind }))
  end
  local shared, unsafe = { storage = "shared" }, { storage = "shared", unsafe = true }
  test.equal(with("writeback", shared), { "kvm1: disk vda is cached by the host (cache='writeback')" })
  test.equal({ (with("none", shared)), (with("directsync", shared)), (with("writeback", unsafe)),
    (with("writeback", shared, "nfs")) }, { {}, {}, {}, {} })
end)

-- ---- disks to copy ----

test.case("A24: a disk to copy rests on a file that is missing there", function()
  local chain = "<backingStore type='file'><source file='/a/base.img'/></backingStore>"
  local lines, _, faults = check("storage", "disks to copy", a_move(disk("/a/one.img", chain), {},
    { pool = active, missing = { ["/a/base.img"] = true } }))
  test.equal(lines, { "kvm2: disk vda rests on /a/base.img, which is missing there" })
  test.matches(faults[1].hint, "^virsh blockpull web1 vda")
  test.equal(check("storage", "disks to copy", a_move(disk("/a/one.img", chain), {}, { pool = active })), {})
  -- Of a shared disk the chain counts as well.
  test.equal(check("storage", "shared disks", a_move(disk("/a/one.img", chain), { storage = "shared" },
    { kind = "nfs", missing = { ["/a/base.img"] = true } })), { "kvm2: /a/base.img is not seen there" })
end)

test.case("a block device is not copied", function()
  test.equal(check("storage", "disks to copy", a_move(block, { storage = "copy" })),
    { "kvm1: disk vda is on a block device, which drover does not copy" })
end)

test.case("A25: no pool, and one that is not active; the hint makes one that stays", function()
  local lines, _, faults = check("storage", "disks to copy", a_move(disk "/a/one.img"))
  test.equal(lines, { "kvm2: no storage pool on /a" })
  test.equal(faults[1].hint, "virsh pool-define-as NAME dir --target /a; virsh pool-start NAME; "
    .. "virsh pool-autostart NAME")
  local stopped = { is_active = function() return false end, name = function() return "images" end,
    xml = function() return "<pool><target><path>/a</path></target></pool>" end }
  test.equal(check("storage", "disks to copy", a_move(disk "/a/one.img", {}, { pool = stopped })),
    { "kvm2: the pool 'images' on /a is not active" })
end)

test.case("A26: a file in the way, and no space for what the disk holds", function()
  test.equal(check("storage", "disks to copy", a_move(disk "/a/one.img", {}, { pool = active, there = true })),
    { "kvm2: /a/one.img is there already" })
  test.equal(check("storage", "disks to copy", a_move(disk "/a/one.img", {}, { pool = active, free_bytes = 1 << 29 })),
    { "kvm2: the disks need 1.0 GiB in /a, and 512 MiB is free" })
end)

test.case("--copy-disks names a disk that is not there", function()
  test.equal(check("storage", "--copy-disks", a_move(disk "/a/one.img", { copy_disks = { "vdz" } })),
    { "kvm1: it has no disk 'vdz'" })
end)

-- ---- what is not copied ----

test.case("read-only disks: missing there, and what is told of one that is there", function()
  local function with(missing)
    return check("storage", "drives", a_move(disk("/a/ro.img", "<readonly/>"), {},
      { missing = { ["/a/ro.img"] = missing } }))
  end
  test.equal(with(true), { "kvm2: the read-only disk vda (/a/ro.img) is missing there" })
  local lines, warned = with(nil)
  test.equal({ lines, warned },
    { {}, { "the read-only disk vda is not copied: the guest goes on with /a/ro.img as it is there" } })
end)

test.case("a shareable disk is told", function()
  local _, warned = check("storage", "drives", a_move(disk("/a/one.img", "<shareable/>")))
  test.equal(warned, { "disk vda is shareable: drover does not know who else writes it" })
end)

test.case("A19: an ISO in the drive: missing there, ejected, refused", function()
  local drive = "<disk type='file' device='cdrom'><source file='/iso/cd.iso'/><target dev='sda'/><readonly/></disk>"
  local function with(cdrom)
    return check("storage", "drives", a_move(drive, { cdrom = cdrom }, { missing = { ["/iso/cd.iso"] = true } }))
  end
  test.equal(with "keep", { "kvm2: /iso/cd.iso, in drive sda, is missing there" })
  test.equal(with "refuse", { "kvm1: /iso/cd.iso is in drive sda" })
  test.equal(with "eject", {})
end)

test.case("A22: a secret that is not defined there", function()
  local encrypted = "<encryption format='luks'><secret type='passphrase' %s/></encryption>"
  local move = a_move(disk("/a/one.img", encrypted:format "uuid='u-1'"))
  move.destination.virt.find_secret = function() return nil end
  test.equal(check("storage", "secrets", move), { "kvm2: the secret u-1 is not defined there" })
  move = a_move(disk("/a/one.img", encrypted:format "usage='web1'"))
  move.destination.virt.find_secret_by_usage = function(_, kind, usage)
    test.equal({ kind, usage }, { "volume", "web1" })
  end
  test.equal(check("storage", "secrets", move), { "kvm2: the secret web1 is not defined there" })
end)

test.case("a volume whose pool is missing there is told by the check", function()
  local move = a_move "<disk type='volume'><source pool='fast' volume='web1'/><target dev='vda'/></disk>"
  move.disks[1].problem, move.disks[1].problem_host = "there is no storage pool 'fast'", "kvm2"
  test.equal(check("storage", "shared disks", move), { "kvm2: disk vda: there is no storage pool 'fast'" })
end)
