-- Shows networks, host interfaces and node devices on libvirt's test driver.
local test = require "test"

local function connected(body)
  return function()
    local connection = virt.connect("test:///default")
    local ok, problem = pcall(body, connection)
    connection:close()
    if not ok then error(problem, 0) end
  end
end

local function network_xml(name, with_bridge)
  return xml.build({ "network", { "name", name },
    with_bridge and { "bridge", name = "br-" .. name } or { "forward", mode = "private", dev = "eth0" } }):to_text()
end

test.case("a network is found by its name and its UUID", connected(function(connection)
  local network = connection:network("default")
  test.equal(network:name(), "default")
  test.equal(network:bridge_name(), "virbr0")
  test.equal(connection:find_network(network:uuid()):name(), "default")
  test.equal(xml.parse(network:xml()):value("ip/@address"), "192.168.122.1")
end))

test.case("a network that is not there is NO_NETWORK, or nil", connected(function(connection)
  local problem = test.raises("NO_NETWORK", connection.network, connection, "none")
  test.matches(problem.message, "cannot find network 'none'")
  test.is_nil(connection:find_network("none"))
end))

test.case("a network is defined, started, stopped and undefined", connected(function(connection)
  local network = connection:define_network(network_xml("lab", true))
  test.equal(#connection:networks(), 2)
  test.equal(connection:networks { inactive = true }[1]:name(), "lab")
  test.equal(network:is_active(), false)
  test.equal(network:is_persistent(), true)
  test.equal(network:start():is_active(), true)
  test.raises("OPERATION_INVALID", network.start, network)
  test.equal(network:set_autostart(true):autostart(), true)
  test.equal(#connection:networks { autostart = true, active = true }, 1)
  test.equal(network:stop():is_active(), false)
  network:undefine()
  test.is_nil(connection:find_network("lab"))
  test.raises("NO_NETWORK", network.xml, network)
end))

test.case("a transient network is gone when it stops", connected(function(connection)
  local network = connection:create_network(network_xml("brief", true))
  test.equal(network:is_persistent(), false)
  network:stop()
  test.is_nil(connection:find_network("brief"))
end))

test.case("a network without a bridge has none", connected(function(connection)
  test.is_nil(connection:define_network(network_xml("direct", false)):bridge_name())
end))

test.case("wrong network XML is refused", connected(function(connection)
  test.raises("BAD_XML", connection.define_network, connection, "<network/>")
  test.raises("BAD_XML", connection.create_network, connection, "<network")
end))

test.case("leases that a driver does not know are UNSUPPORTED and not an empty list", connected(function(connection)
  local network = connection:network("default")
  test.raises("UNSUPPORTED", network.dhcp_leases, network)
  test.raises("BAD_ARGUMENT", network.dhcp_leases, network, 5)
end))

test.case("interfaces of the host are listed and found", connected(function(connection)
  local interface = connection:interface("eth1")
  test.equal(interface:name(), "eth1")
  test.equal(interface:mac(), "aa:bb:cc:dd:ee:ff")
  test.equal(interface:is_active(), true)
  test.equal(xml.parse(interface:xml()):attribute("name"), "eth1")
  test.equal(#connection:interfaces(), 1)
  test.equal(#connection:interfaces { inactive = true }, 0)
  test.is_nil(connection:find_interface("eth9"))
  local problem = test.raises("NO_INTERFACE", connection.interface, connection, "eth9")
  test.matches(problem.message, "cannot find interface 'eth9'")
end))

test.case("node devices are listed by name, all or those of a capability", connected(function(connection)
  local all = connection:node_devices()
  table.sort(all)
  test.equal(all[1], "computer")
  test.is_true(#connection:node_devices { capability = "scsi_host" } < #all)
  test.equal(connection:node_devices { capability = "pci" }, {})
  test.equal(xml.parse(connection:node_device_xml("computer")):value("name"), "computer")
  test.raises("NO_NODE_DEVICE", connection.node_device_xml, connection, "none")
  test.raises("BAD_ARGUMENT", connection.node_devices, connection, { capability = "gpu" })
end))
