--- The disks of a move: which there are, which both hosts share, and making the others at the destination.
-- Shared or not is found by experiment: a file made on one host, looked for on the other.
-- Tested by tests/stdlib/migrate_storage_test.lua and the lab's tests.
local async = require "async"
local core = require "drover.core"
local errors = require "errors"
local lease = require "lease"
local script = require "script"
local xml = require "xml"

local storage = {}

local source_attributes = { file = "file", block = "dev" }

--- The disks of the live definition: a list of { target, device, type, path, format, cache, readonly, shareable,
-- transient, backing = { paths }, node }. path is nil for an empty drive and for network disks.
function storage.disks(move)
  local list = {}
  for _, node in ipairs(move.live:find_all("/domain/devices/disk")) do
    local kind = node:attribute("type")
    local backing = {}
    for _, file in ipairs(node:find_all("backingStore//source")) do
      backing[#backing + 1] = file:attribute("file") or file:attribute("dev")
    end
    list[#list + 1] = {
      target = node:value("target/@dev"), device = node:attribute("device") or "disk", type = kind,
      path = (kind == "file" or kind == "block") and node:value("source/@" .. source_attributes[kind]) or nil,
      has_source = node:find("source") ~= nil,
      format = node:value("driver/@type") or "raw", cache = node:value("driver/@cache"),
      readonly = node:find("readonly") ~= nil, shareable = node:find("shareable") ~= nil,
      transient = node:find("transient") ~= nil, backing = backing, node = node,
    }
  end
  return list
end

--- Whether a disk holds data that the guest writes, and so must be shared or copied.
function storage.is_writable(disk)
  return disk.device ~= "cdrom" and disk.device ~= "floppy" and disk.has_source and not disk.readonly
end

local function folder_of(path) return path:match("^(.*)/[^/]*$") ~= "" and path:match("^(.*)/[^/]*$") or "/" end

-- stat calls every file system of a program "fuseblk": how it was mounted says which one it is. The last one is on top.
local kind_of_folder = [[for d in "$@"; do
  kind=$(stat -f -c %T -- "$d") || kind=absent
  [ "$kind" != fuseblk ] || kind=$(findmnt --noheadings --output FSTYPE --target "$d" | tail -n 1)
  echo "${kind:-fuseblk}"
done 2>/dev/null]]

local network_file_systems = { nfs = true, ceph = true, smb2 = true, cifs = true, gfs = true, ["gfs/gfs2"] = true,
  gfs2 = true, ocfs2 = true, gpfs = true, lustre = true, glusterfs = true, ["fuse.glusterfs"] = true,
  ["fuse.ceph"] = true, ["fuse.ceph-fuse"] = true, ["fuse.mfs"] = true, ["fuse.juicefs"] = true }

--- The file system of each folder on a host: { [folder] = "ext2/ext3", ... }.
local function file_systems(one, folders)
  if #folders == 0 then return {} end
  local kinds, index = {}, 0
  for line in script.read(one, kind_of_folder, folders).output:gmatch("[^\n]+") do
    index = index + 1
    kinds[folders[index]] = line
  end
  return kinds
end

--- The folders of the writable file disks, each once.
function storage.folders(move)
  local folders, seen = {}, {}
  for _, disk in ipairs(move.disks) do
    local folder = disk.type == "file" and storage.is_writable(disk) and folder_of(disk.path)
    if folder and not seen[folder] then
      seen[folder] = true
      folders[#folders + 1] = folder
    end
  end
  return folders
end

local identity = [[for f in "$@"; do stat -L -c %i:%s -- "$f" 2>/dev/null || echo absent; done]]

-- Folders in which a disk has the same inode number and size on both hosts: two local disks would not. Not the other
-- way round: a host may remember a size for a second or three that the other one just changed.
local function alike_folders(move)
  local paths, alike = {}, {}
  for _, disk in ipairs(move.disks) do
    if disk.type == "file" and storage.is_writable(disk) then paths[#paths + 1] = disk.path end
  end
  if #paths == 0 then return alike end
  local seen = async.parallel({ move.source, move.destination }, function(one)
    local list = {}
    for line in script.read(one, identity, paths).output:gmatch("[^\n]+") do list[#list + 1] = line end
    return list
  end)
  for index, path in ipairs(paths) do
    if seen[1][index] ~= "absent" and seen[1][index] == seen[2][index] then alike[folder_of(path)] = true end
  end
  return alike
end

--- What can be said of each folder by reading alone: "shared" or "local". For check and plan; the run makes the
-- experiment and stops when it says otherwise.
function storage.guess(move)
  if move.storage_guess then return move.storage_guess end
  local folders = storage.folders(move)
  local kinds = async.parallel({ move.source, move.destination }, function(one) return file_systems(one, folders) end)
  local alike = alike_folders(move)
  local guesses = {}
  for _, folder in ipairs(folders) do
    local networked = network_file_systems[kinds[1][folder]] and network_file_systems[kinds[2][folder]]
    guesses[folder] = (networked or alike[folder]) and "shared" or "local"
  end
  move.storage_guess = guesses
  return guesses
end

local is_there = [[[ -e "$1" ] && echo yes || echo no]]

-- The experiment: a file with the run's name, made on the source, looked for on the destination.
local function experiment(move, folder)
  local path = folder .. "/.drover-" .. move.run_id
  move.ctx:lease("probe-file", { host = move.source.name, path = path, other_host = move.destination.name })
  if move.ctx.planning then return storage.guess(move)[folder] == "shared" end
  local found = script.read(move.destination, is_there, { path }).output:find("yes") ~= nil
  local guess = storage.guess(move)[folder]
  if found ~= (guess == "shared") then
    errors.raise { code = "STORAGE_UNCLEAR", host = move.destination.name, object = folder, where = false,
      message = ("%s looks %s on both hosts, but a file made on %s is %s there"):format(folder, guess,
        move.source.name, found and "seen" or "not seen"),
      hint = "say which it is: --storage shared or --storage copy" }
  end
  return found
end

local function wanted_copy(move, disk)
  local wanted = move.p.copy_disks
  if not wanted or #wanted == 0 then return nil end
  for _, target in ipairs(wanted) do
    if target == disk.target then return true end
  end
  return false
end

--- Decides for every disk: disk.action = "shared", "copy" or "skip". is_shared(folder) answers for storage "auto";
-- without it, what reading alone can tell.
function storage.decide(move, is_shared)
  local known = {}
  is_shared = is_shared or function(folder) return storage.guess(move)[folder] == "shared" end
  for _, disk in ipairs(move.disks) do
    if not storage.is_writable(disk) then
      disk.action = "skip"
    elseif disk.type == "network" then
      disk.action = "shared"  -- both hosts reach it by its name, whatever is said of the others
    elseif move.p.storage ~= "auto" then
      disk.action = move.p.storage
    elseif disk.type ~= "file" then
      disk.action = "shared"  -- block and network disks: libvirt and the other host's devices decide (preflight)
    else
      local folder = folder_of(disk.path)
      if known[folder] == nil then known[folder] = is_shared(folder) end
      disk.action = known[folder] and "shared" or "copy"
    end
    -- "Copy just these": a list that names others says that this one is shared, and preflight looks whether it is.
    local wanted = disk.action ~= "skip" and wanted_copy(move, disk)
    if wanted then disk.action = "copy" elseif wanted == false and disk.action == "copy" then disk.action = "shared" end
  end
end

--- Targets of the disks to copy.
function storage.copied(move)
  local targets = {}
  for _, disk in ipairs(move.disks) do
    if disk.action == "copy" then targets[#targets + 1] = disk.target end
  end
  return targets
end

-- What QEMU encrypts at the source it opens as encrypted at the destination: the volume is made so, with the same
-- secret.
local function encryption_of(disk)
  local node = disk.node:find("source/encryption") or disk.node:find("encryption")
  local secret = node and node:find("secret")
  return secret and { "encryption", format = node:attribute("format"), { "secret", type = secret:attribute("type"),
    uuid = secret:attribute("uuid"), usage = secret:attribute("usage") } } or nil
end

local function volume_xml(disk, capacity_bytes)
  return xml.build { "volume",
    { "name", disk.path:match("[^/]+$") },
    { "capacity", tostring(capacity_bytes), unit = "bytes" },
    { "allocation", "0", unit = "bytes" },
    { "target", { "path", disk.path }, { "format", type = disk.format }, encryption_of(disk) },
  }:to_text()
end

local is_free = [[if [ -e "$1" ] || [ -L "$1" ]; then echo no; else date +%s; fi]]

-- A volume of the same virtual size, made by this run, so that the run may also delete it.
local function make_volume(move, disk)
  local destination, ctx = move.destination, move.ctx
  local capacity_bytes = move.domain:block_info(disk.target).capacity_bytes
  disk.capacity_bytes = capacity_bytes
  if ctx.planning then
    ctx.plan:add { host = destination.name,
      text = ("make %s, %s, %s"):format(disk.path, disk.format, units.format_size(capacity_bytes)) }
    return
  end
  -- A link counts as something there, whatever it points to. The answer is the host's clock when the path is free.
  local free_at_s = tonumber(script.read(destination, is_free, { disk.path }).output)
  if not free_at_s then
    errors.raise { code = "VOLUME_EXISTS", host = destination.name, where = false,
      message = disk.path .. " is there already",
      hint = "remove it, or say --storage shared if it is the same storage" }
  end
  local pool = destination.virt:pool_of_path(folder_of(disk.path))
  -- A file that somebody removed by hand still has its entry in the pool's list.
  if destination.virt:volume_of_path(disk.path) then pool:refresh() end
  local sequence = ctx:undo("created-volume", { host = destination.name, other_host = move.source.name,
    path = disk.path, source_path = disk.path, run = move.run_id, uuid = move.uuid, free_at_s = free_at_s,
    format = disk.format, capacity_bytes = capacity_bytes })
  -- libvirt cannot stop making it: what appears after an interrupt would be nobody's.
  local ok, problem = core.pcall(async.shield, pool.create_volume, pool, volume_xml(disk, capacity_bytes))
  if not ok then
    -- Somebody was faster, and libvirt touched nothing [src/storage/storage_util.c, virStorageBackendVolCreateLocal
    -- looks, storageBackendCreateRaw opens with O_EXCL].
    local text = errors.message(problem)
    if text:find("already exists", 1, true) or text:find("File exists", 1, true) then
      ctx:made(sequence, { foreign = true })
    end
    error(problem, 0)
  end
  ctx:made(sequence, lease.find("created-volume").identity(destination, disk.path))
end

-- Its file has said what it can: the sooner it is gone, the fewer pools read it into their lists. What does not go now
-- goes with the other leases at the end.
local function end_experiment(move)
  local ok, problem = core.pcall(move.ctx.release, move.ctx, "probe-file")
  if not ok and core.is_cancellation(problem) then error(problem, 0) end
end

--- Decides for each disk, and makes those that are copied at the destination.
function storage.prepare(move)
  storage.decide(move, function(folder) return experiment(move, folder) end)
  end_experiment(move)
  for _, disk in ipairs(move.disks) do
    if disk.action == "copy" then make_volume(move, disk) end
  end
end

storage.folder_of = folder_of

return storage
