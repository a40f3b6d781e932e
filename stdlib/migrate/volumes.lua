--- Disks that name a volume of a pool. Each host has a pool of its own under that name, so each is asked where it is:
-- then the disk is one of a file, a device or the network like any other.
-- Tested by tests/stdlib/migrate_volumes_test.lua.
local async = require "async"
local xml = require "xml"

local volumes = {}

-- What libvirt makes of a volume, by the type of its pool [src/conf/storage_source_conf, virStorageSourcePoolDef].
local kinds = { dir = "file", fs = "file", netfs = "file", vstorage = "file",
  logical = "block", disk = "block", iscsi = "block", scsi = "block", mpath = "block", zfs = "block",
  rbd = "network", gluster = "network", sheepdog = "network", ["iscsi-direct"] = "network" }

-- Where a network pool leads: equal words on both hosts are the same storage.
local function place_of_pool(definition)
  local words = {}
  for _, path in ipairs { "name", "device/@path", "dir/@path", "initiator/iqn/@name" } do
    words[#words + 1] = definition:value("/pool/source/" .. path) or ""
  end
  for _, host in ipairs(definition:find_all("/pool/source/host")) do
    words[#words + 1] = (host:attribute("name") or "") .. ":" .. (host:attribute("port") or "")
  end
  return table.concat(words, " ")
end

-- Of one host: { kind, path, place }, or { problem, hint }.
local function locate(one, pool_name, volume_name)
  local pool = one.virt:find_pool(pool_name)
  if not pool then
    return { problem = ("there is no storage pool '%s'"):format(pool_name), hint = "define it there under that name" }
  elseif not pool:is_active() then
    return { problem = ("the pool '%s' is not active"):format(pool_name), hint = "virsh pool-start " .. pool_name }
  end
  local definition = xml.parse(pool:xml())
  local found = { kind = kinds[definition:value("/pool/@type")] or "unknown", place = place_of_pool(definition) }
  if found.kind == "file" then
    found.path = definition:value("/pool/target/path") .. "/" .. volume_name
  elseif found.kind == "block" then
    local volume = pool:find_volume(volume_name)
    if not volume then
      return { problem = ("the pool '%s' has no volume '%s'"):format(pool_name, volume_name),
        hint = "if it is there: virsh pool-refresh " .. pool_name }
    end
    found.path = volume:path()
  end
  return found
end

--- Replaces the type "volume" of the move's disks by what the volume is: type, path, path_there. Where that is not
-- possible the disk has problem and hint, and the name of the host as problem_host.
function volumes.resolve(move)
  for _, disk in ipairs(move.disks) do
    if disk.type == "volume" and disk.has_source then
      local pool_name, volume_name = disk.node:value("source/@pool"), disk.node:value("source/@volume")
      local found = async.parallel({ move.source, move.destination }, function(one)
        return locate(one, pool_name, volume_name)
      end)
      for index, one in ipairs { move.source, move.destination } do
        if found[index].problem and not disk.problem then
          disk.problem, disk.hint, disk.problem_host = found[index].problem, found[index].hint, one.name
        end
      end
      disk.type, disk.path, disk.path_there = found[1].kind or "volume", found[1].path, found[2].path
      if not disk.problem and (found[1].kind ~= found[2].kind or found[1].kind == "network"
        and found[1].place ~= found[2].place) then
        disk.problem = ("the pool '%s' leads elsewhere there than on the source"):format(pool_name)
        disk.hint = "compare: virsh pool-dumpxml on both hosts"
        disk.problem_host = move.destination.name
      end
    end
  end
end

return volumes
