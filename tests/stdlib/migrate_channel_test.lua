-- Shows which access each channel and each kind of key takes, and the addresses that come of it.
local test = require "test"
local channel = require "migrate.channel"
local lease = require "lease"
local xml = require "xml"

local capabilities = xml.parse [[<capabilities><host><secmodel><model>dac</model>
  <baselabel type='kvm'>+64055:+994</baselabel></secmodel></host></capabilities>]]

-- A host that answers scripts: busy = list of ports that somebody listens on; rules: of its firewall.
local function fake_host(name, busy, rules)
  return { name = name, facts = function() return { user = "root" } end,
    virt = { hostname = function() return name end }, firewall = { ruleset = function() return rules or "" end },
    query = function(_, request)
    local text = request[3]
    if text:find("checkip", 1, true) then
      local found = table.concat(request, " ", 6):find "kvm2" and "kvm2.example\n" or ""
      return { exit_code = 0, output = found, errors = "" }
    end
    if text:find("sshd -T", 1, true) then
      return { exit_code = 0, output = "port 22\nssh-ed25519 AAAAkey comment\n", errors = "" }
    elseif text:find("libvirt-sock", 1, true) then
      return { exit_code = 0, output = "/run/libvirt/libvirt-sock\n", errors = "" }
    elseif text:find("ss -Hltn", 1, true) then
      local lines = {}
      for _, port in ipairs(busy or {}) do lines[#lines + 1] = ("LISTEN 0 128 0.0.0.0:%d 0.0.0.0:*"):format(port) end
      return { exit_code = 0, output = table.concat(lines, "\n") .. "\n", errors = "" }
    end
    return { exit_code = 0, output = "", errors = "" }
  end }
end

local function open(p, busy, copied, rules, clock_skew_ms, name)
  local leases, connections = {}, {}
  local ctx = { run_id = "RUN", mark = "drover run=RUN", planning = true }
  function ctx.lease(_, kind, arguments)
    leases[#leases + 1] = { kind = kind, arguments = arguments }
    return {}
  end
  function ctx.connection(_, one) connections[#connections + 1] = one end
  function ctx.warn() end
  local move = { ctx = ctx, run_id = "RUN", source = fake_host "a", destination = fake_host(name or "b", busy, rules),
    disks = {}, from_address = "10.0.0.1", to_address = "10.0.0.2", capabilities = { source = capabilities,
      destination = capabilities },
    p = setmetatable(p, { __index = { channel = "ssh", mode = "p2p", key = "ed25519", timeout = 1800000,
      timeout_action = "abort" } }) }
  move.destination.facts = function() return { user = "root", clock_skew_ms = clock_skew_ms } end
  for index, target in ipairs(copied or {}) do move.disks[index] = { target = target, action = "copy" } end
  channel.open(move)
  local kinds, by_kind = {}, {}
  for _, one in ipairs(leases) do
    kinds[#kinds + 1] = one.kind .. "@" .. one.arguments.host
    by_kind[one.kind] = one.arguments
  end
  table.sort(kinds)
  return table.concat(kinds, " "), by_kind, connections, move
end

test.case("ssh, p2p: a key, and a tunnel for control and memory; port 22 only", function()
  local kinds, leases, connections = open {}
  test.equal(kinds, "authorized-key@b private-key@a run-directory@a run-directory@b tunnel@a")
  test.equal(#leases.tunnel.sockets, 2)
  test.equal(leases["authorized-key"].command, "/bin/false")
  test.equal(leases["authorized-key"].proof, { host = "a", run = "RUN", address = "10.0.0.2", port = 22 })
  test.equal({ #connections, connections[1].port, connections[1].encrypted }, { 1, 22, true })
  test.equal(leases["run-directory"].qemu_user, "64055:994")
end)

test.case("the plan says what travels through the ssh connection of each channel", function()
  local purposes = {}
  for index, name in ipairs { "ssh", "tunnel", "direct" } do
    local _, _, connections = open { channel = name, port = 49160 }
    purposes[index] = connections[1].purpose
  end
  test.equal(purposes, { "ssh: libvirt's control, memory and disks", "ssh: libvirt's control and memory",
    "ssh: libvirt's control" })
end)

test.case("A6: the tunnel of a move that may switch to post-copy outlives it, whatever the timeout does", function()
  for _, row in ipairs { { {}, 2400 }, { { timeout_action = "suspend" }, 1800 + 6 * 3600 },
    { { timeout_action = "post-copy" }, 1800 + 24 * 3600 }, { { policy = "post-copy" }, 1800 + 24 * 3600 },
    { { post_copy = true }, 1800 + 24 * 3600 } } do
    local _, leases = open(row[1])
    test.equal(leases.tunnel.limit_s, row[2])
  end
end)

test.case("ssh with copied disks has a socket for them", function()
  local _, leases, _, move = open({}, nil, { "vda" })
  test.equal(leases.tunnel.sockets[3].there, "/run/drover/RUN/sockets/disks")
  test.equal(channel.uris(move).disks_uri, "unix:///run/drover/RUN/sockets/disks")
end)

test.case("--key existing makes no key, and ssh runs with what the source's user has", function()
  local kinds, leases = open { key = "existing" }
  test.equal(kinds, "run-directory@a run-directory@b tunnel@a")
  local line = lease.describe(lease.find "tunnel", leases.tunnel)[1].lines[1]
  for _, absent in ipairs { "-F /dev/null", "-i ", "IdentitiesOnly", "IdentityAgent", "UserKnownHostsFile",
    "GlobalKnown" } do
    test.is_true(not line:find(absent, 1, true), absent)
  end
  for _, present in ipairs { "BatchMode=yes", "StrictHostKeyChecking=yes", "ExitOnForwardFailure=yes" } do
    test.is_true(line:find(present, 1, true), present)
  end
  local _, own = open {}
  line = lease.describe(lease.find "tunnel", own.tunnel)[1].lines[1]
  for _, present in ipairs { "-F /dev/null", "-i /run/drover/RUN/private/key", "IdentitiesOnly=yes",
    "StrictHostKeyChecking=yes",
    "UserKnownHostsFile=/run/drover/RUN/private/known_hosts" } do
    test.is_true(line:find(present, 1, true), present)
  end
end)

test.case("--key none makes no ssh connection from the source", function()
  local kinds = open { key = "none", mode = "managed", channel = "direct" }
  test.equal(kinds, "firewall-opening@b")
end)

test.case("direct, managed: one port; with disks two, next to each other; p2p needs ssh for control alone", function()
  local kinds, leases, connections, move = open { mode = "managed", channel = "direct" }
  test.equal(kinds, "firewall-opening@b")
  local opening = leases["firewall-opening"]
  test.equal({ opening.ports.first, opening.from, opening.timeout_s }, { opening.ports.last, "10.0.0.1", 2400 })
  test.equal({ connections[1].encrypted, channel.uris(move).uri },
    { false, "tcp://10.0.0.2:" .. opening.ports.first })
  local busy = {}
  for port = 49152, 49215 do  -- no two in a row but these
    if port ~= 49180 and port ~= 49181 and port % 2 == 0 then busy[#busy + 1] = port end
  end
  busy[#busy + 1] = 49179
  local _, with_disks = open({ channel = "direct" }, busy, { "vda" })
  test.equal(with_disks["firewall-opening"].ports, { first = 49180, last = 49181 })
  test.equal(#with_disks.tunnel.sockets, 1)
end)

test.case("a port that was asked for and is taken is an error; so is a full range", function()
  test.raises("PORT_BUSY", open, { mode = "managed", channel = "direct", port = 5000 }, { 5000 })
  test.raises("PORT_BUSY", open, { mode = "managed", channel = "direct", port = 5000 }, { 5001 }, { "vda" })
  local all = {}
  for port = 49152, 49215 do all[#all + 1] = port end
  test.raises("PORT_BUSY", open, { mode = "managed", channel = "direct" }, all)
end)

test.case("a port that a rule of the destination sends elsewhere is not chosen", function()
  local rules = "tcp dport 49152-49179 dnat to 10.9.9.9\ntcp dport 49182-49215 redirect to :80\n"
  local _, leases = open({ mode = "managed", channel = "direct" }, {}, { "vda" }, rules)
  test.equal(leases["firewall-opening"].ports, { first = 49180, last = 49181 })
  test.raises("PORT_BUSY", open, { mode = "managed", channel = "direct" }, {}, {}, "redirect to :80\n")
  -- One that was named is taken: a rule that is read may not apply.
  _, leases = open({ mode = "managed", channel = "direct", port = 49152 }, {}, {}, rules)
  test.equal(leases["firewall-opening"].ports.first, 49152)
end)

test.case("tls: a certificate that has only a name is compared with that name", function()
  local _, _, _, move = open { mode = "managed", channel = "tls" }
  test.is_nil(move.tls_name)
  _, _, _, move = open({ mode = "managed", channel = "tls" }, nil, nil, nil, nil, "root@kvm2:2222")
  test.equal(move.tls_name, "kvm2.example")
  _, _, _, move = open({ mode = "managed", channel = "direct" }, nil, nil, nil, nil, "root@kvm2:2222")
  test.is_nil(move.tls_name)
end)

test.case("tls is encrypted; IPv6 is bracketed", function()
  local _, _, connections, move = open { mode = "managed", channel = "tls" }
  test.equal(connections[1].encrypted, true)
  move.to_address = "2001:db8::2"
  test.matches(channel.uris(move).uri, "^tcp://%[2001:db8::2%]:49%d%d%d$")
end)

test.case("what the run granted outlives a move that may go on after its timeout", function()
  local _, abort = open {}
  local _, post_copy = open { timeout_action = "post-copy" }
  test.equal(abort.tunnel.limit_s, 2400)
  test.is_true(post_copy.tunnel.limit_s >= 24 * 3600, "post-copy")
  local expires_s = abort["authorized-key"].expires_at_s - async.wall_ms() // 1000
  test.is_true(expires_s > 2390 and expires_s <= 2400, "expires in " .. expires_s)
  -- sshd there looks at its own clock.
  local _, ahead = open({}, nil, nil, nil, 7200000)
  expires_s = ahead["authorized-key"].expires_at_s - async.wall_ms() // 1000 - 7200
  test.is_true(expires_s > 2390 and expires_s <= 2400, "expires in " .. expires_s)
end)

test.case("an address that ssh or a file of keys would read as something else is refused at once", function()
  for _, address in ipairs { "-oProxyCommand=x", "a b", "a\nb ssh-rsa AAAA", "$(x)", "a/b", "a;b" } do
    test.raises("BAD_PARAMETER", migrate.open, {}, { migrate_address = address, listen_address = "" })
    test.raises("BAD_PARAMETER", migrate.open, {}, { migrate_address = "", listen_address = address })
  end
  local _, leases = open { channel = "ssh" }
  test.matches(lease.describe(lease.find "tunnel", leases.tunnel)[1].lines[1], " %-%- 10%.0%.0%.2$")
end)
