-- Lease "authorized-key": the run's key may log in on a host, for what the run needs and until it expires.
-- Arguments: host, user, key (the public line), from, command, expires_at_s, mark, port_forwarding, foreseen, proof.
-- foreseen is what ssh.foresee_authorize read before the intent was written: when drover dies in the grant, it is all
-- that a recovery has to leave the file as it was, byte for byte.
-- proof = { host, run, address, port }: who has the private key, in the directory of which run, and how sshd is reached
-- from there. That the key is revoked is then proven by a login that is refused. (Its sessions end with the tunnel.)
local async = require "async"
local core = require "drover.core"
local errors = require "errors"
local lease = require "lease"
local script = require "script"

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

-- 90: there is no key any more that anybody could use.
local log_in = [[
private=/run/drover/$1/private
[ -f "$private/key" ] && [ -f "$private/known_hosts" ] || exit 90
exec timeout 8 ssh -F /dev/null -i "$private/key" -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
  -o PreferredAuthentications=publickey -o StrictHostKeyChecking=yes -o UpdateHostKeys=no -o ConnectTimeout=5 \
  -o UserKnownHostsFile="$private/known_hosts" -o GlobalKnownHostsFile=/dev/null -T -p "$2" -l "$3" -- "$4" true \
  </dev/null]]

-- Since OpenSSH 9.8 a source whose logins are refused is shut out for a while, with its next move [sshd_config(5)].
local has_penalties = [[PATH=$PATH:/usr/sbin:/sbin; sshd -T 2>/dev/null | grep -qi '^persourcepenalties [^n]']]

-- What ssh and timeout exit with when no command of the other side ran.
local not_logged_in = {}
for _, code in ipairs { 90, 124, 125, 126, 127, 137, 255 } do not_logged_in[code] = true end

-- Says whether somebody got in with the key. Nobody knows when the source does not answer, or the destination not it.
local function gets_in(a, env)
  local ok, result = core.pcall(async.timeout, "12s", function()
    if script.read(env:host(a.host), has_penalties, {}, { check = false }).exit_code == 0 then return nil end
    local words = { a.proof.run, a.proof.port, a.user or "root", a.proof.address }
    return script.read(env:host(a.proof.host), log_in, words, { check = false, timeout_ms = 10000 }).exit_code
  end, "a login with the run's key")
  if not ok and core.is_cancellation(result) then error(result, 0) end
  return ok and result ~= nil and not not_logged_in[result]
end

local kind
kind = lease.kind {
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
  revoke = function(a, env, result)
    ssh.revoke(env:host(a.host).machine, granted(a, result))
    if kind.probe(a, env, result) == "ours" then
      errors.raise { code = "NOT_REVOKED", host = a.host, where = false,
        message = "the line of the run's key was taken away, and is there again",
        hint = ("look which program writes %s, then: drover recover"):format(
          granted(a, result).file or "authorized_keys") }
    end
    if a.proof and gets_in(a, env) then
      errors.raise { code = "NOT_REVOKED", host = a.host, where = false,
        message = "the run's key was taken away, and still logs in",
        hint = "sshd finds it elsewhere: sshd -T | grep -i authorizedkeys shows where; remove the line "
          .. "with '" .. a.mark .. "' there, then: drover recover" }
    end
  end,
}

return kind
