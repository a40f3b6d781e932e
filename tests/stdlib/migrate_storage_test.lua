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
  storage.decide(move, function(folder) return (shared or {})[folder] == true end)
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
  test.equal(storage.folders(move), { "/a", "/b" })
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
  storage.decide(move, function(folder) asked[#asked + 1] = folder return true end)
  test.equal(asked, { "/a", "/b" })
end)

test.case("the targets to copy are named in order", function()
  local move = a_move { storage = "copy" }
  storage.decide(move)
  test.equal(storage.copied(move), { "vda", "vdb", "vdc" })
end)
