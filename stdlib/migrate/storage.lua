--- The disks of a move: which there are, which both hosts share, and making the others at the destination.
-- Shared or not is found by experiment: a file made on one host, looked for on the other. Block devices are asked who
-- they are (migrate/devices.lua), and what only a name on the network leads to is shared by that name.
-- Tested by tests/stdlib/migrate_storage_test.lua and the lab's tests.
local async = require "async"
local core = require "drover.core"
local devices = require "migrate.devices"
local errors = require "errors"
local lease = require "lease"
local script = require "script"
local xml = require "xml"

local storage = {}

local source_attributes = { file = "file", block = "dev" }

--- The disks of the live definition: a list of { target, device, type, path, path_there, format, cache, readonly,
-- shareable, transient, backing = { paths }, backing_devices = { those of them that are devices }, node }.
-- An empty drive and a network disk have no path. Volumes are resolved by migrate/volumes.lua.
function storage.disks(move)
  local list = {}
  for _, node in ipairs(move.live:find_all("/domain/devices/disk")) do
    local kind = node:attribute("type")
    local backing, backing_devices = {}, {}
    for _, file in ipairs(node:find_all("backingStore//source")) do
      backing[#backing + 1] = file:attribute("file") or file:attribute("dev")
      backing_devices[#backing_devices + 1] = file:attribute("dev")
    end
    local path = source_attributes[kind] and node:value("source/@" .. source_attributes[kind]) or nil
    list[#list + 1] = {
      target = node:value("target/@dev"), device = node:attribute("device") or "disk", type = kind,
      path = path, path_there = path, backing_devices = backing_devices,
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

--- The file system of each folder on a host, in their order: { "ext2/ext3", ... }.
local function file_systems(one, folders)
  if #folders == 0 then return {} end
  local kinds = {}
  for line in script.read(one, kind_of_folder, folders).output:gmatch("[^\n]+") do kinds[#kinds + 1] = line end
  return kinds
end

local function is_file(disk) return disk.type == "file" and disk.path ~= nil and storage.is_writable(disk) end

-- The folder of a disk; for a volume whose pool is elsewhere there, both folders.
local function place_of(disk)
  local here, there = folder_of(disk.path), folder_of(disk.path_there or disk.path)
  return { name = here == there and here or here .. " -> " .. there, here = here, there = there }
end

--- The folders of the writable file disks, each once: a list of { name, here, there }.
function storage.places(move)
  local places, seen = {}, {}
  for _, disk in ipairs(move.disks) do
    local place = is_file(disk) and place_of(disk)
    if place and not seen[place.name] then
      seen[place.name] = true
      places[#places + 1] = place
    end
  end
  return places
end

-- Inode, size, and when it was made, where the file system knows that ("0" and "-" are: not known).
local identity = [[for f in "$@"; do stat -L -c '%i:%s %W' -- "$f" 2>/dev/null || echo absent; done]]

local function is_alike(here, there)
  local file, made = here:match("^(%d+:%d+) (%S+)$")
  local other_file, other_made = there:match("^(%d+:%d+) (%S+)$")
  if not file or file ~= other_file then return false end
  return made == other_made or tonumber(made) == nil or tonumber(other_made) == nil or tonumber(made) <= 0
    or tonumber(other_made) <= 0
end

-- Places in which a disk has the same inode number and size on both hosts: two local disks would not. Not the other
-- way round: a host may remember a size for a second or three that the other one just changed.
local function alike_places(move)
  local files, alike = {}, {}
  for _, disk in ipairs(move.disks) do
    if is_file(disk) then files[#files + 1] = disk end
  end
  if #files == 0 then return alike end
  local seen = async.parallel({ "path", "path_there" }, function(field)
    local list, paths = {}, {}
    for index, disk in ipairs(files) do paths[index] = disk[field] or disk.path end
    local one = field == "path" and move.source or move.destination
    for line in script.read(one, identity, paths).output:gmatch("[^\n]+") do list[#list + 1] = line end
    return list
  end)
  for index, disk in ipairs(files) do
    if is_alike(seen[1][index] or "absent", seen[2][index] or "absent") then alike[place_of(disk).name] = true end
  end
  return alike
end

--- What can be said of each place by reading alone, by its name: "shared" or "local". For check and plan; the run makes
-- the experiment and stops when it says otherwise.
function storage.guess(move)
  if move.storage_guess then return move.storage_guess end
  local places = storage.places(move)
  local kinds = async.parallel({ "here", "there" }, function(side)
    local folders = {}
    for index, place in ipairs(places) do folders[index] = place[side] end
    return file_systems(side == "here" and move.source or move.destination, folders)
  end)
  local alike = alike_places(move)
  local guesses = {}
  for index, place in ipairs(places) do
    local networked = network_file_systems[kinds[1][index]] and network_file_systems[kinds[2][index]]
    guesses[place.name] = (networked or alike[place.name]) and "shared" or "local"
  end
  move.storage_guess = guesses
  return guesses
end

local is_there = [[[ -e "$1" ] && echo yes || echo no]]

-- A file with the run's name, made on the source, looked for on the destination. Where root may not write, as on NFS
-- that squashes it, what can be read must do when a person vouches for it.
local function look_from_there(move, place)
  local name = "/.drover-" .. move.run_id
  local ok, problem = core.pcall(move.ctx.lease, move.ctx, "probe-file", { host = move.source.name,
    path = place.here .. name, other_host = move.destination.name })
  if not ok then
    if core.is_cancellation(problem) then error(problem, 0) end
    if move.p.storage ~= "shared" then
      if type(problem) == "table" and rawget(problem, "hint") == nil then
        problem.hint = "where root may not write, as on NFS that squashes it, say which it is: --storage shared or copy"
      end
      error(problem, 0)
    end
    move.ctx:warn(("no file can be made in %s to see whether it is shared: %s"):format(place.here,
      errors.message(problem)))
    return storage.guess(move)[place.name] == "shared"
  end
  if move.ctx.planning then return storage.guess(move)[place.name] == "shared" end
  return script.read(move.destination, is_there, { place.there .. name }).output:find("yes") ~= nil
end

-- The experiment, once for a place.
local function experiment(move, place)
  move.experiments = move.experiments or {}
  if move.experiments[place.name] == nil then move.experiments[place.name] = look_from_there(move, place) end
  return move.experiments[place.name]
end

-- For storage "auto" what is seen and what the file systems look like must agree, or a person says which it is.
local function is_shared(move, place)
  local found = experiment(move, place)
  local guess = storage.guess(move)[place.name]
  if move.p.storage == "auto" and found ~= (guess == "shared") then
    errors.raise { code = "STORAGE_UNCLEAR", host = move.destination.name, object = place.here, where = false,
      message = ("%s looks %s on both hosts, but a file made on %s is %s there"):format(place.name, guess,
        move.source.name, found and "seen" or "not seen"),
      hint = found and "say which it is: --storage shared or --storage copy"
        or "look at what is mounted there on both hosts; if the disks are to be copied: --storage copy" }
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

--- Decides for every disk: disk.action = "shared", "copy" or "skip". answer(place) says for storage "auto" whether both
-- hosts share a place; without it, what reading alone can tell.
function storage.decide(move, answer)
  local known = {}
  answer = answer or function(place) return storage.guess(move)[place.name] == "shared" end
  for _, disk in ipairs(move.disks) do
    if not storage.is_writable(disk) then
      disk.action = "skip"
    elseif disk.type == "network" then
      disk.action = "shared"  -- both hosts reach it by its name, whatever is said of the others
    elseif move.p.storage ~= "auto" then
      disk.action = move.p.storage
    elseif not is_file(disk) then
      disk.action = "shared"  -- if its device there is the same one: storage.objections
    else
      local place = place_of(disk)
      if known[place.name] == nil then known[place.name] = answer(place) end
      disk.action = known[place.name] and "shared" or "copy"
    end
    -- "Copy just these": a list that names others says that this one is shared, and it is looked whether it is.
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
    { "name", disk.path_there:match("[^/]+$") },
    { "capacity", tostring(capacity_bytes), unit = "bytes" },
    { "allocation", "0", unit = "bytes" },
    { "target", { "path", disk.path_there }, { "format", type = disk.format }, encryption_of(disk) },
  }:to_text()
end

-- For an encrypted volume QEMU measures how fast the processor is. QEMU 7.2 finds now and then that it took no time at
-- all (a fast one: in 8 of 40 tries) and gives up. The volume is gone then, and the next try is like the first.
local measured_nothing, most_tries = "Unable to get accurate CPU usage", 12

-- libvirt cannot stop making it: what appears after an interrupt would be nobody's.
local function create_volume(pool, definition)
  for try = 1, most_tries do
    local ok, problem = core.pcall(async.shield, pool.create_volume, pool, definition)
    local again = not ok and errors.message(problem):find(measured_nothing, 1, true)
    if not again or try == most_tries then return ok, problem end
  end
end

local is_free = [[if [ -e "$1" ] || [ -L "$1" ]; then echo no; else date +%s; fi]]

-- A volume of the same virtual size, made by this run, so that the run may also delete it.
local function make_volume(move, disk)
  local destination, ctx = move.destination, move.ctx
  local capacity_bytes = move.domain:block_info(disk.target).capacity_bytes
  disk.capacity_bytes = capacity_bytes
  if ctx.planning then
    ctx.plan:add { host = destination.name,
      text = ("make %s, %s, %s"):format(disk.path_there, disk.format, units.format_size(capacity_bytes)) }
    return
  end
  -- A link counts as something there, whatever it points to. The answer is the host's clock when the path is free.
  local free_at_s = tonumber(script.read(destination, is_free, { disk.path_there }).output)
  if not free_at_s then
    errors.raise { code = "VOLUME_EXISTS", host = destination.name, where = false,
      message = disk.path_there .. " is there already",
      hint = "remove it, or say --storage shared if it is the same storage" }
  end
  local pool = destination.virt:pool_of_path(folder_of(disk.path_there))
  -- A file that somebody removed by hand still has its entry in the pool's list.
  if destination.virt:volume_of_path(disk.path_there) then pool:refresh() end
  local sequence = ctx:undo("created-volume", { host = destination.name, other_host = move.source.name,
    path = disk.path_there, source_path = disk.path, run = move.run_id, uuid = move.uuid, free_at_s = free_at_s,
    format = disk.format, capacity_bytes = capacity_bytes })
  local ok, problem = create_volume(pool, volume_xml(disk, capacity_bytes))
  if not ok then
    -- Somebody was faster, and libvirt touched nothing [src/storage/storage_util.c, virStorageBackendVolCreateLocal
    -- looks, storageBackendCreateRaw opens with O_EXCL].
    local text = errors.message(problem)
    if text:find("already exists", 1, true) or text:find("File exists", 1, true) then
      ctx:made(sequence, { foreign = true })
    end
    error(problem, 0)
  end
  ctx:made(sequence, lease.find("created-volume").identity(destination, disk.path_there))
end

-- Its file has said what it can: the sooner it is gone, the fewer pools read it into their lists. What does not go now
-- goes with the other leases at the end.
local function end_experiment(move)
  local ok, problem = core.pcall(move.ctx.release, move.ctx, "probe-file")
  if not ok and core.is_cancellation(problem) then error(problem, 0) end
end

-- Whether a network disk is reached by a name that means another place on each host.
local function is_local_name(node)
  for _, host in ipairs(node:find_all("source/host")) do
    local name = host:attribute("name") or ""
    if host:attribute("transport") == "unix" or name == "localhost" or name == "::1" or name:find("^127%.") then
      return true
    end
  end
  return false
end

--- What stands in the way of the disks as storage.decide left them: a list of { message, hint, host }. For file disks
-- the experiment answers, in the run.
function storage.objections(move)
  local list = {}
  local function object(host, message, hint) list[#list + 1] = { message = message, hint = hint, host = host.name } end
  for _, disk in ipairs(move.disks) do
    local by_word = disk.action ~= "shared" or move.p.storage == "shared"
    local is_ejected = disk.device == "cdrom" and move.p.cdrom == "eject"
    if disk.problem and not is_ejected then
      list[#list + 1] = { message = ("disk %s: %s"):format(disk.target, disk.problem), hint = disk.hint,
        host = disk.problem_host }
    elseif disk.type == "network" and is_local_name(disk.node) and not by_word then
      object(move.destination, ("disk %s is reached through the host itself, which is another one there"):format(
        disk.target), "only when both lead to the same storage: --storage shared")
    elseif disk.type ~= "network" and disk.type ~= "block" and not is_file(disk) and not by_word then
      object(move.destination, ("whether disk %s (type '%s') is the same there is not known"):format(disk.target,
        disk.type), "only when you know that both hosts write the same storage: --storage shared")
    end
  end
  for _, one in ipairs(devices.judge(move)) do
    local message, hint = devices.objection(move, one)
    if message then object(move.destination, message, hint) end
  end
  return list
end

-- What the plan says of disks that are not made and not copied.
local function plan_shared(move)
  local function say(text) move.ctx.plan:add { host = move.destination.name, text = text } end
  for _, one in ipairs(devices.judge(move)) do
    say(("open %s, %s"):format(one.path, devices.is_by_word(move, one)
      and "which you say is the same device (--storage shared): " .. one.why or "the same device on both hosts"))
  end
  for _, disk in ipairs(move.disks) do
    if disk.action == "shared" and disk.type == "network" then
      say(("open %s as %s %s, which both hosts reach by that name"):format(disk.target,
        disk.node:value("source/@protocol") or "volume",
        disk.node:value("source/@name") or disk.node:value("source/@volume") or ""))
    end
  end
end

-- A file that an earlier move left has the right name, size and format: only what is seen from both hosts is shared.
local function prove_shared(move)
  for _, disk in ipairs(move.disks) do
    if disk.action == "shared" and is_file(disk) then
      local place = place_of(disk)
      if not is_shared(move, place) and not move.ctx.planning then
        errors.raise { code = "NOT_SHARED", host = move.destination.name, object = disk.path, where = false,
          message = ("%s is not the same file there: what %s makes in %s is not seen"):format(disk.path_there,
            move.source.name, place.here),
          hint = "an earlier move may have left a copy; without --storage shared the disk is copied" }
      end
    end
  end
  local objection = storage.objections(move)[1]
  if objection then
    errors.raise { code = "NOT_SHARED", host = objection.host, where = false, message = objection.message,
      hint = objection.hint }
  end
end

--- Decides for each disk, proves that the shared ones are, and makes those that are copied at the destination, and the
-- NVRAM.
function storage.prepare(move)
  storage.decide(move, function(place) return is_shared(move, place) end)
  prove_shared(move)
  if move.ctx.planning then plan_shared(move) end
  end_experiment(move)
  for _, disk in ipairs(move.disks) do
    if disk.action == "copy" then make_volume(move, disk) end
  end
  require("migrate.nvram").prepare(move)
end

storage.place_of = place_of
storage.folder_of = folder_of

return storage
