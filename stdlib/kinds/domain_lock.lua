-- Lease "domain-lock": one run per domain at a time, held as a file on each host that names the run and its process.
-- Arguments: host, uuid, run, process (this one without it). Under /run, so that a reboot, which ends every run, also
-- ends the lock. The file: the run's id, a line "MACHINE-ID BOOT-ID PID NAME", and a line "STARTED JOURNAL", which
-- older ones do not have: when the process started (field 22 of /proc/PID/stat), and the folder of the run's journal.
-- A lock is stale when its process ran on this machine, is gone, and the journal that it wrote to, which is this one,
-- knows nothing of the run: no recovery will ever take it away. A machine-id alone does not tell the machine, for a
-- clone has it too: after a reboot name and journal must be the same as well. Everything else is left to people.
-- Tested by tests/stdlib/domain_lock_test.lua and tests/faults.
local errors = require "errors"
local lease = require "lease"
local script = require "script"

-- Of two runs that try at once, link(2) lets one have it, and nobody sees a lock without its holder's name. The folder
-- may be removed by another run's end meanwhile.
local take = [[
umask 077
new="/run/drover/lock/.$2.$$"
for try in 1 2 3 4 5; do
  mkdir -p /run/drover/lock && printf '%s\n%s\n' "$2" "$3" > "$new" || { rm -f "$new"; continue; }
  if ln "$new" "/run/drover/lock/$1" 2>/dev/null; then rm -f "$new"; exit 0; fi
  rm -f "$new"
  [ -e "/run/drover/lock/$1" ] && { cat "/run/drover/lock/$1"; exit 3; }
done
exit 1]]

local give_back = [==[
f="/run/drover/lock/$1"
[ "$(head -n 1 "$f" 2>/dev/null)" = "$2" ] && rm -f "$f"
rm -f "/run/drover/lock/.$2".*
rmdir /run/drover/lock /run/drover 2>/dev/null
[ "$(head -n 1 "$f" 2>/dev/null)" != "$2" ]]==]

local look = [[cat "/run/drover/lock/$1" 2>/dev/null; exit 0]]

local function first_line(path)
  local file <close> = assert(io.open(path))
  return file:read "l"
end

-- When a process started, in clock ticks after boot; nil when it is gone or a zombie. The fields are counted after the
-- last ')', because a program's name may hold anything [proc(5)].
local function started(pid)
  local file <close> = io.open("/proc/" .. pid .. "/stat")
  local fields = file and (file:read "a" or ""):match("^.*%)(.*)$")
  if not fields then return nil end
  local words = {}
  for word in fields:gmatch "%S+" do words[#words + 1] = word end
  if words[1] == "Z" or words[1] == "X" then return nil end
  return words[20]
end

-- One that is not absolute means another place elsewhere.
local function journal_folder()
  local folder = journal.folder()
  return folder:match "^/[^\n]*$" or "?"
end

-- What the file says: { run, machine, boot, pid, name, started, journal }; only run when it says no more.
local function parse(text)
  local run, owner, more = text:match("^(%S+)\n?([^\n]*)\n?([^\n]*)")
  if not run then return nil end
  local machine, boot, pid, name = owner:match("^(%S+) (%S+) (%d+) (%S+)$")
  local when, folder = more:match("^(%S+) (.+)$")
  return { run = run, machine = machine, boot = boot, pid = pid, name = name, started = when, journal = folder }
end

local function is_gone(holder)
  local now = started(holder.pid)
  return now == nil or holder.started ~= nil and holder.started ~= now
end

local function where(holder)
  return holder.name and (" (on %s, process %s)"):format(holder.name, holder.pid) or ""
end

local kind

-- A stale lock is taken away as its own run would have done it, and the domain locked anew.
local function try_to_take(a, env)
  local one = env:host(a.host)
  local words = { a.uuid, a.run, a.process or kind.this_process() }
  local result = script.run(one, take, words, { check = false })
  local holder = result.exit_code == 3 and parse(result.output)
  if holder and kind.is_stale(holder, env.store) then
    script.run(one, give_back, { a.uuid, holder.run }, { check = false })
    result = script.run(one, take, words, { check = false })
    holder = result.exit_code == 3 and parse(result.output)
  end
  return result, holder
end

kind = lease.kind {
  name = "domain-lock",
  verified_by_grant = true,
  named_by_run = true,
  describe = function(a)
    return { host = a.host, text = "lock the domain for this run", lines = { "/run/drover/lock/" .. a.uuid } }
  end,
  probe = function(a, env)
    local holder = kind.holder(env:host(a.host), a.uuid)
    -- Another run's lock is found by grant, which names that run.
    return holder and holder.run == a.run and "ours" or "absent"
  end,
  grant = function(a, env)
    local result, holder = try_to_take(a, env)
    if result.exit_code == 0 then return {} end
    if holder then
      errors.raise { code = "DOMAIN_BUSY", host = a.host, where = false,
        message = ("run %s%s is at work on this domain"):format(holder.run, where(holder)),
        hint = kind.hint(a.host, a.uuid) }
    end
    errors.raise { code = "LOCK_FAILED", host = a.host, where = false,
      message = "cannot write /run/drover/lock: " .. (result.errors:match("[^\n]+") or "no reason was given") }
  end,
  revoke = function(a, env) script.run(env:host(a.host), give_back, { a.uuid, a.run }) end,

  --- This process, as a lock names it.
  this_process = function()
    local pid = first_line("/proc/self/stat"):match("^%d+")
    return ("%s %s %s %s\n%s %s"):format(first_line "/etc/machine-id", first_line "/proc/sys/kernel/random/boot_id",
      pid, first_line "/proc/sys/kernel/hostname", started(pid), journal_folder())
  end,
  --- Who holds a domain on a host, or nil.
  holder = function(one, uuid) return parse(script.read(one, look, { uuid }).output) end,
  --- Whether a lock's run is dead and no recovery will come: see the top of the file.
  is_stale = function(holder, store)
    if not holder.machine or holder.machine ~= first_line "/etc/machine-id" then return false end
    local folder = journal_folder()
    local is_own_journal = folder ~= "?" and holder.journal == folder
    if holder.boot == first_line "/proc/sys/kernel/random/boot_id" then
      if holder.journal and not is_own_journal or not is_gone(holder) then return false end
    elseif not is_own_journal or holder.name ~= first_line "/proc/sys/kernel/hostname" then
      return false
    end
    return store ~= nil and store:find_run(holder.run) == nil
  end,
  --- What to do about a lock that is in the way.
  hint = function(host_name, uuid)
    return ("wait for it; if it is dead: drover recover, on the machine that started it; when that machine is lost for "
      .. "good: rm /run/drover/lock/%s on %s"):format(uuid, host_name)
  end,
  --- " (on NAME, process PID)", or nothing where the lock does not say.
  where = where,
}

return kind
