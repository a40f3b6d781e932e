-- Lease "tunnel": an ssh process on one host that forwards UNIX sockets to another, under the run's key.
-- It ends by itself at its time limit. Arguments: host, run, address, port, user, sockets (list of { here, there }),
-- limit_s.
local async = require "async"
local errors = require "errors"
local lease = require "lease"
local script = require "script"

local function folder(a) return "/run/drover/" .. a.run end
local function control(a) return folder(a) .. "/private/control" end

-- Its own configuration is /dev/null: a site's ~/.ssh/config must not add to what the plan showed.
local function argv(a)
  local words = { "timeout", "--signal=TERM", "--kill-after=5", tostring(a.limit_s),
    "ssh", "-F", "/dev/null", "-N", "-T", "-M", "-S", control(a), "-i", folder(a) .. "/private/key",
    "-p", tostring(a.port), "-l", a.user }
  for _, option in ipairs { "IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes", "StrictHostKeyChecking=yes",
    "UserKnownHostsFile=" .. folder(a) .. "/private/known_hosts", "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no", "ExitOnForwardFailure=yes", "StreamLocalBindUnlink=yes", "StreamLocalBindMask=0177",
    "ConnectTimeout=10", "ServerAliveInterval=5", "ServerAliveCountMax=3" } do
    words[#words + 1] = "-o"
    words[#words + 1] = option
  end
  for _, socket in ipairs(a.sockets) do
    words[#words + 1] = "-L"
    words[#words + 1] = socket.here .. ":" .. socket.there
  end
  words[#words + 1] = a.address
  return words
end

local start = [[log=$1; shift; umask 077; exec setsid -f "$@" </dev/null >/dev/null 2>"$log"]]
local check = [[
ssh -F /dev/null -S "$1" -O check drover 2>/dev/null && echo up && exit 0
[ -S "$1" ] && echo dead || echo no]]
local stop = [[
ssh -F /dev/null -S "$1" -O exit drover 2>/dev/null
for try in 1 2 3 4 5 6 7 8 9 10; do [ -S "$1" ] || break; sleep 0.1; done
rm -f "$1"]]
local is_running = [[pgrep -f -- "-S $1 " >/dev/null && echo yes || echo no]]

local function state(a, env) return script.read(env:host(a.host), check, { control(a) }).output:match("%a+") end

return lease.kind {
  name = "tunnel",
  verified_by_grant = true,
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
    script.run(one, start, { log, table.unpack(argv(a)) })
    local up = async.poll("15s", 30, function()
      local now = state(a, env)
      if now == "up" then return "up" end
      -- timeout and ssh are both gone when the log has their last words.
      local running = script.read(one, is_running, { control(a) }).output
      return running:find("no") and "ended" or nil
    end)
    if up == "up" then return { control = control(a) } end
    local said = script.read(one, [[cat "$1" 2>/dev/null]], { log }, { check = false }).output
    errors.raise { code = "TUNNEL_FAILED", host = a.host, where = false, native = said,
      message = ("no ssh connection from here to %s: %s"):format(a.address,
        (said:match("([^\n]+)%s*$") or "it did not come up within 15 s"):gsub("%s+$", "")),
      hint = ("see whether %s reaches port %d of %s"):format(a.host, a.port, a.address) }
  end,
  revoke = function(a, env) script.run(env:host(a.host), stop, { control(a) }) end,
}
