-- Undo "created-volume": delete a volume that this run made, and only then. A guest's NVRAM is one too. It is kept
--   when it cannot be proven that this run made it: the path was free before the intent, and either it is the very file
--   that was written down after the making (inode and birth), or the run died in between and the file was born after
--   the intent and holds what a new image does, and nothing else: before it is written down, no move can have begun;
--   when a domain refers to it (on the other host the same path means other storage, or the same: see the next).
--   An inactive definition of the run's own domain does not count while the domain is active on the other host: a
--   move away left it long ago, and nothing ran from this file;
--   when it is the same storage as the source's, found by experiment.
-- Arguments: host, other_host, path, source_path, run, uuid (of the domain that it was made for, or nil), free_at_s
-- (the host's clock when the path was free), format ("raw" without it), capacity_bytes. What was made: identity(), or
-- { foreign = true } when the making itself found that somebody was faster.
-- Tested by tests/stdlib/created_volume_test.lua and tests/faults.
local async = require "async"
local core = require "drover.core"
local errors = require "errors"
local lease = require "lease"
local pool_entry = require "pool_entry"
local script = require "script"
local xml = require "xml"

local inode_of = [[stat -L -c %i -- "$1" 2>/dev/null; exit 0]]
-- One of an attempt that died is in the way of this one; its name holds the run's id.
local make = [[rm -f -- "$1"; set -C; : > "$1"]]
local is_there = [[[ -e "$1" ] && echo yes || echo no]]

-- A same inode number may be chance, so an experiment decides: a file made on one host, looked for on the other. Sizes
-- say nothing: two hosts may remember different ones of one shared file for seconds.
local function same_storage(one, other, a)
  local here = script.read(one, inode_of, { a.path }).output
  if here == "" or here ~= script.read(other, inode_of, { a.source_path }).output then return false end
  local name = "/.drover-" .. a.run .. "-same"
  local made, looked_for = a.source_path:match("^(.*)/") .. name, a.path:match("^(.*)/") .. name
  script.run(other, make, { made })
  local ok, seen = core.pcall(script.read, one, is_there, { looked_for })
  script.run(other, [[rm -f -- "$1"]], { made })
  pool_entry.drop({ other }, made)
  pool_entry.drop({ one }, looked_for)
  if not ok then error(seen, 0) end
  return seen.output:find("yes") ~= nil
end

local function has_source(domain, inactive, path)
  local text = errors.catch({ "NO_DOMAIN", "OPERATION_INVALID" }, domain.xml, domain, { inactive = inactive })
  local where = "//source[@file=$path or @dev=$path] | /domain/os/nvram[.=$path]"
  return text and xml.parse(text):find(where, { path = path })
end

local function is_active_on(other, uuid)
  local domain = uuid and other.virt:find_domain(uuid)
  return domain and domain:is_active()
end

-- So many definitions are asked for at once: a host of five hundred domains must be through before the undo's time is.
local at_once = 32

local function refers_to(one_host, other, a)
  local user
  async.parallel(one_host.virt:domains {}, at_once, function(domain)
    if user then return end
    local is_own = domain:uuid() == a.uuid and not domain:is_active() and is_active_on(other, a.uuid)
    if not is_own and (has_source(domain, false, a.path) or has_source(domain, true, a.path)) then
      user = domain:name()
    end
  end)
  return user
end

-- Inode, birth (0 where the file system keeps none), last change, allocated bytes, size and the first letters; nothing
-- when it is not there.
local facts = [[stat -L -c '%i %W %Z %b %B %s' -- "$1" 2>/dev/null && head -c 3 -- "$1" | tr -dc A-Z; exit 0]]

local function look(one, path)
  local inode, birth_s, changed_s, blocks, block_bytes, size_bytes, letters =
    script.read(one, facts, { path }).output:match("^(%d+) (%-?%d+) (%d+) (%d+) (%d+) (%d+)\n(%u*)")
  if not inode then return nil end
  return { inode = inode, birth_s = math.max(0, tonumber(birth_s)), changed_s = tonumber(changed_s),
    allocated_bytes = tonumber(blocks) * tonumber(block_bytes), size_bytes = tonumber(size_bytes), letters = letters }
end

-- libvirt may not have it in its pool's list: its daemon died while it made it, and looked at the pool before qemu-img
-- was done.
local function find_volume(one, path)
  local volume = one.virt:volume_of_path(path)
  if volume then return volume end
  local pool = one.virt:pool_of_path(path:match("^(.*)/"))
  if not pool then return nil end
  pool:refresh()
  return one.virt:volume_of_path(path)
end

-- What an image without data takes at most: a header and its first tables.
local most_empty_bytes = 1048576

-- Whether a file can be an image that was just made, or begun. Somebody's note of a few bytes is none.
local function is_new_image(a, now)
  if now.size_bytes == 0 then return true end
  if (a.format or "raw") == "raw" then
    return now.allocated_bytes == 0 and (not a.capacity_bytes or now.size_bytes == a.capacity_bytes)
  end
  return now.allocated_bytes <= most_empty_bytes and (a.format ~= "qcow2" or now.letters == "QFI")
end

-- Whether this run made the file; else why that is not known.
local function is_ours(a, made, now)
  if made and made.foreign then return false, "somebody else made it" end
  if made then
    if made.inode == now.inode and made.birth_s == now.birth_s then return true end
    return false, "it is not the file that this run made"
  end
  local born_s = now.birth_s > 0 and now.birth_s or now.changed_s
  if a.free_at_s and born_s >= a.free_at_s and is_new_image(a, now) then return true end
  return false, "it appeared when this run was about to make it, and may be somebody else's"
end

return lease.undo_kind {
  name = "created-volume",
  -- What was made, for context:made: the undo knows it again.
  identity = look,
  describe = function(a) return { host = a.host, text = "delete " .. a.path } end,
  undo = function(a, env, made)
    local one, other = env:host(a.host), env:host(a.other_host)
    local now = look(one, a.path)
    if not now then return "absent" end
    local ours, why = is_ours(a, made, now)
    if not ours then return ("kept %s on %s: %s"):format(a.path, a.host, why) end
    local user = refers_to(one, other, a)
    if user then
      -- Not for ever: who has the domain may not be settled yet. The entry stays open, and recovery looks again.
      errors.raise { code = "IN_USE", host = a.host, object = a.path, where = false,
        message = ("%s stays: the domain '%s' refers to it"):format(a.path, user),
        hint = "once the domain is settled: drover recover " .. a.run }
    end
    if same_storage(one, other, a) then return ("kept %s: it is the source's own storage"):format(a.path) end
    local volume = find_volume(one, a.path)
    if volume then volume:delete() else script.run(one, [[rm -f -- "$1"]], { a.path }) end
    return ("deleted %s on %s"):format(a.path, a.host)
  end,
}
