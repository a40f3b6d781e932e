--- The entry that a storage pool keeps of a file of drover's. A pool lists what was there when it was last read: when
-- its daemon started, or when somebody refreshed it. A file that was there just then stays in the list when it is gone.
-- Tested by tests/stdlib/pool_entry_test.lua and tests/faults.
local core = require "drover.core"
local errors = require "errors"

local pool_entry = {}

--- How long libvirt is waited for. It is the last that is asked of a file that is gone already.
pool_entry.patience = "20s"

local function drop(one_host, path)
  local volume = errors.catch({ "NO_VOLUME", "NO_POOL" }, one_host.virt.volume_of_path, one_host.virt, path)
  if not volume then return end
  -- Not a refresh: that reads all of the pool, fails while anybody makes a volume in it, and on a shared file system
  -- may still see the file. Of a file that is gone, delete takes away the entry alone [libvirt
  -- src/storage/storage_util.c, virStorageBackendVolDeleteLocal].
  errors.catch({ "NO_VOLUME" }, volume.delete, volume)
end

--- Takes a file of drover's that is gone off the list of the pool that has it, on each host of a list that may see
-- the file. Its name must be nobody else's. Raises POOL_UNKNOWN when a host's libvirt does not answer, after all were
-- asked.
function pool_entry.drop(hosts, path)
  local results = async.each(hosts, function(one)
    async.timeout(pool_entry.patience, function() drop(one, path) end)
  end)
  for index, result in ipairs(results) do
    if not result.ok and core.is_cancellation(result.error) then error(result.error, 0) end
    if not result.ok then
      errors.raise { code = "POOL_UNKNOWN", host = hosts[index].name, object = path, where = false,
        cause = result.error,
        message = ("%s is gone; whether a pool there still lists it is not known: %s"):format(path,
          errors.message(result.error)) }
    end
  end
end

return pool_entry
