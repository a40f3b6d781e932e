-- Undo "created-volume": delete a volume that this run made, and only then.
-- It is kept when a domain on either host refers to it, or when it is the same storage as the source's.
-- Arguments: host, other_host, path, source_path, run.
local errors = require "errors"
local lease = require "lease"
local script = require "script"
local xml = require "xml"

local identity = [[stat -L -c %i:%s -- "$1" 2>/dev/null; exit 0]]
local make = [[set -C; : > "$1"]]
local is_there = [[[ -e "$1" ] && echo yes || echo no]]

-- Same inode number and size may be chance, so an experiment decides: a file made on one host, looked for on the other.
local function same_storage(one, other, a)
  local here = script.read(one, identity, { a.path }).output
  if here == "" or here ~= script.read(other, identity, { a.source_path }).output then return false end
  local name = "/.drover-" .. a.run .. "-same"
  script.run(other, make, { a.source_path:match("^(.*)/") .. name })
  local seen = script.read(one, is_there, { a.path:match("^(.*)/") .. name }).output:find("yes") ~= nil
  script.run(other, [[rm -f -- "$1"]], { a.source_path:match("^(.*)/") .. name })
  return seen
end

local function refers_to(one_host, path)
  for _, domain in ipairs(one_host.virt:domains {}) do
    for _, inactive in ipairs { false, true } do
      local text = errors.catch({ "NO_DOMAIN", "OPERATION_INVALID" }, domain.xml, domain, { inactive = inactive })
      if text and xml.parse(text):find("//source[@file=$path or @dev=$path]", { path = path }) then
        return domain:name()
      end
    end
  end
end

return lease.undo_kind {
  name = "created-volume",
  describe = function(a) return { host = a.host, text = "delete " .. a.path } end,
  undo = function(a, env)
    local one, other = env:host(a.host), env:host(a.other_host)
    local volume = one.virt:volume_of_path(a.path)
    if not volume then return "absent" end
    local user = refers_to(one, a.path)
    if user then
      -- Not for ever: who has the domain may not be settled yet. The entry stays open, and recovery looks again.
      errors.raise { code = "IN_USE", host = a.host, object = a.path, where = false,
        message = ("%s stays: the domain '%s' refers to it"):format(a.path, user),
        hint = "once the domain is settled: drover recover " .. a.run }
    end
    if same_storage(one, other, a) then return "kept, it is the source's own storage" end
    volume:delete()
    return "deleted"
  end,
}
