-- Shows domains on libvirt's test driver: finding, states, definition, removal. Each case has a node of its own.
local test = require "test"
local native = require "native.host"

local machine = native.local_machine()

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

-- Runs body(connection) on a test host of its own.
local function with_node(body)
  local folder <close> = setmetatable({ path = machine:temp_directory { under = "/tmp" } },
    { __close = function(self) machine:remove_directory(self.path, { recursive = true }) end })
  machine:write_file(folder.path .. "/node.xml", node_xml)
  local connection <close> = virt.connect("test://" .. folder.path .. "/node.xml")
  body(connection)
end

local function names(list)
  local found = {}
  for index, domain in ipairs(list) do found[index] = domain:name() end
  table.sort(found)
  return found
end

test.case("domains are listed by what they are", function()
  with_node(function(connection)
    test.equal(names(connection:domains()), { "idle", "web" })
    test.equal(names(connection:domains { active = true }), { "web" })
    test.equal(names(connection:domains { inactive = true }), { "idle" })
    test.equal(names(connection:domains { running = true, shutoff = true }), { "idle", "web" })
    test.equal(names(connection:domains { has_snapshot = true }), { "web" })
    test.equal(names(connection:domains { transient = true }), {})
    test.raises("UNKNOWN_OPTION", connection.domains, connection, { activ = true })
  end)
end)

test.case("a domain is found by name and by UUID; find gives nil only when there is none", function()
  with_node(function(connection)
    local uuid = "11111111-2222-3333-4444-555555555555"
    test.equal(connection:domain("web"):uuid(), uuid)
    test.equal(connection:domain(uuid):name(), "web")
    test.equal(connection:find_domain("web"):name(), "web")
    test.is_nil(connection:find_domain("nobody"))
    test.is_nil(connection:find_domain("11111111-2222-3333-4444-000000000000"))
    local problem = test.raises("NO_DOMAIN", connection.domain, connection, "nobody")
    test.equal(problem.object, "nobody")
    test.equal(problem.host, "localhost")
    test.raises("BAD_ARGUMENT", connection.domain, connection, 7)
  end)
end)

test.case("state and reason follow what is done to it", function()
  with_node(function(connection)
    local web = connection:domain("web")
    test.equal(web:suspend():state().reason, "user")
    test.equal(web:state().state, "paused")
    test.equal(web:resume():state(), { state = "running", reason = "unpaused", state_code = 1, reason_code = 5 })
    test.equal(web:destroy():state().reason, "destroyed")
    test.is_nil(web:id())
    test.equal(web:is_active(), false)
    test.equal(web:start():state(), { state = "running", reason = "booted", state_code = 1, reason_code = 1 })
  end)
end)

test.case("a start of what runs, and a stop of what does not, are refused", function()
  with_node(function(connection)
    local web, idle = connection:domain("web"), connection:domain("idle")
    local problem = test.raises("OPERATION_INVALID", web.start, web)
    test.equal(problem.object, "web")
    test.matches(problem.message, "cannot start domain 'web'")
    test.raises("OPERATION_INVALID", idle.destroy, idle)
    test.raises("OPERATION_INVALID", idle.shutdown, idle)
  end)
end)

test.case("shutdown and reboot take a way", function()
  with_node(function(connection)
    local web = connection:domain("web")
    test.equal(web:reboot():is_active(), true)
    test.equal(web:shutdown():state(), { state = "shutoff", reason = "shutdown", state_code = 5, reason_code = 1 })
    test.raises("BAD_ARGUMENT", web.shutdown, web, { mode = "gently" })
  end)
end)

test.case("info is a record in bytes", function()
  with_node(function(connection)
    local info = connection:domain("web"):info()
    test.equal(info.state, "running")
    test.equal(info.memory_bytes, 256 << 20)
    test.equal(info.max_memory_bytes, 512 << 20)
    test.equal(info.vcpus, 1)
    test.is_true(info.cpu_time_ns > 0)
    test.is_nil(info.memory)
    local fields = {}
    for name, value in pairs(info) do fields[name] = value end
    test.equal(fields.memory_bytes, 256 << 20)
    test.equal(fields.state, "running")
    test.matches(tostring(info), "state = running, memory_bytes = 268435456")
  end)
end)

test.case("XML is of the running domain or of the definition", function()
  with_node(function(connection)
    local web = connection:domain("web")
    test.matches(web:xml(), "<domain type='test' id='%d+'")
    test.matches(web:xml { inactive = true }, "<domain type='test'>")
    test.raises("UNKNOWN_OPTION", web.xml, web, { secret = true })
  end)
end)

test.case("a definition is made, changed, renamed and removed", function()
  with_node(function(connection)
    local text = "<domain type='test'><name>%s</name><memory unit='MiB'>%d</memory><os><type>hvm</type></os></domain>"
    local new = connection:define(text:format("new", 64))
    test.equal(new:is_persistent(), true)
    test.equal(new:info().max_memory_bytes, 64 << 20)
    test.raises("BAD_XML", connection.define, connection, "<domain")
    local renamed = new:rename("newer")
    test.equal(renamed:name(), "newer")
    test.equal(renamed:uuid(), new:uuid())
    test.is_nil(connection:find_domain("new"))
    renamed:undefine()
    test.is_nil(connection:find_domain("newer"))
    test.raises("NO_DOMAIN", renamed.state, renamed)
  end)
end)

test.case("a second domain of a name is refused", function()
  with_node(function(connection)
    local text = "<domain type='test'><name>idle</name><uuid>99999999-2222-3333-4444-555555555555</uuid>"
      .. "<memory unit='MiB'>1</memory><os><type>hvm</type></os></domain>"
    test.raises("ALREADY_EXISTS", connection.define, connection, text)
    test.raises("ALREADY_EXISTS", connection.create, connection, text)
  end)
end)

test.case("a created domain is gone when it stops", function()
  with_node(function(connection)
    local made = connection:create("<domain type='test'><name>brief</name><memory unit='MiB'>1</memory>"
      .. "<os><type>hvm</type></os></domain>")
    test.equal(made:is_persistent(), false)
    test.equal(made:state().state, "running")
    made:destroy()
    test.is_nil(connection:find_domain("brief"))
  end)
end)

test.case("undefine refuses what hangs on the definition until it is said what becomes of it", function()
  with_node(function(connection)
    local web = connection:domain("web")
    web:destroy()
    local problem = test.raises("OPERATION_INVALID", web.undefine, web)
    test.matches(problem.hint, "snapshots = \"remove_metadata\"")
    web:start():managed_save()
    test.equal(web:has_managed_save(), true)
    problem = test.raises("OPERATION_INVALID", web.undefine, web, { snapshots = "remove_metadata" })
    test.matches(problem.hint, "managed_save = \"remove\"")
    test.raises("BAD_ARGUMENT", web.undefine, web, { nvram = "drop" })
    web:undefine { snapshots = "remove_metadata", managed_save = "remove" }
    test.is_nil(connection:find_domain("web"))
  end)
end)

test.case("a saved state is kept or dropped", function()
  with_node(function(connection)
    local web = connection:domain("web")
    web:managed_save()
    test.equal(names(connection:domains { has_managed_save = true }), { "web" })
    test.equal(web:remove_managed_save():has_managed_save(), false)
  end)
end)

test.case("snapshots and checkpoints are listed by name", function()
  with_node(function(connection)
    test.equal(connection:domain("web"):snapshots(), { "before" })
    test.equal(connection:domain("idle"):snapshots(), {})
    test.equal(connection:domain("web"):checkpoints(), {})
  end)
end)

test.case("autostart is set and read", function()
  with_node(function(connection)
    local web = connection:domain("web")
    test.equal(web:autostart(), false)
    test.equal(web:set_autostart(true):autostart(), true)
    test.equal(names(connection:domains { autostart = true }), { "web" })
    test.raises("BAD_ARGUMENT", web.set_autostart, web, "yes")
  end)
end)

test.case("metadata, title and description are kept with the domain", function()
  with_node(function(connection)
    local web, uri = connection:domain("web"), "https://example.org/run"
    test.is_nil(web:find_metadata(uri))
    test.raises("NO_METADATA", web.metadata, web, uri)
    web:set_metadata { uri = uri, key = "drover", xml = "<run id='r1'/>", config = true, live = true }
    test.matches(web:metadata(uri), "<run id=[\"']r1[\"']/>")
    test.matches(web:xml { inactive = true }, "drover:run")
    web:set_metadata { uri = uri, remove = true, config = true, live = true }
    test.is_nil(web:find_metadata(uri))
    test.raises("BAD_ARGUMENT", web.set_metadata, web, { uri = uri, key = "drover" })
    test.raises("BAD_ARGUMENT", web.set_metadata, web, { uri = uri, xml = "<run/>" })
    test.equal(web:title(), "")
    test.equal(web:set_title("Shop"):title(), "Shop")
    test.equal(web:set_title(""):title(), "")
    test.equal(web:set_description("Two\nlines"):description(), "Two\nlines")
  end)
end)

test.case("memory and CPUs are set in bytes and counts", function()
  with_node(function(connection)
    local web = connection:domain("web")
    test.equal(web:max_memory_bytes(), 512 << 20)
    test.equal(web:set_memory(384 << 20):info().memory_bytes, 384 << 20)
    test.raises("INVALID_ARGUMENT", web.set_memory, web, 1 << 40)
    test.raises("BAD_ARGUMENT", web.set_memory, web, "1GiB")
    test.equal(web:vcpus { live = true, maximum = true }, 4)
    test.equal(web:set_vcpus(2, { live = true }):vcpus { live = true }, 2)
    local stats = web:memory_stats()
    test.equal(stats.balloon_bytes, 384 << 20)
    test.equal(stats.usable_bytes, 192 << 20)
    test.equal(stats.last_update_s, 627319920)
    test.equal(web:set_memory_stats_period(5):name(), "web")
  end)
end)

test.case("disks and interfaces are asked by their names", function()
  with_node(function(connection)
    local web = connection:domain("web")
    test.equal(type(web:disk_errors()), "table")
    test.raises("INVALID_ARGUMENT", web.block_stats, web, "vdz")
    test.is_true(web:block_stats("vda").read_bytes >= 0)
    test.raises("BAD_ARGUMENT", web.block_resize, web, "vda", -1)
  end)
end)

test.case("addresses come from the source that is named", function()
  with_node(function(connection)
    local web = connection:domain("web")
    local interfaces = web:addresses("lease")
    test.equal(interfaces[1].mac, "52:54:00:00:00:01")
    test.equal(interfaces[1].addresses[1].type, "ipv4")
    test.equal(interfaces[1].addresses[1].prefix, 24)
    test.raises("BAD_ARGUMENT", web.addresses, web, "guess")
    test.raises("BAD_ARGUMENT", web.addresses, web)
  end)
end)

test.case("an agent query that would change the guest is refused before it is sent", function()
  with_node(function(connection)
    local web = connection:domain("web")
    test.raises("NOT_A_QUERY", web.agent_query, web, '{"execute":"guest-shutdown"}')
    test.raises("NOT_A_QUERY", web.agent_query, web, '{"execute":"guest-exec"}')
    test.raises("BAD_ARGUMENT", web.agent_query, web, "guest-info")
    test.raises("UNSUPPORTED", web.agent_query, web, '{"execute":"guest-info"}')
    test.raises("UNSUPPORTED", web.agent_command, web, '{"execute":"guest-exec"}', 1)
  end)
end)

test.case("the guest's file systems are frozen and thawed", function()
  with_node(function(connection)
    local web = connection:domain("web")
    test.is_true(#web:file_systems() > 0)
    local frozen = web:freeze()
    test.is_true(frozen > 0)
    test.equal(web:thaw(), frozen)
    test.is_true(web:time_ms() > 0)
    test.matches(web:hostname(), "webhost")
  end)
end)
