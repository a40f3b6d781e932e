-- Lease "probe-file": an empty file with the run's name in a storage folder, to see whether another host sees it.
-- Arguments: host, path.
local lease = require "lease"
local script = require "script"

return lease.kind {
  name = "probe-file",
  verified_by_grant = true,
  named_by_run = true,
  describe = function(a) return { host = a.host, text = "make the empty file " .. a.path } end,
  probe = function(a, env)
    local there = script.read(env:host(a.host), [[[ -e "$1" ] && echo yes || echo no]], { a.path }).output
    return there:find("yes") and "ours" or "absent"
  end,
  grant = function(a, env) script.run(env:host(a.host), [[set -C; : > "$1"]], { a.path }) end,
  revoke = function(a, env)
    local one = env:host(a.host)
    script.run(one, [[rm -f -- "$1"]], { a.path })
    -- A daemon that started while the file was there has it in its pool's list, and would keep it there.
    if not one.virt:volume_of_path(a.path) then return end
    local pool = one.virt:pool_of_path(a.path:match("^(.*)/"))
    if pool then pool:refresh() end
  end,
}
