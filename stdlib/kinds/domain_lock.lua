-- Lease "domain-lock": one run per domain at a time, held as a file that names the run on each host.
-- Arguments: host, uuid, run. Under /run, so that a reboot, which ends every run, also ends the lock.
local lease = require "lease"
local errors = require "errors"
local script = require "script"

-- Of two runs that try at once, link(2) lets one have it, and nobody sees a lock without its holder's name. The folder
-- may be removed by another run's end meanwhile.
local take = [[
umask 077
new="/run/drover/lock/.$2.$$"
for try in 1 2 3 4 5; do
  mkdir -p /run/drover/lock && printf %s "$2" > "$new" || { rm -f "$new"; continue; }
  if ln "$new" "/run/drover/lock/$1" 2>/dev/null; then rm -f "$new"; exit 0; fi
  rm -f "$new"
  [ -e "/run/drover/lock/$1" ] && { cat "/run/drover/lock/$1"; exit 3; }
done
exit 1]]

local give_back = [==[
f="/run/drover/lock/$1"
[ "$(cat "$f" 2>/dev/null)" = "$2" ] && rm -f "$f"
rm -f "/run/drover/lock/.$2".*
rmdir /run/drover/lock /run/drover 2>/dev/null
[ "$(cat "$f" 2>/dev/null)" != "$2" ]]==]

local look = [[cat "/run/drover/lock/$1" 2>/dev/null; exit 0]]

return lease.kind {
  name = "domain-lock",
  verified_by_grant = true,
  named_by_run = true,
  describe = function(a)
    return { host = a.host, text = "lock the domain for this run", lines = { "/run/drover/lock/" .. a.uuid } }
  end,
  probe = function(a, env)
    local holder = script.read(env:host(a.host), look, { a.uuid }).output
    if holder == a.run then return "ours" end
    -- Another run's lock is found by grant, which names that run.
    return "absent"
  end,
  grant = function(a, env)
    local result = script.run(env:host(a.host), take, { a.uuid, a.run }, { check = false })
    if result.exit_code == 0 then return {} end
    if result.exit_code == 3 then
      errors.raise { code = "DOMAIN_BUSY", host = a.host, where = false,
        message = ("run %s is at work on this domain"):format(result.output),
        hint = "if it is dead: drover recover, on the machine that started it" }
    end
    errors.raise { code = "LOCK_FAILED", host = a.host, where = false,
      message = "cannot write /run/drover/lock: " .. result.errors }
  end,
  revoke = function(a, env) script.run(env:host(a.host), give_back, { a.uuid, a.run }) end,
}
