-- What every backend must do, with real packets. Run by ../firewall_test.lua inside namespaces of its own, once for
-- each backend (DROVER_TEST_BACKEND). A port without a listener answers "refused" when the firewall lets us through.
local test = require "test"
local native = require "native.firewall"

local machine = require("native.host").local_machine()
local backend = os.getenv "DROVER_TEST_BACKEND"
local folder = (...):match "^(.*)/"

machine:exec { "bash", folder .. "/setup.sh", backend }

local firewall = native.open(machine)
local mark = "drover run=t1 lease=1"

-- Whether a connection from that address of the peer gets through to the port.
local function reaches(from, address, port)
  local code = ("import socket,sys\ns=socket.create_connection(('%s',%d),0.25,('%s',0))"):format(address, port, from)
  local result = machine:query { "ip", "netns", "exec", "peer", "/usr/bin/python3", "-c", code, check = false }
  if result.errors:find "refused" then return true end
  if result.errors:find "timed out" or result.errors:find "No route" or result.errors:find "Permission denied"
    or result.errors:find "unreachable" then return false end
  error("unexpected: " .. result.errors .. result.output)
end

local function opening(changes)
  local description = { from = "10.5.0.2", ports = { 49152, 49160 }, timeout_s = 60, mark = mark }
  for name, value in pairs(changes or {}) do description[name] = value end
  return description
end

-- A call of firewalld by somebody else. firewall-cmd would do the same in ten times the time.
local function firewalld_call(interface, method, ...)
  machine:exec { "busctl", "--system", "call", "org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1",
    "org.fedoraproject.FirewallD1" .. interface, method, ... }
end

-- Runs body; afterwards the ruleset must be, byte for byte, what it was.
local function leaves_no_trace(body)
  local before = firewall:ruleset()
  local ok, problem = pcall(body)
  local removed = firewall:remove_marked(mark)
  if not ok then error(problem, 0) end
  test.equal(#removed, 0, "rules left")
  test.equal(firewall:ruleset(), before, "ruleset")
end

local filters = backend ~= "none"

test.case("the backend is found out, with evidence", function()
  test.equal(firewall:backend(), backend)
  test.matches(tostring(firewall), "^firewall.Firewall " .. backend .. " on localhost$")
  test.is_true(#firewall:evidence().why > 10, "why")
  test.is_true(#firewall:ruleset() > 0, "ruleset")
end)

test.case("looking changes nothing", function()
  leaves_no_trace(function()
    native.open(machine)
    test.equal(firewall:probe(opening()), "absent")
    test.equal(firewall:list_marked(mark), {})
    test.equal(firewall:list(), {})
    test.equal(#firewall:describe(opening()) > 0, filters)
  end)
end)

test.case("an opening lets one source reach its ports, and nobody else, until it is revoked", function()
  leaves_no_trace(function()
    test.equal(reaches("10.5.0.2", "10.5.0.1", 49155), not filters)
    local applied = firewall:allow(opening())
    test.equal(applied.backend, backend)
    test.equal(applied.already, not filters)
    test.is_true(reaches("10.5.0.2", "10.5.0.1", 49152), "first port")
    test.is_true(reaches("10.5.0.2", "10.5.0.1", 49160), "last port")
    test.equal(reaches("10.5.0.2", "10.5.0.1", 49161), not filters)
    test.equal(reaches("10.5.0.3", "10.5.0.1", 49155), not filters)
    test.equal(firewall:probe(applied), filters and "ours" or "absent")
    test.equal(firewall:revoke(applied).removed, filters)
    test.equal(reaches("10.5.0.2", "10.5.0.1", 49155), not filters)
    test.equal(firewall:revoke(applied), { removed = false, permanent_removed = false })
    test.equal(firewall:probe(applied), "absent")
  end)
end)

test.case("what was asked for is enough to find and remove it, as after a crash", function()
  leaves_no_trace(function()
    firewall:allow(opening())
    test.equal(firewall:probe(opening { mark = "drover run=t1 lease=2" }), "absent")
    test.equal(firewall:revoke(opening { mark = "drover run=t1 lease=2" }).removed, false)
    test.equal(firewall:probe(opening()), filters and "ours" or "absent")
    test.equal(firewall:revoke(opening()).removed, filters)
  end)
end)

if not filters then return end

test.case("an opening made twice is one opening with the whole time before it", function()
  leaves_no_trace(function()
    firewall:allow(opening { timeout_s = 1 })
    local once = firewall:list_marked(mark)
    test.equal(firewall:allow(opening { timeout_s = 60 }).already, false)
    test.equal(#firewall:list_marked(mark), #once)
    async.sleep(1300)
    test.is_true(reaches("10.5.0.2", "10.5.0.1", 49155), "still open")
    test.equal(firewall:revoke(opening()).removed, true)
  end)
end)

test.case("an opening with a time closes by itself, and says so", function()
  leaves_no_trace(function()
    test.equal(firewall:can_expire(), true)
    local applied = firewall:allow(opening { timeout_s = 1 })
    test.equal(applied.expires, true)
    test.is_true(applied.expires_at_s ~= nil, "when")
    test.is_true(reaches("10.5.0.2", "10.5.0.1", 49155), "open")
    async.sleep(1000)
    -- firewalld's timers and the clock of iptables count whole seconds, so it may be one late.
    local closed = async.poll(2500, 100, function() return not reaches("10.5.0.2", "10.5.0.1", 49155) end)
    test.equal(closed, true)
    firewall:revoke(applied)
  end)
end)

test.case("a rule whose time is over is found and removed by what was asked for", function()
  leaves_no_trace(function()
    firewall:allow(opening { timeout_s = 1 })
    firewall:allow(opening { ports = { 700, 700 }, timeout_s = 60 })
    async.sleep(2200)
    firewall:revoke(opening())
    test.equal(firewall:probe(opening()), "absent")
    test.is_true(reaches("10.5.0.2", "10.5.0.1", 700), "the other one")
    firewall:revoke(opening { ports = { 700, 700 } })
  end)
end)

test.case("one of two openings of a mark can be revoked alone", function()
  leaves_no_trace(function()
    firewall:allow(opening())
    firewall:allow(opening { from = "10.5.0.0/24", ports = { 700, 700 } })
    test.equal(firewall:revoke(opening()).removed, true)
    test.equal(reaches("10.5.0.2", "10.5.0.1", 49155), false)
    test.equal(reaches("10.5.0.2", "10.5.0.1", 700), true)
    test.is_true(#firewall:list() >= 1, "list")
    test.is_true(#firewall:remove_marked(mark) >= 1, "removed")
    test.equal(reaches("10.5.0.2", "10.5.0.1", 700), false)
  end)
end)

test.case("IPv6 sources are opened too", function()
  leaves_no_trace(function()
    local description = opening { from = "fd05::2" }
    test.equal(reaches("fd05::2", "fd05::1", 49155), false)
    firewall:allow(description)
    test.equal(reaches("fd05::2", "fd05::1", 49155), true)
    test.equal(firewall:revoke(description).removed, true)
    test.equal(reaches("fd05::2", "fd05::1", 49155), false)
  end)
end)

test.case("a service is opened by its name, for everybody or for a source", function()
  leaves_no_trace(function()
    local description = { kind = "service", service = "http", mark = mark }
    test.equal(reaches("10.5.0.2", "10.5.0.1", 80), false)
    local applied = firewall:allow_service(description)
    test.equal(reaches("10.5.0.2", "10.5.0.1", 80), true)
    test.equal(reaches("fd05::2", "fd05::1", 80), true)
    test.equal(firewall:probe(applied), "ours")
    test.equal(firewall:revoke(description).removed, true)
    test.equal(reaches("10.5.0.2", "10.5.0.1", 80), false)
    test.raises("NO_SERVICE", firewall.allow_service, firewall, { service = "no-such-service", mark = mark })
  end)
end)

test.case("a forwarded port reaches the host behind, once, until it is revoked", function()
  leaves_no_trace(function()
    local description = { kind = "forward", port = 8080, to = "10.6.0.2", to_port = 80, timeout_s = 60, mark = mark }
    test.equal(reaches("10.5.0.2", "10.5.0.1", 8080), false)
    firewall:forward_port(description)
    firewall:forward_port(description)
    test.equal(reaches("10.5.0.2", "10.5.0.1", 8080), true)
    test.equal(firewall:probe(description), "ours")
    firewall:forward_port { port = 8081, to = "10.6.0.2", to_port = 80, mark = mark }
    test.equal(firewall:revoke(description).removed, true)
    test.equal(reaches("10.5.0.2", "10.5.0.1", 8080), false)
    test.equal(reaches("10.5.0.2", "10.5.0.1", 8081), true)
    test.is_true(#firewall:remove_marked(mark) > 0, "the other")
    test.equal(firewall:revoke(description).removed, false)
  end)
end)

test.case("masquerading is made once and removed", function()
  leaves_no_trace(function()
    local description = { kind = "masquerade", from = "10.6.0.0/24", interface = "eth0", mark = mark }
    firewall:masquerade(description)
    local applied = firewall:masquerade(description)
    test.equal(#firewall:list_marked(mark), 1)
    test.equal(firewall:probe(applied), "ours")
    test.equal(firewall:revoke(applied).removed, true)
  end)
end)

test.case("the plan says what would be written, and changes nothing", function()
  leaves_no_trace(function()
    local text = table.concat(firewall:describe(opening()), "\n")
    test.matches(text, "10%.5%.0%.2")
    test.matches(text, "49152.49160")
  end)
end)

if backend ~= "firewalld" then
  test.case("what only firewalld has is refused or empty", function()
    test.raises("UNSUPPORTED", firewall.allow, firewall,
      { from = "10.5.0.2", port = 700, mark = mark, permanent = true })
    test.raises("UNSUPPORTED", firewall.reload, firewall)
    test.equal(firewall:zones(), {})
    test.is_nil(firewall:zone_of { from = "10.5.0.2" })
  end)
end

if backend == "iptables" then
  test.case("one that was made without a time gets one, and the other way round", function()
    leaves_no_trace(function()
      for _, timeout_s in ipairs { false, 60, 70, false } do
        local description = opening()
        description.timeout_s = timeout_s or nil
        test.equal(firewall:allow(description).expires, timeout_s ~= false)
        local rules = firewall:list_marked(mark)
        test.equal(#rules, 1)
        test.equal(rules[1].rule:find("--datestop", 1, true) ~= nil, timeout_s ~= false)
      end
      test.equal(firewall:revoke(opening()).removed, true)
    end)
  end)

  test.case("the same rule of somebody else is present and stays", function()
    local theirs = { "-s", "10.5.0.2/32", "-p", "tcp", "-m", "tcp", "--dport", "49152:49160", "-j", "ACCEPT" }
    machine:exec { "iptables", "-w", "-A", "INPUT", table.unpack(theirs) }
    leaves_no_trace(function()
      test.equal(firewall:probe(opening()), "present")
      test.equal(firewall:revoke(opening()).removed, false)
      firewall:allow(opening())
      test.equal(firewall:revoke(opening()).removed, true)
      test.equal(firewall:probe(opening()), "present")
    end)
    machine:exec { "iptables", "-w", "-D", "INPUT", table.unpack(theirs) }
  end)
end

if backend == "nftables" then
  test.case("an accept is put into every chain that would drop the packet later", function()
    local commands = table.concat(firewall:describe(opening()), "\n")
    test.matches(commands, "insert rule inet filter input ")
    test.matches(commands, "insert rule inet late input ")
  end)
end

if backend == "firewalld" then
  test.case("the zone is that of the source, else that of the interface, else the default one", function()
    test.equal(firewall:zone_of { from = "10.5.0.3" }, "dmz")
    test.equal(firewall:zone_of { from = "10.5.0.2" }, "public")
    test.equal(firewall:zone_of { interface = "eth1" }, "public")
    test.equal(firewall:allow(opening { from = "10.5.0.3" }).zone, "dmz")
    firewall:remove_marked(mark)
    test.raises("NO_ZONE", firewall.allow, firewall, opening { zone = "nowhere" })
    local names = {}
    for _, zone in ipairs(firewall:zones()) do names[zone.name] = zone end
    test.equal(names.dmz.sources, { "10.5.0.3" })
    test.equal(names.public, { name = "public", interfaces = { "eth0" }, sources = {}, is_default = true })
  end)

  test.case("the same rule of somebody else is present and stays", function()
    local rule = 'rule family="ipv4" source address="10.5.0.2" port port="49152-49160" protocol="tcp" accept'
    firewalld_call(".zone", "addRichRule", "ssi", "public", rule, "0")
    leaves_no_trace(function()
      test.equal(firewall:probe(opening()), "present")
      test.equal(firewall:allow(opening()).already, true)
      test.equal(firewall:probe(opening()), "ours")
      firewall:revoke(opening())
      test.equal(firewall:probe(opening()), "present")
    end)
    firewalld_call(".zone", "removeRichRule", "ss", "public", rule)
  end)

  test.case("a rule that somebody made permanent is removed there too", function()
    local applied = firewall:allow(opening())
    firewalld_call("", "runtimeToPermanent")
    test.equal(firewall:revoke(applied), { removed = true, permanent_removed = true })
    firewall:reload()
    test.equal(firewall:probe(opening()), "absent")
  end)

  test.case("a permanent rule outlives a reload and is revoked from both places", function()
    local description = { from = "10.5.0.2", port = 700, mark = mark, permanent = true }
    local applied = firewall:allow(description)
    test.equal({ applied.expires, applied.permanent }, { false, true })
    test.equal(firewall:reload(), { reloaded = true })
    test.equal(reaches("10.5.0.2", "10.5.0.1", 700), true)
    test.equal(firewall:revoke(applied), { removed = true, permanent_removed = true })
    firewall:reload()
    test.equal(reaches("10.5.0.2", "10.5.0.1", 700), false)
  end)

  test.case("after a reload a timed rule is gone, and can be put again", function()
    firewall:allow(opening())
    firewall:reload()
    test.equal(firewall:probe(opening()), "absent")
    firewall:allow(opening())
    test.equal(firewall:revoke(opening()).removed, true)
  end)
end
