-- Lease "tunnel": an ssh process on one host that forwards UNIX sockets to another, under the run's key.
-- It ends by itself at its time limit. Arguments: host, run, address, port, user, sockets (list of { here, there }),
-- limit_s, destination (the host at the other end, where the session's end is seen), from (this end's address as the
-- other one sees it), since_s (by the other end's clock: the session begins no earlier), existing (true: with the key
-- and the known hosts that the host's user has, instead of the run's).
local core = require "drover.core"
local errors = require "errors"
local lease = require "lease"
local script = require "script"
local ssh_session = require "ssh_session"

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
local start = ssh_session.own_end .. [[
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
own_end "$(pgrep -f -- "^ssh .* -S $control ")"]]

local check = [[
timeout 5 ssh -F /dev/null -S "$1" -O check drover 2>/dev/null && echo up && exit 0
[ -S "$1" ] && echo dead || echo no]]

-- Says first which end is its own, which a drover that died in the grant has not written down; and then the ports of
-- all connections that this host still has. An ssh that was stopped (SIGSTOP) answers nothing and dies of KILL alone.
local stop = ssh_session.own_end .. [[
echo "own=$(own_end "$(pgrep -f -- "^ssh .* -S $1 ")")"
timeout 5 ssh -F /dev/null -S "$1" -O exit drover 2>/dev/null
tries=0
while pgrep -f -- "^timeout .* -S $1 " >/dev/null && [ $tries -lt 50 ]; do
  tries=$((tries + 1))
  sleep 0.05
done
pkill -KILL -f -- "^(timeout|ssh) .* -S $1 "
rm -f "$1"
ss -Htn state established 2>/dev/null | awk '{ sub(/.*:/, "", $3); print "other=" $3 }'
exit 0]]

-- The session as the other end sees it. result: of the grant; said: what ending this end said, nil when it did not
-- answer.
local function session_of(a, result, said)
  local address, port
  if result then
    address, port = result.local_address, result.local_port
  else
    address, port = ssh_session.split((said or ""):match("own=(%S+)"))
  end
  local session = { port = a.port, client_port = port, since_s = a.since_s, processes = result and result.session,
    addresses = {}, elsewhere = {} }
  session.addresses[1] = a.from
  if address and address ~= a.from then table.insert(session.addresses, address) end
  if not port then
    for other in (said or ""):gmatch("other=(%d+)") do table.insert(session.elsewhere, other) end
  end
  return session
end

local function end_far_end(a, env, result, said)
  if not a.destination then return end
  local session = session_of(a, result, said)
  if #session.addresses > 0 then ssh_session.finish(env:host(a.destination), session) end
end

-- What the other end has of a connection that is up, for its end: where that end does not say, its port has to do.
local function found_far_end(a, env, result)
  if not a.destination or not result.local_port then return result end
  local ok, processes = core.pcall(function()
    return ssh_session.find(env:host(a.destination), session_of(a, result))
  end)
  if not ok and core.is_cancellation(processes) then error(processes, 0) end
  if ok and processes then
    result.session = processes
  elseif ok then
    result.local_port, result.local_address = nil, nil  -- what lies between gave it another one
  end
  return result
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
    if started.exit_code == 0 then
      local address, port = ssh_session.split(started.output)
      return found_far_end(a, env, { control = control(a), local_address = address, local_port = port })
    end
    errors.raise { code = "TUNNEL_FAILED", host = a.host, where = false, native = started.errors,
      message = ("no ssh connection from here to %s: %s"):format(a.address,
        started.errors:match("([^\n]+)%s*$") or "it did not come up within 15 s"),
      hint = a.existing and ("try it there: ssh -p %d %s@%s"):format(a.port, a.user, a.address)
        or ("see whether %s reaches port %d of %s"):format(a.host, a.port, a.address) }
  end,
  revoke = function(a, env, result)
    -- The far end too when this one does not answer: then most of all.
    local stopped, said = core.pcall(function() return script.run(env:host(a.host), stop, { control(a) }).output end)
    end_far_end(a, env, result, stopped and said or nil)
    if not stopped then error(said, 0) end
  end,
}
