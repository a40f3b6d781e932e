-- Pre-flight: disks: shared ones are seen there, copied ones have a pool, space and no file in the way; ISO, secrets.
local devices = require "migrate.devices"
local errors = require "errors"
local script = require "script"
local storage = require "migrate.storage"
local units = require "units"
local xml = require "xml"

local is_there = [[for f in "$@"; do [ -e "$f" ] || echo "$f"; done; exit 0]]

local function missing_there(move, paths)
  local missing = {}
  if #paths == 0 then return missing end
  for path in script.read(move.destination, is_there, paths).output:gmatch("[^\n]+") do missing[path] = true end
  return missing
end

local function is_missing(move, disk) return missing_there(move, { disk.path_there })[disk.path_there] end

-- By its folder libvirt finds a pool that is active only [src/storage/storage_driver.c, storagePoolLookupByTargetPath].
local function inactive_pool(destination, folder)
  for _, pool in ipairs(destination.virt:pools { inactive = true }) do
    if xml.parse(pool:xml { inactive = true }):value("/pool/target/path") == folder then return pool end
  end
end

return {
  { "shared disks", function(move)
    for _, one in ipairs(storage.objections(move)) do move.ctx:fault(one.message, one.hint, one.host) end
    for _, one in ipairs(devices.judge(move)) do
      if devices.is_by_word(move, one) then
        move.ctx:warn(("that disk %s (%s) is the same device on both hosts is known from --storage shared alone: %s")
          :format(one.disk.target, one.path, one.why))
      end
    end
    local paths = {}
    for _, disk in ipairs(move.disks) do
      if disk.action == "shared" and disk.type == "file" then paths[#paths + 1] = disk.path_there end
      if disk.action == "shared" then table.move(disk.backing, 1, #disk.backing, #paths + 1, paths) end
    end
    local missing = missing_there(move, paths)
    for _, path in ipairs(paths) do
      if missing[path] then
        move.ctx:fault(path .. " is not seen there", "mount the shared storage, or use --storage copy",
          move.destination.name)
      end
    end
    for _, disk in ipairs(move.disks) do
      if disk.action == "shared" and disk.type == "file" and not missing[disk.path_there]
        and storage.guess(move)[storage.place_of(disk).name] ~= "shared" then
        move.ctx:warn(("%s there does not look like the same file: the run stops unless what one host makes in %s is "
          .. "seen by the other"):format(disk.path_there, storage.folder_of(disk.path)))
      end
    end
    for _, disk in ipairs(move.disks) do
      local cached = disk.cache and disk.cache ~= "none" and disk.cache ~= "directsync" and disk.cache ~= "default"
      if disk.action == "shared" and disk.type == "file" and cached and not move.p.unsafe
        and storage.guess(move)[storage.place_of(disk).name] ~= "shared" then
        move.ctx:fault(("disk %s is cached by the host (cache='%s')"):format(disk.target, disk.cache),
          "on shared storage both hosts must see each write: set cache='none'", move.source.name)
      end
    end
  end },

  { "disks to copy", function(move)
    local needed_bytes = {}
    for _, disk in ipairs(move.disks) do
      if disk.action == "copy" and not disk.problem then
        if disk.type ~= "file" then
          move.ctx:fault(("disk %s is on a %s device, which drover does not copy"):format(disk.target, disk.type),
            "make it shared and say --storage shared", move.source.name)
        elseif #disk.backing > 0 and next(missing_there(move, disk.backing)) then
          move.ctx:fault(("disk %s rests on %s, which is missing there"):format(disk.target, disk.backing[1]),
            ("virsh blockpull %s %s --wait makes it stand alone"):format(move.name, disk.target), move.destination.name)
        else
          local folder = storage.folder_of(disk.path_there)
          local info = move.domain:block_info(disk.target)
          -- Of a running domain libvirt gives as allocation the highest byte that QEMU wrote since it started, which is
          -- next to nothing for a disk that was full before; physical is what the file takes on the host.
          needed_bytes[folder] = (needed_bytes[folder] or 0) + math.max(info.allocation_bytes, info.physical_bytes)
          if move.destination:stat(disk.path_there) then
            move.ctx:fault(disk.path_there .. " is there already",
              ("a domain that moved away leaves its disks; when you do not need this one: mv %s %s.old there. If it is "
                .. "the same storage, say --storage shared"):format(disk.path_there, disk.path_there),
              move.destination.name)
          end
        end
      end
    end
    for folder, bytes in pairs(needed_bytes) do
      local pool = move.destination.virt:pool_of_path(folder) or inactive_pool(move.destination, folder)
      if not pool then
        move.ctx:fault("no storage pool on " .. folder,
          ("virsh pool-define-as NAME dir --target %s; virsh pool-start NAME; virsh pool-autostart NAME"):format(
            folder),
          move.destination.name)
      elseif not pool:is_active() then
        move.ctx:fault(("the pool '%s' on %s is not active"):format(pool:name(), folder),
          "virsh pool-start " .. pool:name(), move.destination.name)
      else
        local free_bytes = move.destination:disk_space(folder).available_bytes
        if bytes > free_bytes then
          move.ctx:fault(("the disks need %s in %s, and %s is free"):format(units.format_size(bytes), folder,
            units.format_size(free_bytes)), nil, move.destination.name)
        end
      end
    end
  end },

  { "--copy-disks", function(move)
    for _, target in ipairs(move.p.copy_disks or {}) do
      local known = {}
      for _, disk in ipairs(move.disks) do
        known[#known + 1] = disk.target
        if disk.target == target then known = nil break end
      end
      if known then
        move.ctx:fault(("it has no disk '%s'"):format(target), "it has: " .. table.concat(known, ", "),
          move.source.name)
      end
    end
  end },

  { "drives", function(move)
    for _, disk in ipairs(move.disks) do
      if disk.device ~= "disk" and disk.has_source and disk.path_there then
        if move.p.cdrom == "refuse" then
          move.ctx:fault(("%s is in drive %s"):format(disk.path_there, disk.target), "eject it, or say --cdrom eject",
            move.source.name)
        elseif move.p.cdrom == "keep" and is_missing(move, disk) then
          move.ctx:fault(("%s, in drive %s, is missing there"):format(disk.path_there, disk.target),
            "copy it there, or say --cdrom eject", move.destination.name)
        end
      elseif disk.device == "disk" and disk.readonly and disk.path_there
        and is_missing(move, disk) then
        move.ctx:fault(("the read-only disk %s (%s) is missing there"):format(disk.target, disk.path_there),
          "copy it there first: read-only disks are not copied by a move", move.destination.name)
      elseif disk.device == "disk" and disk.readonly and disk.path_there then
        move.ctx:warn(("the read-only disk %s is not copied: the guest goes on with %s as it is there"):format(
          disk.target, disk.path_there))
      elseif disk.shareable then
        move.ctx:warn(("disk %s is shareable: drover does not know who else writes it"):format(disk.target))
      end
    end
  end },

  { "secrets", function(move)
    for _, node in ipairs(move.live:find_all("//secret[@uuid or @usage]")) do
      local uuid, usage = node:attribute("uuid"), node:attribute("usage")
      local kind = node:attribute("type")
      local found
      if uuid then
        found = move.destination.virt:find_secret(uuid)
      else
        found = errors.catch({ "BAD_ARGUMENT" }, move.destination.virt.find_secret_by_usage, move.destination.virt,
          kind == "passphrase" and "volume" or kind, usage)
      end
      if not found then
        move.ctx:fault(("the secret %s is not defined there"):format(uuid or usage),
          "define it there with the same UUID: virsh secret-define, then secret-set-value", move.destination.name)
      end
    end
  end },
}
