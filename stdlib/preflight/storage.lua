-- Pre-flight: disks: shared ones are seen there, copied ones have a pool, space and no file in the way; ISO, secrets.
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

-- By its folder libvirt finds a pool that is active only [src/storage/storage_driver.c, storagePoolLookupByTargetPath].
local function inactive_pool(destination, folder)
  for _, pool in ipairs(destination.virt:pools { inactive = true }) do
    if xml.parse(pool:xml { inactive = true }):value("/pool/target/path") == folder then return pool end
  end
end

return {
  { "shared disks", function(move)
    local paths = {}
    for _, disk in ipairs(move.disks) do
      if disk.action == "shared" and disk.path then
        paths[#paths + 1] = disk.path
        table.move(disk.backing, 1, #disk.backing, #paths + 1, paths)
      end
    end
    for path in pairs(missing_there(move, paths)) do
      move.ctx:fault(path .. " is not seen there", "mount the shared storage, or use --storage copy",
        move.destination.name)
    end
    for _, disk in ipairs(move.disks) do
      local cached = disk.cache and disk.cache ~= "none" and disk.cache ~= "directsync" and disk.cache ~= "default"
      if disk.action == "shared" and disk.type == "file" and cached and not move.p.unsafe
        and storage.guess(move)[storage.folder_of(disk.path)] ~= "shared" then
        move.ctx:fault(("disk %s is cached by the host (cache='%s')"):format(disk.target, disk.cache),
          "on shared storage both hosts must see each write: set cache='none'", move.source.name)
      end
    end
  end },

  { "disks to copy", function(move)
    local needed_bytes = {}
    for _, disk in ipairs(move.disks) do
      if disk.action == "copy" then
        if disk.type ~= "file" then
          move.ctx:fault(("disk %s is on a %s device, which drover does not copy"):format(disk.target, disk.type),
            "make it shared and say --storage shared", move.source.name)
        elseif #disk.backing > 0 and next(missing_there(move, disk.backing)) then
          move.ctx:fault(("disk %s rests on %s, which is missing there"):format(disk.target, disk.backing[1]),
            ("virsh blockpull %s %s --wait makes it stand alone"):format(move.name, disk.target), move.destination.name)
        else
          local folder = storage.folder_of(disk.path)
          local info = move.domain:block_info(disk.target)
          -- Of a running domain libvirt gives as allocation the highest byte that QEMU wrote since it started, which is
          -- next to nothing for a disk that was full before; physical is what the file takes on the host.
          needed_bytes[folder] = (needed_bytes[folder] or 0) + math.max(info.allocation_bytes, info.physical_bytes)
          if move.destination:stat(disk.path) then
            move.ctx:fault(disk.path .. " is there already",
              ("a domain that moved away leaves its disks; when you do not need this one: mv %s %s.old there. If it is "
                .. "the same storage, say --storage shared"):format(disk.path, disk.path), move.destination.name)
          end
        end
      end
    end
    for folder, bytes in pairs(needed_bytes) do
      local pool = move.destination.virt:pool_of_path(folder) or inactive_pool(move.destination, folder)
      if not pool then
        move.ctx:fault("no storage pool on " .. folder,
          ("virsh pool-create-as NAME dir --target %s"):format(folder), move.destination.name)
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
      if disk.device ~= "disk" and disk.has_source and disk.path then
        if move.p.cdrom == "refuse" then
          move.ctx:fault(("%s is in drive %s"):format(disk.path, disk.target), "eject it, or say --cdrom eject",
            move.source.name)
        elseif move.p.cdrom == "keep" and missing_there(move, { disk.path })[disk.path] then
          move.ctx:fault(("%s, in drive %s, is missing there"):format(disk.path, disk.target),
            "copy it there, or say --cdrom eject", move.destination.name)
        end
      elseif disk.device == "disk" and disk.readonly and disk.path
        and missing_there(move, { disk.path })[disk.path] then
        move.ctx:fault(("the read-only disk %s (%s) is missing there"):format(disk.target, disk.path),
          "copy it there first: read-only disks are not copied by a move", move.destination.name)
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
