--- The far end of a run's ssh connection: the sshd process that serves it. It is found while the connection is up, and
-- ended when the near end cannot say goodbye any more, because the source died or the link is cut. Taking the key away
-- does not end it [sshd(8)].
--
-- A port says little by itself: another machine's client may have the same one, and the next client of the same
-- machine may get it. So a session is the run's when the client's address and port are, sshd has it, and these are the
-- processes that were seen when the connection came up; where they were not seen, when they began no earlier than the
-- run's.
-- Tested by tests/stdlib/ssh_session_test.lua and tests/faults.
local errors = require "errors"
local script = require "script"

local ssh_session = {}

--- The client's end of the ssh connection of a process, "ADDRESS:PORT", for a script: own_end PID. Columns of ss with a
-- state: what waits in both directions, the local end, the far end, the processes [ss(8)].
ssh_session.own_end = [[
own_end() {
  ss -Htnp state established 2>/dev/null | awk -v process="pid=${1:-none}," 'index($0, process) { print $3; exit }'
}
]]

--- Gives "10.0.0.1" and 40112 of what ss writes: "10.0.0.1:40112", "[fe80::1%eth0]:40112", "[::ffff:10.0.0.1]:40112".
function ssh_session.split(text)
  local address, port = (text or ""):match("^%s*(%S+):(%d+)%s*$")
  if not address then return nil end
  return (address:gsub("[%[%]]", ""):gsub("%%.*", ""):gsub("^::ffff:", "")), tonumber(port)
end

-- ours: a line "CLIENT-PORT PID START-IN-TICKS" for each sshd process of a connection that may be the run's. What holds
-- a shell or a command has "user@" in its title; a connection that only forwards has not [OpenSSH session.c].
local look = [[
port=$1 client=$2 addresses=$3 known=$4 since_s=$5 elsewhere=$6
filter="sport = :$port"
[ -z "$client" ] || filter="$filter and dport = :$client"
ours() {
  now_s=$(date +%s)
  ss -Htnp state established "( $filter )" 2>/dev/null | awk -v addresses=" $addresses " -v elsewhere=" $elsewhere " '{
    from = $4; sub(/:[0-9]*$/, "", from); gsub(/[][]/, "", from); sub(/%.*/, "", from); sub(/^::ffff:/, "", from)
    port = $4; sub(/.*:/, "", port)
    if (!index(addresses, " " from " ") || index(elsewhere, " " port " ")) next
    while (match($0, /"sshd[^"]*",pid=[0-9]+/)) {
      process = substr($0, RSTART, RLENGTH); $0 = substr($0, RSTART + RLENGTH)
      sub(/.*=/, "", process); print port, process
    }
  }' | while read -r from process; do
    { read -r line <"/proc/$process/stat"; } 2>/dev/null || continue
    set -- ${line##*) }
    start=${20}
    if [ -n "$known" ]; then
      case " $known " in *" $process:$start "*) ;; *) continue ;; esac
    else
      age_s=$(ps -o etimes= -p "$process") || continue
      [ $((now_s - age_s)) -ge "$since_s" ] || continue
      [ -n "$client" ] || ! tr '\0' ' ' <"/proc/$process/cmdline" | grep -q @ || continue
    fi
    echo "$from $process $start"
  done
}
]]

local find = look .. [[
ours | while read -r from process start; do printf '%s:%s ' "$process" "$start"; done]]

-- Sshd sees the end by itself when ssh ends, and is told when it does not. Without the client's port it is not told:
-- the session may be one of somebody else's.
local finish = look .. [[
tries=0
while open=$(ours) && [ -n "$open" ]; do
  [ -z "$client" ] || [ $tries -ne 20 ] || echo "$open" | while read -r from process start; do kill "$process"; done
  [ $tries -lt 60 ] || { echo "$open" | cut -d' ' -f1 | sort -u | paste -s -d' ' >&2; exit 1; }
  tries=$((tries + 1))
  sleep 0.05
done
exit 0]]

local function words(session)
  local known, elsewhere = session.processes or "", table.concat(session.elsewhere or {}, " ")
  return { session.port, session.client_port or "", table.concat(session.addresses, " "), known,
    session.since_s or 0, elsewhere }
end

--- The processes of a session that is up, "PID:START ...", as `session.processes` takes them; nil when none is seen.
-- session: port (of sshd), client_port, addresses (a list: the client's, as sshd may see it), since_s (by the clock of
-- that host: none that began earlier is the run's).
function ssh_session.find(one_host, session)
  local result = script.read(one_host, find, words(session), { check = false })
  return result.output:match("^(%d.-)%s*$")
end

--- Waits for the session's end, and brings it about when it does not come. session: as for find, and processes, and
-- elsewhere (client ports of connections that are known not to be the run's). Without client_port nothing is ended:
-- sessions that could be the run's are waited for, and raise SESSION_OPEN.
function ssh_session.finish(one_host, session)
  local result = script.run(one_host, finish, words(session), { check = false })
  if result.exit_code == 0 then return end
  local ports = result.errors:match("^%s*(.-)%s*$")
  local from = session.addresses[1] or "the source"
  errors.raise { code = "SESSION_OPEN", host = one_host.name, where = false, native = result.errors,
    message = session.client_port and ("the run's ssh session from port %s is still open"):format(ports)
      or ("ssh sessions from %s that may be the run's are still open (its port is not known): %s"):format(from, ports),
    hint = session.client_port and "end it by hand: ss -K"
      or ("see there whose they are, and end the run's: ss -tnp 'sport = :%d'"):format(session.port) }
end

return ssh_session
