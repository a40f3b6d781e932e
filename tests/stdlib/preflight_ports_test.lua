-- Shows that ports and ssh are tried before anything changes: what would end a run in its middle is told by the check.
local test = require "test"
local world = test.load(..., "preflight_fakes")
local a_move, check = world.a_move, world.check

-- ---- ports ----

-- The check of the port on a destination where these ports are listened on.
local function port(p, busy, copied)
  p.channel = "direct"
  local move = a_move(p, { disks = copied and { { target = "vda", action = "copy" } } or {} })
  local lines = {}
  for _, one in ipairs(busy) do lines[#lines + 1] = ("LISTEN 0 128 0.0.0.0:%d 0.0.0.0:*\n"):format(one) end
  move.destination.answers["ss -Hltn"] = { output = table.concat(lines) }
  move.destination.firewall = { can_expire = function() return true end, ruleset = function() return "" end }
  return check("ports", "the port", move)
end

test.case("A35: a named port that is taken; with copied disks the next one counts too", function()
  test.equal(port({ port = 5000 }, { 5000 }), { "kvm2: port 5000 is taken" })
  test.equal(port({ port = 5000 }, { 5001 }), {})
  test.equal(port({ port = 5000 }, { 5001 }, true), { "kvm2: port 5001 is taken" })
end)

test.case("A35: without --port some of the range must be free, two in a row with copied disks", function()
  local all, every_second = {}, {}
  for number = 49152, 49215 do
    all[#all + 1] = number
    if number % 2 == 0 then every_second[#every_second + 1] = number end
  end
  test.equal(port({}, all), { "kvm2: no 1 free port(s) in a row between 49152 and 49215" })
  test.equal(port({}, every_second), {})
  test.equal(port({}, every_second, true), { "kvm2: no 2 free port(s) in a row between 49152 and 49215" })
end)

test.case("A46: a rule there that sends the move's port elsewhere is told", function()
  local function warned(p, rules)
    local move = a_move(setmetatable({ channel = "direct" }, { __index = p }), { disks = {} })
    setmetatable(move.p, { __index = function(_, name) return p[name] or world.defaults[name] end })
    move.destination.firewall = { can_expire = function() return p.can_expire ~= false end,
      ruleset = function() return rules end }
    local _, warnings = check("ports", "the port", move)
    return warnings
  end
  local rule = "tcp dport 5000 dnat to 10.9.9.9"
  test.equal(warned({ port = 5000 }, rule), { "kvm2 sends what comes to port 5000 elsewhere: " .. rule })
  test.equal(warned({ port = 5001 }, rule), {})
  test.equal(warned({}, "tcp dport 49152-49214 dnat to 10.9.9.9"), {})  -- the run takes another one
  test.equal(#warned({}, "tcp dport 49152-49215 dnat to 10.9.9.9"), 1)
  -- The second lock of an opening, for the day when drover's own machine never comes back, is not there.
  test.equal(warned({ can_expire = false }, ""),
    { "the opening on kvm2 does not expire by itself: iptables there has no match 'time'" })
end)

test.case("a firewall that drover does not know stops the run before it", function()
  local move = a_move { channel = "tls" }
  move.destination.firewall = { can_expire = function() errors.raise { code = "NO_BACKEND", message = "none" } end }
  test.raises("NO_BACKEND", check, "ports", "the port", move)
end)

-- ---- ssh ----

test.case("A33: programs that the source lacks are named", function()
  local move = a_move()
  move.source.answers["command -v"] = { output = "setsid\npgrep\n" }
  test.equal(check("ports", "programs for the ssh connection", move), { "kvm1: missing there: setsid pgrep " })
  test.equal(check("ports", "programs for the ssh connection", a_move { key = "none" }), {})
end)

test.case("A30: ssh that the source does not reach is told with what the network said", function()
  local function said(output)
    local move = a_move()
    move.source.answers["/dev/tcp"] = { output = output }
    move.destination.answers["hostkey"] = { output = "port 2222\nssh-ed25519 AAAA\n" }
    return check("ports", "ssh from source to destination", move)
  end
  test.equal(said "bash: connect: Connection refused\n",
    { "kvm1: kvm1 does not reach ssh on 10.0.0.2 port 2222: Connection refused" })
  test.equal(said "", { "kvm1: kvm1 does not reach ssh on 10.0.0.2 port 2222: no answer" })
  test.equal(said "SSH-", {})
end)

test.case("A30: the source's own key is tried as the move will use it", function()
  local move = a_move { key = "existing" }
  move.destination.facts_of.user = "root"
  move.source.answers["BatchMode=yes"] = { exit_code = 255, errors = "root@10.0.0.2: Permission denied (publickey).\n" }
  move.destination.answers["sshd -T"] = { output = "port 22\nssh-ed25519 AAAA\n" }
  test.equal(check("ports", "the source's own key", move),
    { "kvm1: its own key does not log in as root at 10.0.0.2: root@10.0.0.2: Permission denied (publickey)." })
  test.equal(check("ports", "the source's own key", a_move()), {})
end)

test.case("certificates that channel tls needs are looked for on both hosts", function()
  local move = a_move { channel = "tls" }
  move.source.answers["ca-cert.pem"] = { output = "/etc/pki/qemu\n" }
  test.equal(check("ports", "certificates for tls", move),
    { "kvm2: no certificates for encrypted migration in /etc/pki/qemu" })
  test.equal(check("ports", "certificates for tls", a_move()), {})
end)

local permissive = "disableforwarding no\nallowstreamlocalforwarding yes\npubkeyauthentication yes\n"
  .. "permitrootlogin without-password\n"

for _, row in ipairs {
  -- what the destination's sshd says, what the check makes of it, other parameters
  { permissive },
  { "" },  -- sshd that does not say
  { "allowstreamlocalforwarding all\n" },
  { "allowstreamlocalforwarding local\n" },
  { "allowstreamlocalforwarding no\n", "AllowStreamLocalForwarding no" },
  { "allowstreamlocalforwarding remote\n", "AllowStreamLocalForwarding remote" },
  { "allowstreamlocalforwarding yes\ndisableforwarding yes\n", "DisableForwarding yes" },
  { "pubkeyauthentication no\n", "PubkeyAuthentication no" },
  { "permitrootlogin no\n", "PermitRootLogin no" },
  { "permitrootlogin forced-commands-only\n" },  -- the run's key has a forced command
  { "permitrootlogin forced-commands-only\n", "PermitRootLogin forced-commands-only", { key = "existing" } },
  { "allowusers deploy\nallowusers admin\n", "AllowUsers deploy admin" },
  { "allowusers deploy\nallowusers ro?t\n" },
  { "allowusers root@10.0.0.*\n" },
  { "allowusers root@10.0.9.*\n", "AllowUsers root@10.0.9.*" },
  { "allowusers root@10.0.0.0/24\n" },
  { "denyusers root\n", "DenyUsers root" },
  { "denyusers guest\n" },
  { "allowgroups wheel\ngroups root adm\n", "AllowGroups wheel" },
  { "allowgroups wheel\ngroups root wheel\n" },
  { "denygroups adm\ngroups root adm\n", "DenyGroups adm" },
  { "allowstreamlocalforwarding no\n", nil, { key = "none", mode = "managed", channel = "direct" } },
  { "allowstreamlocalforwarding no\n", nil, { mode = "managed", channel = "tls" } },
  { "allowstreamlocalforwarding no\n", "AllowStreamLocalForwarding no", { channel = "direct" } },
} do
  test.case(("sshd there says %q: %s"):format(row[1]:gsub("\n", "; "), row[2] or "well"), function()
    local move = a_move(row[3])
    local asked
    move.destination.facts_of.user = "root"
    move.destination.answers["hostkey"] = { output = "port 22\nssh-ed25519 AAAA\n" }
    move.destination.answers["sshd -T -C"] = function(request)
      asked = table.concat(request, " ", 5)
      return row[1]
    end
    local lines, _, faults = check("ports", "what sshd allows", move)
    if not row[2] then test.equal(lines, {}) return end
    test.equal(lines, { "kvm2: sshd refuses the source its connection or the tunnel in it: " .. row[2] })
    test.equal(asked, "root 10.0.0.1 10.0.0.2 22")  -- so that its Match blocks count
    test.matches(faults[1].hint, "sshd_config %(Match Address 10%.0%.0%.1%)")
  end)
end
