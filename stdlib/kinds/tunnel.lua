-- Lease "tunnel": an ssh process on one host that forwards UNIX sockets to another, under the run's key.
-- It ends by itself at its time limit. Arguments: host, run, address, port, user, sockets (list of { here, there }),
-- limit_s, destination (the host at the other end, where the session's end is seen), existing (true: with the key and
-- the known hosts that the host's user has, instead of the run's).
local core = require "drover.core"
local errors = require "errors"
local lease = require "lease"
local script = require "script"

local function folder(a) return "/run/drover/" .. a.run end
local function control(a) return folder(a) .. "/private/control" end

-- The run's key, and nothing of ~/.ssh: a site's configuration must not add to what the plan showed.
local function own_access(a)
  return { "-F", "/dev/null", "-i", folder(a) .. "/private/key", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
    "-o", "UserKnownHostsFile=" .. folder(a) .. "/private/known_hosts", "-o", "GlobalKnownHostsFile=/dev/null" }
end

local function argv(a)
  local words = { "timeout", "--signal=TERM", "--kill-after=5", tostring(a.limit_s), "ssh" }
  local access = a.existing and {} or own_access(a)
  table.move(access, 1, #access, #words + 1, words)
  local always = { "-N", "-T", "-M", "-S", control(a), "-p", tostring(a.port), "-l", a.user }
  table.move(always, 1, #always, #words + 1, words)
  -- Host keys: known and equal, or stop. ControlPersist would leave ssh's master behind a "timeout" that ended.
  for _, option in ipairs { "BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no", "ControlPersist=no",
    "ExitOnForwardFailure=yes", "StreamLocalBindUnlink=yes", "StreamLocalBindMask=0177", "ConnectTimeout=10",
    "ServerAliveInterval=5", "ServerAliveCountMax=3" } do
    words[#words + 1] = "-o"
    words[#words + 1] = option
  end
  for _, socket in ipairs(a.sockets) do
    words[#words + 1] = "-L"
    words[#words + 1] = socket.here .. ":" .. socket.there
  end
  words[#words + 1] = "--"  -- an address is no option, whatever it looks like
  words[#words + 1] = a.address
  return words
end

-- ssh makes its control socket after it logged in and after it listens on every forwarded socket [OpenSSH clientloop.c
-- and ssh.c, ssh_session2]: the socket is the sign that all is up. Its last words are in the log when it is gone.
local start = [[
log=$1 control=$2
shift 2
umask 077
setsid -f "$@" </dev/null >/dev/null 2>"$log"
tries=0
while [ $tries -lt 300 ]; do
  [ -S "$control" ] && break
  # The process may not be there yet in the first second; when it has said something and is gone, it is over.
  if [ -s "$log" ] || [ $tries -gt 20 ]; then pgrep -f -- "^timeout .* -S $control " >/dev/null || break; fi
  tries=$((tries + 1))
  sleep 0.05
done
[ -S "$control" ] || { cat "$log" >&2; exit 1; }
process=$(pgrep -f -- "^ssh .* -S $control ")
ss -Htnp state established 2>/dev/null | sed -n "s/.*:\([0-9]*\) .*[(,]pid=${process:-none},.*/\1/p" | head -n 1]]

local check = [[
timeout 5 ssh -F /dev/null -S "$1" -O check drover 2>/dev/null && echo up && exit 0
[ -S "$1" ] && echo dead || echo no]]

-- An ssh that was stopped (SIGSTOP) answers nothing and dies of KILL alone.
local stop = [[
timeout 5 ssh -F /dev/null -S "$1" -O exit drover 2>/dev/null
tries=0
while pgrep -f -- "^timeout .* -S $1 " >/dev/null && [ $tries -lt 50 ]; do
  tries=$((tries + 1))
  sleep 0.05
done
pkill -KILL -f -- "^(timeout|ssh) .* -S $1 "
rm -f "$1"
exit 0]]

-- The session at the far end of a connection is over: sshd sees that by itself when ssh ends, and is told when it does
-- not, because the source died or the link is cut. Taking the key away does not end it [sshd(8)].
local end_session = [[
tries=0
while open=$(ss -Htnp state established "( sport = :$1 and dport = :$2 )" 2>/dev/null) && [ -n "$open" ]; do
  [ $tries -ne 20 ] || echo "$open" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u | xargs -r kill
  [ $tries -lt 60 ] || { echo "$open" >&2; exit 1; }
  tries=$((tries + 1))
  sleep 0.05
done
exit 0]]

local function end_far_end(a, env, result)
  if not a.destination or not result or not result.local_port then return end
  local ended = script.run(env:host(a.destination), end_session, { a.port, result.local_port }, { check = false })
  if ended.exit_code == 0 then return end
  errors.raise { code = "SESSION_OPEN", host = a.destination, where = false, native = ended.errors,
    message = ("the run's ssh session from port %d is still open"):format(result.local_port),
    hint = "end it by hand: ss -K" }
end

local function state(a, env) return script.read(env:host(a.host), check, { control(a) }).output:match("%a+") end

return lease.kind {
  name = "tunnel",
  verified_by_grant = true,
  named_by_run = true,
  describe = function(a)
    local lines = { table.concat(argv(a), " ") }
    local text = ("forward %d socket(s) to %s over ssh"):format(#a.sockets, a.address)
    return { host = a.host, text = text, lines = lines }
  end,
  planned = function() return {} end,
  probe = function(a, env)
    local now = state(a, env)
    return now == "no" and "absent" or "ours"
  end,
  grant = function(a, env)
    local one = env:host(a.host)
    local log = folder(a) .. "/private/ssh.log"
    local started = script.run(one, start, { log, control(a), table.unpack(argv(a)) }, { check = false })
    if started.exit_code == 0 then return { control = control(a), local_port = tonumber(started.output) } end
    errors.raise { code = "TUNNEL_FAILED", host = a.host, where = false, native = started.errors,
      message = ("no ssh connection from here to %s: %s"):format(a.address,
        started.errors:match("([^\n]+)%s*$") or "it did not come up within 15 s"),
      hint = a.existing and ("try it there: ssh -p %d %s@%s"):format(a.port, a.user, a.address)
        or ("see whether %s reaches port %d of %s"):format(a.host, a.port, a.address) }
  end,
  revoke = function(a, env, result)
    -- The far end too when this one does not answer: then most of all.
    local stopped, problem = core.pcall(function() script.run(env:host(a.host), stop, { control(a) }) end)
    end_far_end(a, env, result)
    if not stopped then error(problem, 0) end
  end,
}
