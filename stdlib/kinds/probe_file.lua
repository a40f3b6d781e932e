-- Lease "probe-file": an empty file with the run's name in a storage folder, to see whether another host sees it.
-- Arguments: host, path, other_host (which may see it; nil in journals of older runs).
-- Tested by tests/stdlib/pool_entry_test.lua and tests/faults.
local lease = require "lease"
local pool_entry = require "pool_entry"
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
    script.run(env:host(a.host), [[rm -f -- "$1"]], { a.path })
    pool_entry.drop({ env:host(a.host), a.other_host and env:host(a.other_host) }, a.path)
  end,
}
