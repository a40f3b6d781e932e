-- A host of libvirt's test driver for the tests here: two domains, one with a snapshot, and a network. Each call has a
-- node of its own. A test loads it with test.load(..., "node").
local machine = require("native.host").local_machine()

local node = {}

local node_xml = [[
<node>
  <domain type="test" xmlns:test="http://libvirt.org/schemas/domain/test/1.0">
    <name>web</name>
    <uuid>11111111-2222-3333-4444-555555555555</uuid>
    <memory unit="MiB">512</memory>
    <currentMemory unit="MiB">256</currentMemory>
    <vcpu current="1">4</vcpu>
    <os><type>hvm</type></os>
    <devices>
      <memballoon model="virtio"/>
      <disk type="file" device="disk"><source file="/images/web.img"/><target dev="vda" bus="virtio"/></disk>
      <interface type="network"><mac address="52:54:00:00:00:01"/><source network="default"/></interface>
    </devices>
    <test:domainsnapshot>
      <name>before</name><creationTime>1700000000</creationTime><state>running</state><active>1</active>
      <domain type="test"><name>web</name><uuid>11111111-2222-3333-4444-555555555555</uuid>
        <memory unit="MiB">512</memory><os><type>hvm</type></os></domain>
    </test:domainsnapshot>
  </domain>
  <domain type="test" xmlns:test="http://libvirt.org/schemas/domain/test/1.0">
    <name>idle</name>
    <memory unit="MiB">64</memory>
    <os><type>hvm</type></os>
    <test:runstate>5</test:runstate>
  </domain>
  <network><name>default</name><bridge name="virbr0"/>
    <ip address="192.168.122.1" netmask="255.255.255.0"><dhcp><range start="192.168.122.128" end="192.168.122.253"/>
    </dhcp></ip></network>
</node>]]

--- Runs body(connection) on a test host of its own.
function node.with_node(body)
  local folder <close> = setmetatable({ path = machine:temp_directory { under = "/tmp" } },
    { __close = function(self) machine:remove_directory(self.path, { recursive = true }) end })
  machine:write_file(folder.path .. "/node.xml", node_xml)
  local connection <close> = virt.connect("test://" .. folder.path .. "/node.xml")
  body(connection)
end

return node
