--- How the bytes of a move travel, and the access that this takes: key, tunnel, port. Each is a lease.
--
-- ssh     one ssh connection from source to destination carries libvirt's control, memory and disks, over forwarded
--         UNIX sockets: encrypted, port 22 only, no firewall is touched
-- direct  memory and disks over plain TCP, to one reserved port each, opened for the source's address
-- tls     like direct, inside QEMU's TLS; the hosts' certificates must be there
-- tunnel  inside libvirt's own connection; cannot carry disks or post-copy
-- Peer-to-peer needs a way for the source's daemon to the destination's: the same ssh connection, whatever the channel.
-- Tested by tests/stdlib/migrate_channel_test.lua and the lab's tests.
local async = require "async"
local converge = require "migrate.converge"
local errors = require "errors"
local script = require "script"
local storage = require "migrate.storage"
local translated = require "migrate.translated"

local channel = {}

-- The key and the tunnel outlive the longest move that is allowed, and little more. A timeout that does not abort lets
-- the move go on for as long as its memory takes. A tunnel that ends in post-copy breaks the guest for good, and no
-- abort ends post-copy before it: a move that may switch has the longest, whatever its timeout asks for.
local spare_s = { abort = 600, suspend = 6 * 3600, ["post-copy"] = 24 * 3600 }

-- The port is the one by which drover itself came, or the first that sshd is configured for.
local ssh_server = [[
port=${SSH_CONNECTION##* }
echo "port ${port:-$(sshd -T 2>/dev/null | sed -n '0,/^port /s/^port //p')}"
sshd -T 2>/dev/null | sed -n 's/^hostkey //p' | while read -r f; do cat "$f.pub" 2>/dev/null; done | grep . ||
cat /etc/ssh/ssh_host_*_key.pub]]

-- The destination's ssh server: its port, and its host keys as known_hosts lines, read over the connection that drover
-- itself verified.
local function read_ssh_server(destination, address)
  local text = script.read(destination, ssh_server).output
  local port = tonumber(text:match("^port (%d+)")) or 22
  local name = port == 22 and address or ("[%s]:%d"):format(address, port)
  local lines = {}
  for kind, key in text:gmatch("\n([%w@.-]+) ([%w+/=]+)[^\n]*") do
    lines[#lines + 1] = ("%s %s %s"):format(name, kind, key)
  end
  return port, table.concat(lines, "\n") .. "\n"
end

-- Asked once for a move: the check and the run both need it.
local function ssh_server_of(move)
  if not move.ssh_server then
    move.ssh_server = table.pack(read_ssh_server(move.destination, move.to_address))
  end
  return table.unpack(move.ssh_server)
end

local libvirt_socket = [[
for s in /run/libvirt/libvirt-sock /run/libvirt/virtqemud-sock /var/run/libvirt/libvirt-sock; do
  [ -S "$s" ] && { echo "$s"; exit 0; }
done; exit 1]]

-- "64055:994", the user that QEMU runs as, from the capabilities; "" when libvirt does not say.
local function qemu_user(capabilities)
  local label = capabilities:value("/capabilities/host/secmodel[model='dac']/baselabel")
  local uid, gid = (label or ""):match("^%+(%d+):%+(%d+)$")
  return uid and uid .. ":" .. gid or ""
end

local function limit_s(move)
  local wants_post_copy = converge.wants_post_copy(move.p)
  return move.p.timeout // 1000 + spare_s[wants_post_copy and "post-copy" or move.p.timeout_action or "abort"]
end

-- Whether an ssh connection from source to destination is needed at all. With --key none there is none: preflight
-- refuses what cannot do without.
local function needs_ssh(move)
  return move.p.key ~= "none" and (move.p.channel == "ssh" or move.p.mode == "p2p")
end

-- The run's own key pair; nothing with --key existing, where the source's user has a key that the destination knows.
local function make_key(move)
  local ctx, p = move.ctx, move.p
  if ctx.planning then
    return nil, (p.key == "rsa4096" and "ssh-rsa" or "ssh-ed25519") .. " (made when the run starts)"
  end
  local key_pair = ssh.generate_key { type = p.key, comment = ctx.mark }
  return key_pair, key_pair:public_line()
end

local function sockets(move, there)
  local here = "/run/drover/" .. move.run_id .. "/sockets"
  local list = {}
  if move.p.mode == "p2p" then
    list[#list + 1] = { here = here .. "/libvirt",
      there = script.read(move.destination, libvirt_socket).output:match("%S+") or "/run/libvirt/libvirt-sock" }
  end
  if move.p.channel == "ssh" then
    list[#list + 1] = { here = here .. "/memory", there = there .. "/memory" }
    if #storage.copied(move) > 0 then list[#list + 1] = { here = here .. "/disks", there = there .. "/disks" } end
  end
  return list
end

local function both(first, second)
  return async.parallel({ first, second }, function(body) return body() end)
end

local function make_directories(move)
  local ctx = move.ctx
  async.parallel({ "source", "destination" }, function(side)
    if side == "source" or move.p.channel == "ssh" then
      ctx:lease("run-directory", { host = move[side].name, run = ctx.run_id,
        qemu_user = qemu_user(move.capabilities[side]) })
    end
  end)
end

-- By the clock of the sshd that looks at it: one that is hours ahead would see an expired key.
local function now_there_s(destination)
  return (async.wall_ms() + (destination:facts().clock_skew_ms or 0)) // 1000
end

-- The run's key at both ends, and the run's folders: each thing in its own time, as far as one does not need the other.
local function grant_key(move, user, port, known_hosts)
  local ctx, source, destination = move.ctx, move.source, move.destination
  local key_pair, public_line, foreseen
  both(function()
    make_directories(move)
  end, function()
    key_pair, public_line = make_key(move)
    if not ctx.planning then foreseen = ssh.foresee_authorize(destination.machine, { user = user }) end
  end)
  both(function()
    ctx:lease("private-key", { host = source.name, run = ctx.run_id, known_hosts = known_hosts }, key_pair)
  end, function()
    ctx:lease("authorized-key", { host = destination.name, user = user, key = public_line, from = move.from_address,
      command = "/bin/false", port_forwarding = true, mark = ctx.mark, foreseen = foreseen,
      expires_at_s = now_there_s(destination) + limit_s(move),
      proof = { host = source.name, run = ctx.run_id, address = move.to_address, port = port } })
  end)
end

local spare_clock_s = 5  -- two looks at a clock, and a step of it

local ssh_purposes = { ssh = "ssh: libvirt's control, memory and disks", tunnel = "ssh: libvirt's control and memory" }

local function open_ssh(move)
  local ctx, source, destination = move.ctx, move.source, move.destination
  local run = ctx.run_id
  local user = destination:facts().user or "root"
  local port, known_hosts = ssh_server_of(move)
  local existing = move.p.key == "existing"
  if existing then make_directories(move) else grant_key(move, user, port, known_hosts) end
  ctx:connection { from = source.name, to = destination.name, port = port, encrypted = true,
    purpose = ssh_purposes[move.p.channel] or "ssh: libvirt's control" }
  ctx:lease("tunnel", { host = source.name, destination = destination.name, run = run,
    address = move.to_address, port = port, user = user, from = move.from_address,
    since_s = now_there_s(destination) - spare_clock_s,
    existing = existing or nil, limit_s = limit_s(move), sockets = sockets(move, "/run/drover/" .. run .. "/sockets") })
end

local first_port, last_port = 49152, 49215  -- libvirt's migration range

local function listening_ports(one)
  local taken = {}
  for port in script.read(one, [[ss -Hltn]]).output:gmatch("%S+:(%d+)%s+%S+:%*") do taken[tonumber(port)] = true end
  return taken
end

--- What a move's ports are taken from, for a named one just that: the first, the last, and how many it takes.
function channel.port_range(move)
  local count = #storage.copied(move) > 0 and 2 or 1
  if move.p.port then return move.p.port, move.p.port + count - 1, count end
  return first_port, last_port, count
end

-- Ports that nobody listens on and that no rule sends elsewhere, one after the other: the opening is one range, and
-- must not hold anybody else's port.
-- The search begins anywhere in the range: libvirt 9.0 keeps some ports of past moves reserved, and two runs that
-- begin together should not want the same.
local function choose_ports(move, count)
  local taken = listening_ports(move.destination)
  for port in pairs(move.refused_ports or {}) do taken[port] = true end
  local sent_elsewhere = translated.of(move)
  local function free(first)
    for port = first, first + count - 1 do
      if taken[port] or not move.p.port and sent_elsewhere(port) then return false end
    end
    return true
  end
  if move.p.port then
    if free(move.p.port) then return move.p.port end
    errors.raise { code = "PORT_BUSY", host = move.destination.name, where = false,
      message = ("port %d is taken"):format(taken[move.p.port] and move.p.port or move.p.port + 1),
      hint = "leave --port out, and drover finds a free one" }
  end
  local places = last_port - first_port - count + 2
  local offset = math.random(0, places - 1)
  for step = 0, places - 1 do
    local first = first_port + (offset + step) % places
    if free(first) then return first end
  end
  errors.raise { code = "PORT_BUSY", host = move.destination.name, where = false,
    message = ("no %d free port(s) in a row between %d and %d"):format(count, first_port, last_port),
    hint = "free means that nobody listens on it, and that no rule of the firewall sends it elsewhere" }
end

-- A closed port that a packet reaches says so at once; one behind a firewall stays silent or is forbidden.
local reach = [[
command -v timeout >/dev/null && command -v bash >/dev/null || exit 9
out=$(timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>&1) && exit 0
case "$out" in *refused*) exit 0;; esac
echo "$out" | tail -n 1 >&2; exit 1]]

local function prove_reach(move, port)
  local result = script.read(move.source, reach, { move.to_address, port }, { check = false })
  if result.exit_code == 0 then return end
  if result.exit_code == 9 then
    move.ctx:warn("whether the port is reached was not tried: " .. move.source.name .. " has no bash")
    return
  end
  errors.raise { code = "PORT_UNREACHABLE", host = move.source.name, where = false,
    message = ("%s does not reach port %d of %s: %s"):format(move.source.name, port, move.to_address,
      (result.errors:match("([^\n:]+)%s*$") or "no answer"):gsub("%s+$", "")),
    hint = "a firewall between the hosts is in the way; --channel ssh needs only port 22" }
end

-- QEMU compares the destination's certificate with what it connects to, an address. One that has only names is to be
-- compared with the first of these that it has: as drover was told the host, as libvirt and the host itself call it.
-- Says nothing when the address is in it, and when nobody can tell.
local certificate_name = [[
address=$1
shift
command -v openssl >/dev/null || exit 0
for folder in /etc/pki/libvirt-migrate /etc/pki/qemu; do
  certificate=$folder/server-cert.pem
  [ -r "$certificate" ] || continue
  has() { openssl x509 -in "$certificate" -noout "$1" "$2" 2>/dev/null | grep -q 'does match'; }
  has -checkip "$address" && exit 0
  for name in "$@" "$(hostname -f 2>/dev/null)" "$(hostname)"; do
    [ -n "$name" ] && has -checkhost "$name" && { echo "$name"; exit 0; }
  done
  exit 0
done
exit 0]]

local function name_for_tls(move)
  local one = move.destination
  local told = one.name:gsub("^[^@]*@", ""):gsub(":%d+$", "")
  local entry = one.entry and one.entry.address or ""
  local words = { move.to_address, told, entry, one.virt:hostname() }
  return script.read(one, certificate_name, words).output:match("%S+")
end

local function open_ports(move)
  local ctx = move.ctx
  local copies = #storage.copied(move) > 0
  local first = choose_ports(move, copies and 2 or 1)
  local ports = { first, copies and first + 1 or nil }
  move.memory_port, move.disks_port = ports[1], ports[2]
  ctx:lease("firewall-opening", { host = move.destination.name, from = move.from_address, protocol = "tcp",
    ports = { first = ports[1], last = ports[#ports] }, timeout_s = limit_s(move), mark = ctx.mark })
  local encrypted = move.p.channel == "tls"
  move.tls_name = encrypted and name_for_tls(move) or nil
  ctx:connection { from = move.source.name, to = move.destination.name, port = ports[1], encrypted = encrypted,
    purpose = "memory" }
  if copies then
    ctx:connection { from = move.source.name, to = move.destination.name, port = ports[2], encrypted = encrypted,
      purpose = "disks" }
  end
  if ctx.planning then return end
  for _, port in ipairs(ports) do prove_reach(move, port) end
end

--- The port of the destination's ssh server.
function channel.ssh_port(move) return (ssh_server_of(move)) end

--- Why the move would find no ports, for the checks: message and hint; nil when there are such.
function channel.port_problem(move)
  local _, _, count = channel.port_range(move)
  local _, problem = errors.catch("PORT_BUSY", choose_ports, move, count)
  if problem then return problem.message, problem.hint end
end

-- What sshd would do with the source's connection, with its Match blocks, and the groups of the user.
local ssh_rules = [[
PATH=$PATH:/usr/sbin:/sbin
sshd -T -C "user=$1,host=$2,addr=$2,laddr=$3,lport=$4" 2>/dev/null
echo "groups $(id -Gn -- "$1" 2>/dev/null)"]]

-- Whether a word of AllowUsers and its like means the user: "root", "ro*", "root@10.0.0.*". A network after the @ is
-- taken to hold the address: sshd itself says so if it does not.
local function means(word, user, address)
  local function like(pattern, text)
    return text:find("^" .. pattern:gsub("[^%w*?]", "%%%0"):gsub("%*", ".*"):gsub("%?", ".") .. "$") ~= nil
  end
  local name, place = word:match("^(.-)@(.*)$")
  return like(name or word, user) and (not place or place:find("/", 1, true) ~= nil or like(place, address))
end

--- What in the destination's sshd would end the run in its middle: the words of its configuration, as
-- "AllowStreamLocalForwarding no"; nil when nothing does, or when sshd does not say.
function channel.ssh_refusal(move)
  local user = move.destination:facts().user or "root"
  local text = script.read(move.destination, ssh_rules, { user, move.from_address, move.to_address,
    channel.ssh_port(move) }, { check = false }).output
  local rules, groups = {}, {}
  for name, value in text:gmatch("(%l+) ([^\n]*)") do
    rules[name] = rules[name] and rules[name] .. " " .. value or value
  end
  for group in (rules.groups or ""):gmatch("%S+") do groups[#groups + 1] = group end
  local function names(rule, whom)
    for word in (rules[rule] or ""):gmatch("%S+") do
      for _, one in ipairs(whom) do
        if means(word, one, move.from_address) then return true end
      end
    end
    return false
  end
  local forwarding = rules.allowstreamlocalforwarding
  if rules.disableforwarding == "yes" then return "DisableForwarding yes" end
  if forwarding == "no" or forwarding == "remote" then return "AllowStreamLocalForwarding " .. forwarding end
  if rules.pubkeyauthentication == "no" then return "PubkeyAuthentication no" end
  local root_rule = user == "root" and rules.permitrootlogin
  if root_rule == "no" or root_rule == "forced-commands-only" and move.p.key == "existing" then
    return "PermitRootLogin " .. root_rule
  end
  if names("denyusers", { user }) then return "DenyUsers " .. rules.denyusers end
  if rules.allowusers and not names("allowusers", { user }) then return "AllowUsers " .. rules.allowusers end
  if names("denygroups", groups) then return "DenyGroups " .. rules.denygroups end
  if rules.allowgroups and not names("allowgroups", groups) then return "AllowGroups " .. rules.allowgroups end
end

--- Whether the move needs an ssh connection from the source to the destination.
channel.needs_ssh = needs_ssh

--- Opens the channel that the parameters ask for.
function channel.open(move)
  if needs_ssh(move) then open_ssh(move) end
  if move.p.channel == "direct" or move.p.channel == "tls" then open_ports(move) end
end

--- After libvirt refused a port that nobody listens on: other ones, with an opening of their own. False when the person
-- named the port, or when the channel has none.
function channel.reopen_ports(move)
  if move.p.port or not move.memory_port then return false end
  move.refused_ports = move.refused_ports or {}
  move.refused_ports[move.memory_port] = true
  move.refused_ports[move.disks_port or move.memory_port] = true
  open_ports(move)
  return true
end

local function bracketed(address) return address:find(":") and "[" .. address .. "]" or address end

--- The URI by which the source's daemon reaches the destination's, in peer-to-peer mode: through the run's own tunnel.
function channel.peer_uri(move)
  return ("qemu+unix:///system?socket=/run/drover/%s/sockets/libvirt"):format(move.run_id)
end

--- The migration URIs: memory, and disks where they are copied over a socket; and the disks' port.
function channel.uris(move)
  local there = "unix:///run/drover/" .. move.run_id .. "/sockets"
  if move.p.channel == "ssh" then
    return { uri = there .. "/memory", disks_uri = #storage.copied(move) > 0 and there .. "/disks" or nil }
  elseif move.p.channel == "tunnel" then
    return {}
  end
  return { uri = ("tcp://%s:%d"):format(bracketed(move.to_address), move.memory_port), disks_port = move.disks_port }
end

return channel
