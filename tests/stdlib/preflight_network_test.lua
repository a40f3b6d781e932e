-- Shows that each bridge, network and host device of the guest is looked for at the destination before a change.
local test = require "test"
local world = test.load(..., "preflight_fakes")
local a_move, check = world.a_move, world.check

local bridged = [[<domain><devices><interface type='bridge'><source bridge='br0'/></interface>
  <interface type='network'><source network='lan'/></interface></devices></domain>]]

test.case("bridges: missing, too small, and renamed", function()
  local move = a_move({}, { xml = bridged })
  move.source.answers["/sys/class/net"] = { output = "br0 9000\n" }
  move.destination.answers["/sys/class/net"] = { output = "br0 none\n" }
  local lines, _, faults = check("network", "bridges", move)
  test.equal(lines, { "kvm2: there is no bridge 'br0'" })
  test.matches(faults[1].hint, "%-%-network br0=OTHER")
  move = a_move({}, { xml = bridged })
  move.source.answers["/sys/class/net"] = { output = "br0 9000\n" }
  move.destination.answers["/sys/class/net"] = { output = "br0 1500\n" }
  test.equal(check("network", "bridges", move), { "kvm2: bridge br0 has an MTU of 1500, and 9000 on the source" })
  test.equal(check("network", "--network", a_move({ network = { br9 = "br1" } }, { xml = bridged })),
    { "kvm1: it has no interface on 'br9'" })
end)

test.case("networks: missing and not active", function()
  local function with(network)
    local move = a_move({}, { xml = bridged })
    move.destination.virt = { find_network = function() return network end }
    move.source.virt = { find_network = function() return { bridge_name = function() return "virbr0" end } end }
    return move
  end
  test.equal(check("network", "networks", with(nil)), { "kvm2: there is no network 'lan'" })
  test.equal(check("network", "networks", with { is_active = function() return false end }),
    { "kvm2: the network 'lan' is not active" })
  test.equal(check("network", "networks", with { is_active = function() return true end,
    bridge_name = function() end }), {})
  local move = with { is_active = function() return true end, bridge_name = function() return "virbr7" end }
  move.source.answers["/sys/class/net"] = { output = "virbr0 9000\n" }
  move.destination.answers["/sys/class/net"] = { output = "virbr7 1500\n" }
  test.equal(check("network", "networks", move),
    { "kvm2: the network 'lan' (bridge virbr7) has an MTU of 1500, and 9000 on the source" })
end)

test.case("A38: the host device of a macvtap interface: missing, and too small", function()
  local function with(here, there)
    local move = a_move({}, { xml = "<domain><devices><interface type='direct'><source dev='eno1' mode='bridge'/>"
      .. "</interface></devices></domain>" })
    move.source.answers["/sys/class/net"] = { output = here }
    move.destination.answers["/sys/class/net"] = { output = there }
    return check("network", "host devices under interfaces", move)
  end
  test.equal(with("eno1 1500\n", "eno1 none\n"),
    { "kvm2: there is no network device 'eno1', and an interface of the guest sits on it" })
  test.equal(with("eno1 9000\n", "eno1 1500\n"), { "kvm2: device eno1 has an MTU of 1500, and 9000 on the source" })
  test.equal(with("eno1 1500\n", "eno1 1500\n"), {})
end)

test.case("MAC addresses are compared with all guests there, many at once", function()
  local function with_mac(address)
    return ("<domain><devices><interface><mac address='%s'/></interface></devices></domain>"):format(address)
  end
  local move = a_move({}, { xml = with_mac "52:54:00:00:00:01" })
  local guests = {}
  for index = 1, 100 do
    guests[index] = { uuid = function() return "other " .. index end, name = function() return "guest" .. index end,
      xml = function()
        async.sleep(10)
        if index == 50 then errors.raise { domain = "virt", code = "NO_DOMAIN", message = "it stopped" } end
        return with_mac(index == 99 and "52:54:00:00:00:01" or "52:54:00:00:01:00")
      end }
  end
  move.destination.virt = { domains = function() return guests end }
  local started_ms = async.monotonic_ms()
  test.equal(check("network", "MAC addresses", move),
    { "kvm2: 'guest99' there has the same MAC address 52:54:00:00:00:01" })
  test.is_true(async.monotonic_ms() - started_ms < 600, "one after the other")
end)

test.case("a display that listens on an address of the source is told", function()
  local function warned(address)
    local _, warnings = check("network", "listen addresses", a_move({}, { xml =
      ("<domain><devices><graphics type='vnc' listen='%s'/></devices></domain>"):format(address) }))
    return warnings
  end
  test.equal(warned "10.0.0.1", { "its vnc listens on 10.0.0.1, an address of this host" })
  for _, any in ipairs { "0.0.0.0", "127.0.0.1", "::", "::1", "" } do test.equal(warned(any), {}) end
end)
