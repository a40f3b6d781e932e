-- Shows what a disk that names a volume of a pool becomes: each host is asked where its own volume of that name is.
local test = require "test"
local volumes = require "migrate.volumes"
local storage = require "migrate.storage"
local xml = require "xml"

-- A pool of tables: fields type, target, source (XML), inactive, paths = { volume = path }.
local function a_host(name, pool)
  return { name = name, virt = { find_pool = function(_, wanted)
    test.equal(wanted, "fast")
    return pool and { is_active = function() return not pool.inactive end,
      xml = function()
        return ("<pool type='%s'><source>%s</source><target><path>%s</path></target></pool>"):format(pool.type,
          pool.source or "", pool.target or "")
      end,
      find_volume = function(_, volume)
        local path = (pool.paths or {})[volume]
        return path and { path = function() return path end }
      end }
  end } }
end

local function resolve(here, there)
  local move = { source = a_host("a", here), destination = a_host("b", there), live = xml.parse [[<domain><devices>
    <disk type='volume'><source pool='fast' volume='web1'/><target dev='vda'/></disk></devices></domain>]] }
  move.disks = storage.disks(move)
  volumes.resolve(move)
  return move.disks[1], move
end

test.case("a volume of a folder is a file, in the folder of each host's own pool", function()
  local disk, move = resolve({ type = "dir", target = "/a" }, { type = "dir", target = "/b" })
  test.equal({ disk.type, disk.path, disk.path_there, disk.problem }, { "file", "/a/web1", "/b/web1" })
  test.equal(storage.places(move), { { name = "/a -> /b", here = "/a", there = "/b" } })
end)

test.case("a logical volume is a device, by the path that each host's pool gives", function()
  local disk = resolve({ type = "logical", paths = { web1 = "/dev/vg0/web1" } },
    { type = "logical", paths = { web1 = "/dev/vg1/web1" } })
  test.equal({ disk.type, disk.path, disk.path_there, disk.problem }, { "block", "/dev/vg0/web1", "/dev/vg1/web1" })
end)

test.case("pools of the network must lead to the same place", function()
  local one, other = "<host name='10.0.0.9'/><name>images</name>", "<host name='10.0.0.8'/><name>images</name>"
  local disk = resolve({ type = "rbd", source = one }, { type = "rbd", source = one })
  test.equal({ disk.type, disk.problem }, { "network" })
  disk = resolve({ type = "rbd", source = one }, { type = "rbd", source = other })
  test.equal({ disk.problem, disk.problem_host }, { "the pool 'fast' leads elsewhere there than on the source", "b" })
  disk = resolve({ type = "rbd", source = one }, { type = "dir", target = "/b" })
  test.equal(disk.problem, "the pool 'fast' leads elsewhere there than on the source")
end)

test.case("a pool or a volume that is not there is named, with its host", function()
  local folder, group = { type = "dir", target = "/a" }, { type = "logical", paths = { web1 = "/dev/vg0/web1" } }
  for _, row in ipairs {
    { folder, nil, "b: there is no storage pool 'fast'" },
    { folder, { type = "dir", target = "/a", inactive = true }, "b: the pool 'fast' is not active" },
    { nil, folder, "a: there is no storage pool 'fast'" },
    { group, { type = "logical" }, "b: the pool 'fast' has no volume 'web1'" },
  } do
    local disk, move = resolve(row[1], row[2])
    test.equal(disk.problem_host .. ": " .. disk.problem, row[3])
    disk.action = "shared"
    move.p = { storage = "auto" }
    test.equal(storage.objections(move)[1].message, "disk vda: " .. disk.problem)
    disk.device, disk.action, move.p.cdrom = "cdrom", "skip", "eject"
    test.equal(storage.objections(move), {})
  end
end)
