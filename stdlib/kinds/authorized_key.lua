-- Lease "authorized-key": the run's key may log in on a host, for what the run needs and until it expires.
-- Arguments: host, user, key (the public line), from, command, expires_at_s, mark, port_forwarding, foreseen.
-- foreseen is what ssh.foresee_authorize read before the intent was written: when drover dies in the grant, it is all
-- that a recovery has to leave the file as it was, byte for byte.
local lease = require "lease"

local function description(a)
  return { user = a.user, key = a.key, mark = a.mark, from = a.from, command = a.command,
    expires_at_s = a.expires_at_s, port_forwarding = a.port_forwarding }
end

local function as_line(a)
  local options = { "restrict" }
  if a.port_forwarding then options[#options + 1] = 'port-forwarding,permitlisten="localhost:1"' end
  options[#options + 1] = ('from="%s"'):format(a.from)
  options[#options + 1] = ('expiry-time="%s"'):format(os.date("!%Y%m%d%H%MZ", a.expires_at_s))
  options[#options + 1] = ('command="%s"'):format(a.command)
  return table.concat(options, ",") .. " " .. a.key .. " " .. a.mark
end

-- What revoking needs to know of what authorising did, or was about to do.
local function granted(a, result)
  result = result or a.foreseen or {}
  return { user = a.user, key = a.key, mark = a.mark, file = result.file, added_newline = result.added_newline,
    made_file = result.made_file, made_directory = result.made_directory }
end

return lease.kind {
  name = "authorized-key",
  verified_by_grant = true,
  named_by_run = true,
  describe = function(a)
    return { host = a.host, text = "let the run's key in as " .. (a.user or "root"), lines = { as_line(a) } }
  end,
  prepare = function(a, env)
    a.foreseen = a.foreseen or ssh.foresee_authorize(env:host(a.host).machine, { user = a.user })
  end,
  probe = function(a, env, result)
    return ssh.probe_authorized(env:host(a.host).machine, { user = a.user, key = a.key, mark = a.mark,
      file = result and result.file })
  end,
  grant = function(a, env) return ssh.authorize(env:host(a.host).machine, description(a)) end,
  revoke = function(a, env, result) ssh.revoke(env:host(a.host).machine, granted(a, result)) end,
}
