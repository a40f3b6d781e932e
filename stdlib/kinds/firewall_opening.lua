-- Lease "firewall-opening": ports of a host, open for one source address and for a time.
-- Arguments: host, from, ports { first, last }, protocol, timeout_s, mark, can_expire (false: it stays open until it is
-- revoked, for the firewall there knows no time).
local async = require "async"
local lease = require "lease"

local function rule(a)
  return { from = a.from, ports = { a.ports.first, a.ports.last }, protocol = a.protocol or "tcp",
    timeout_s = a.timeout_s, mark = a.mark }
end

-- The arguments, and what the firewall answered when it opened: which rule, where, whether it was there already.
local function opened(a, result)
  local description = rule(a)
  for name, value in pairs(result or {}) do description[name] = value end
  return description
end

return lease.kind {
  name = "firewall-opening",
  verified_by_grant = true,
  describe = function(a, env)
    -- The plan shows the very commands; that takes a look at the host's firewall.
    local firewall = env and env.planning and env:host(a.host).firewall
    local can_expire = a.can_expire
    if firewall then can_expire = firewall:can_expire() end
    local text = ("open %d-%d/tcp for %s, "):format(a.ports.first, a.ports.last, a.from)
      .. (can_expire == false and "until the run ends: it does not expire by itself there"
        or ("for %d s"):format(a.timeout_s))
    return { host = a.host, text = text, lines = firewall and firewall:describe(rule(a)) or nil }
  end,
  prepare = function(a, env)
    if a.can_expire == nil then a.can_expire = env:host(a.host).firewall:can_expire() end
  end,
  probe = function(a, env, result)
    if result and result.backend == "none" then return "absent" end
    -- Also when it was open already: firewalld takes our rule beside the one that opens the same.
    local found = env:host(a.host).firewall:probe(opened(a, result))
    return found == "present" and "foreign" or found
  end,
  grant = function(a, env) return env:host(a.host).firewall:allow(rule(a)) end,
  -- A reload of firewalld drops what is not permanent. What was open without this run is not opened again.
  renew = function(a, env, result)
    if result.already or result.backend == "none" then return nil end
    local again = rule(a)
    if result.expires_at_s then again.timeout_s = result.expires_at_s - async.wall_ms() // 1000 end
    local firewall = env:host(a.host).firewall
    if again.timeout_s <= 0 or firewall:probe(opened(a, result)) ~= "absent" then return nil end
    return firewall:allow(again)
  end,
  revoke = function(a, env, result) env:host(a.host).firewall:revoke(opened(a, result)) end,
}
