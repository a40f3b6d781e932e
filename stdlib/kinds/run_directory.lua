-- Lease "run-directory": a folder of this run on a host's tmpfs: /run/drover/RUN, with "private" (root only: key,
-- known hosts, log) and "sockets" (QEMU's user may make its sockets there). Arguments: host, run, qemu_user.
local lease = require "lease"
local errors = require "errors"
local script = require "script"

local make = [[
set -e
umask 077
mkdir -p /run/drover
chmod 711 /run/drover
mkdir "/run/drover/$1" "/run/drover/$1/private" "/run/drover/$1/sockets"
chmod 711 "/run/drover/$1"
[ -z "$2" ] || chown "$2" "/run/drover/$1/sockets"
[ "$(stat -f -c %T "/run/drover/$1")" = tmpfs ] || { echo "/run is not a tmpfs" >&2; exit 4; }]]

-- Exactly what a run puts there; a file of somebody else's keeps the folder, and the probe then says so.
local remove = [[
d="/run/drover/$1"
rm -f "$d"/private/key "$d"/private/known_hosts "$d"/private/ssh.log "$d"/private/control*
rm -f "$d"/sockets/libvirt "$d"/sockets/memory "$d"/sockets/disks
rmdir "$d"/private "$d"/sockets "$d" 2>/dev/null
rmdir /run/drover 2>/dev/null
[ ! -e "$d" ] || { ls -A "$d"/* >&2; exit 1; }]]

return lease.kind {
  name = "run-directory",
  verified_by_grant = true,
  named_by_run = true,
  describe = function(a) return { host = a.host, text = "make /run/drover/" .. a.run .. " (tmpfs, for this run)" } end,
  planned = function(a) return { path = "/run/drover/" .. a.run } end,
  probe = function(a, env)
    local there = script.read(env:host(a.host), [[[ -d "/run/drover/$1" ] && echo yes || echo no]], { a.run }).output
    -- The name holds the run's id, so what is there is ours.
    return there:find("yes") and "ours" or "absent"
  end,
  grant = function(a, env)
    local made = script.run(env:host(a.host), make, { a.run, a.qemu_user or "" }, { check = false })
    if made.exit_code ~= 0 then
      errors.raise { code = "NO_RUN_DIRECTORY", host = a.host, where = false,
        message = "cannot make /run/drover/" .. a.run .. ": " .. made.errors:gsub("%s+$", ""),
        hint = "the run's key must not touch a disk: /run has to be a tmpfs that root can write" }
    end
    return { path = "/run/drover/" .. a.run }
  end,
  revoke = function(a, env) script.run(env:host(a.host), remove, { a.run }) end,
}
