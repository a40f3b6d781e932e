-- Lease "private-key": the run's private key, and the known hosts that go with it, in the run's folder on a tmpfs.
-- Arguments: host, run, known_hosts (text; public). The key pair itself is the secret and is never written down.
local lease = require "lease"
local script = require "script"

local function folder(a) return "/run/drover/" .. a.run .. "/private" end

return lease.kind {
  name = "private-key",
  verified_by_grant = true,
  named_by_run = true,
  describe = function(a)
    return { host = a.host, text = "put the run's private key into " .. folder(a) .. " (mode 600, tmpfs)" }
  end,
  planned = function(a) return { path = folder(a) .. "/key", known_hosts = folder(a) .. "/known_hosts" } end,
  probe = function(a, env)
    local there = script.read(env:host(a.host), [[[ -e "$1/key" ] && echo yes || echo no]], { folder(a) }).output
    return there:find("yes") and "ours" or "absent"
  end,
  grant = function(a, env, key_pair)
    local one = env:host(a.host)
    key_pair:write_private(one.machine, folder(a) .. "/key")
    one.machine:write_file(folder(a) .. "/known_hosts", a.known_hosts, { mode = 384 })  -- 0600
    return { path = folder(a) .. "/key", known_hosts = folder(a) .. "/known_hosts" }
  end,
  revoke = function(a, env)
    script.run(env:host(a.host), [==[rm -f "$1/key" "$1/known_hosts" && [ ! -e "$1/key" ]]==], { folder(a) })
  end,
}
