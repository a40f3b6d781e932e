-- Shows when a block device of the destination is taken for the source's: by what both say of themselves, not by name.
local test = require "test"
local fakes = test.load(..., "fakes")
local devices = require "migrate.devices"

-- What is judged of one disk when the hosts answer so.
local function judge(here, there, p, disk)
  local asked = {}
  local function a_host(name, output)
    return { name = name, query = function(_, request)
      asked[#asked + 1] = name .. ":" .. table.concat(request, " ", 5)
      return { exit_code = 0, output = output .. "\n", errors = "" }
    end }
  end
  local move = { source = a_host("a", here), destination = a_host("b", there), p = p or { storage = "auto" },
    disks = { disk or { target = "vda", action = "shared", type = "block", path = "/dev/x", path_there = "/dev/x",
      backing_devices = {} } } }
  local judged = devices.judge(move)
  devices.judge(move)
  table.sort(asked)
  return judged, move, asked
end

local sda, sdb = "naa.600508b1001c0001", "naa.600508b1001c0002"

for _, row in ipairs {
  -- what it is, the source's answer, the destination's, the verdict
  { "a shared LUN", "1000 " .. sda, "1000 " .. sda, "same" },
  { "two local disks", "1000 " .. sda, "1000 " .. sdb, "different" },
  { "a LUN that has grown at one host only", "1000 " .. sda, "2000 " .. sda, "different" },
  { "the same LUN, through multipath at one host only", "1000 mpath-3600508b1001c0001", "1000 " .. sda, "same" },
  { "another LUN, through multipath at one host only", "1000 mpath-3600508b1001c0001", "1000 " .. sdb, "different" },
  { "a partition of a shared LUN", "1000 " .. sda .. "/part1", "1000 part1-mpath-3600508b1001c0001", "same" },
  { "another partition of it", "1000 " .. sda .. "/part1", "1000 " .. sda .. "/part2", "different" },
  { "multipath with a name of the vendor's", "1000 mpath-SIBM_1", "1000 mpath-SIBM_1", "same" },
  { "NVMe over fabrics", "1000 eui.0025385b71b0a1c2", "1000 eui.0025385b71b0a1c2", "same" },
  { "a local LV of one name on each host", "1000 LVM-vg1lv1 " .. sda, "1000 LVM-vg2lv2 " .. sdb, "different" },
  { "an LV of a group that both hosts see", "1000 LVM-vg1lv1 " .. sda, "1000 LVM-vg1lv1 " .. sda, "same" },
  { "the same on disks without a WWN", "1000 LVM-vg1lv1 ?", "1000 LVM-vg1lv1 ?", "same" },
  { "an LV whose whole group was cloned to another disk", "1000 LVM-vg1lv1 " .. sda, "1000 LVM-vg1lv1 " .. sdb,
    "different" },
  { "a LUKS container on a shared LUN", "1000 CRYPT-LUKS2-1-x " .. sda, "1000 CRYPT-LUKS2-1-x " .. sda, "same" },
  { "a copy of a LUKS container", "1000 CRYPT-LUKS2-1-x " .. sda, "1000 CRYPT-LUKS2-1-x " .. sdb, "different" },
  { "a LUKS container on who knows what", "1000 CRYPT-LUKS2-1-x ?", "1000 CRYPT-LUKS2-1-x ?", "unknown" },
  { "two arrays of local disks", "1000 ? " .. sda, "1000 ? " .. sdb, "different" },
  { "loop devices, DRBD", "1000 ?", "1000 ?", "unknown" },
  { "loop devices of two sizes", "1000 ?", "2000 ?", "different" },
  { "a LUN here, a loop device there", "1000 " .. sda, "1000 ?", "unknown" },
  { "a loop device here, a LUN there", "1000 ?", "1000 " .. sda, "unknown" },
  { "a mapped rbd image", "1000 rbd.f/pool//12/-/", "1000 rbd.f/pool//12/-/", "same" },
  { "another rbd image", "1000 rbd.f/pool//12/-/", "1000 rbd.f/pool//13/-/", "different" },
  { "QEMU's own name for its disks", "1000 t10.ATA_QEMU_HARDDISK_QM00001_", "1000 t10.ATA_QEMU_HARDDISK_QM00001_",
    "unknown" },
  { "the same through multipath", "1000 mpath-1ATA_QEMU_HARDDISK_QM00001", "1000 mpath-1ATA_QEMU_HARDDISK_QM00001",
    "unknown" },
  { "tgt's own name", "1000 t10.IET_00010001", "1000 t10.IET_00010001", "unknown" },
  { "a WWN of zeros", "1000 eui.0000000000000000", "1000 eui.0000000000000000", "unknown" },
  { "a device that is not there", "1000 " .. sda, "absent", "absent" },
  { "a file of that name", "1000 " .. sda, "other", "unknown" },
  { "a host that does not answer the question", "1000 " .. sda, "", "unknown" },
} do
  test.case(("A27: %s: %s"):format(row[1], row[4]), function()
    local judged, move = judge(row[2], row[3])
    test.equal(judged[1].verdict, row[4], judged[1].why)
    test.equal(devices.objection(move, judged[1]) == nil, row[4] == "same")
    -- The person's word counts where nothing is known, and nowhere else.
    judged, move = judge(row[2], row[3], { storage = "shared" })
    test.equal(devices.objection(move, judged[1]) == nil, row[4] == "same" or row[4] == "unknown")
    test.equal(devices.is_by_word(move, judged[1]), row[4] == "unknown")
  end)
end

test.case("each host is asked once, by its own paths, for devices and those that they rest on", function()
  local judged, _, asked = judge("1000 " .. sda .. "\n2000 " .. sda, "1000 " .. sda .. "\n2000 " .. sdb, nil,
    { target = "vda", action = "shared", type = "block", path = "/dev/x", path_there = "/dev/y",
      backing_devices = { "/dev/base" } })
  test.equal(asked, { "a:/dev/x /dev/base", "b:/dev/y /dev/base" })
  test.equal({ judged[1].verdict, judged[2].verdict, judged[2].path }, { "same", "different", "/dev/base" })
end)

test.case("disks that are copied or files ask nobody", function()
  for _, disk in ipairs { { target = "vda", action = "copy", type = "block", path = "/dev/x", path_there = "/dev/x" },
    { target = "vda", action = "shared", type = "file", path = "/a/b", path_there = "/a/b" } } do
    local judged, _, asked = judge("", "", nil, disk)
    test.equal({ #judged, #asked }, { 0, 0 })
  end
end)

-- The script itself, on this machine: a device of the kernel, what is none, and what is not there.
test.case("the question is understood by a real host", function()
  local machine <close> = host.connect "localhost"
  local any = "for d in /dev/loop0 /dev/sda /dev/vda; do [ ! -b $d ] || { echo $d; exit; }; done"
  local found = machine:query { "sh", "-c", any }.output:match("%S+")
  if not found then return end
  local one = { query = function(_, request)
    test.equal(request[1], "sh")
    return machine:query(request)
  end }
  local move = { source = one, destination = one, p = { storage = "auto" }, disks = {
    { target = "vda", action = "shared", type = "block", path = found, path_there = "/nowhere" },
    { target = "vdb", action = "shared", type = "block", path = found, path_there = "/etc/passwd" },
    { target = "vdc", action = "shared", type = "block", path = found, path_there = found } } }
  local judged = devices.judge(move)
  test.equal({ judged[1].verdict, judged[2].why }, { "absent", "it is no block device there" })
  test.is_true(judged[3].verdict == "same" or judged[3].why:find("no identity"), judged[3].why)
end)

-- A /sys of files, as the kernel lays it out [Documentation/ABI/stable/sysfs-block, testing/sysfs-block-dm].
local make_sys = [[
cd "$1"
device() { mkdir -p "$1"; echo "${2:-8}" >"$1/size"; }
device sda 100; mkdir sda/device; echo "naa.600508b1001c0001" >sda/device/wwid
device sda/sda1 50; echo 1 >sda/sda1/partition
device sdb 100; mkdir sdb/device; echo "t10.ATA     QEMU HARDDISK   QM00001 " >sdb/device/wwid
device nvme0n1; echo "eui.0025385b71b0a1c2" >nvme0n1/wwid
device dm-0; mkdir dm-0/dm dm-0/slaves; echo LVM-group1lv1 >dm-0/dm/uuid; ln -s ../../sda/sda1 dm-0/slaves/sda1
device dm-1; mkdir dm-1/dm dm-1/slaves; echo CRYPT-LUKS2-1-x >dm-1/dm/uuid; ln -s ../../dm-0 dm-1/slaves/dm-0
device dm-2; mkdir dm-2/dm dm-2/slaves; echo mpath-3600508b1001c0001 >dm-2/dm/uuid; ln -s ../../sda dm-2/slaves/sda
device dm-3; mkdir dm-3/dm dm-3/slaves; : >dm-3/dm/uuid; ln -s ../../sda dm-3/slaves/sda
device rbd0; mkdir rbd0/device; cd rbd0/device
echo fsid >cluster_fsid; echo images >pool; echo >pool_ns; echo 12ab >image_id; echo - >current_snap]]

-- Which question is asked of the kernel, by running the script over that tree.
local function answers(names)
  local folder <close> = fakes.folder()
  local machine <close> = host.connect "localhost"
  machine:exec { "sh", "-c", make_sys, "drover", folder.path }
  local heard = {}
  local one = { query = function(_, request)
    local copied = table.move(request, 1, #request, 1, {})
    copied[3] = request[3]:gsub("device=/sys/dev/block/[^\n]*", "device=$f"):gsub("%-b ", "-d ")
    local result = machine:query(copied)
    for line in result.output:gmatch("[^\n]+") do heard[#heard + 1] = line end
    return result
  end }
  local disks = {}
  for index, name in ipairs(names) do
    local path = folder.path .. "/" .. name
    disks[index] = { target = name, action = "shared", type = "block", path = path, path_there = path }
  end
  local judged = devices.judge { source = one, destination = { query = one.query }, p = { storage = "auto" },
    disks = disks }
  local verdicts = {}
  for index, each in ipairs(judged) do verdicts[index] = each.verdict end
  return heard, verdicts
end

for name, expected in pairs {
  ["sda"] = { "51200 naa.600508b1001c0001", "same" },
  ["sda/sda1"] = { "25600 naa.600508b1001c0001/part1", "same" },
  ["sdb"] = { "51200 t10.ATA_QEMU_HARDDISK_QM00001_", "unknown" },
  ["nvme0n1"] = { "4096 eui.0025385b71b0a1c2", "same" },
  ["dm-0"] = { "4096 LVM-group1lv1 naa.600508b1001c0001/part1", "same" },
  ["dm-1"] = { "4096 CRYPT-LUKS2-1-x LVM-group1lv1 naa.600508b1001c0001/part1", "same" },
  ["dm-2"] = { "4096 mpath-3600508b1001c0001", "same" },
  ["dm-3"] = { "4096 ? naa.600508b1001c0001", "unknown" },
  ["rbd0"] = { "4096 rbd.fsid/images//12ab/-/", "same" },
} do
  test.case("A27: what the kernel says of " .. name, function()
    local heard, verdicts = answers { name }
    test.equal({ heard[1], verdicts[1] }, expected)
  end)
end
