-- Shows what goes through the guest on libvirt's test driver, which plays a guest with an agent, and what is refused
-- before the guest is asked. A real agent answers in the lab (tests/lab/suites/virt.lua).
local test = require "test"
local with_node = test.load(..., "node").with_node

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

test.case("a file system says where it is mounted and on which disks", function()
  with_node(function(connection)
    local root = connection:domain("web"):file_systems()[1]
    test.equal({ root.mount_point, root.type, root.disks[1] }, { "/", "ext4", "vda" })
  end)
end)

test.case("freezing some file systems freezes those, and twice is none", function()
  with_node(function(connection)
    local web = connection:domain "web"
    test.equal({ web:freeze { "/" }, web:freeze { "/" }, web:thaw { "/" } }, { 1, 0, 1 })
    test.raises("BAD_ARGUMENT", web.freeze, web, "/")
  end)
end)

test.case("a guest that is off answers nothing", function()
  with_node(function(connection)
    local idle = connection:domain "idle"
    test.raises("OPERATION_INVALID", idle.file_systems, idle)
    test.raises("OPERATION_INVALID", idle.addresses, idle, "lease")
    test.raises("OPERATION_INVALID", idle.time_ms, idle)
  end)
end)

test.case("the clock is set in milliseconds, which are not negative", function()
  with_node(function(connection)
    local web = connection:domain "web"
    test.raises("BAD_ARGUMENT", web.set_time_ms, web, -1)
    test.raises("BAD_ARGUMENT", web.set_time_ms, web, "now")
    test.equal(web:time_ms(), 627319920000)  -- what the test driver's guest always says [src/test/test_driver.c]
  end)
end)

test.case("how long to wait for the agent is bounded", function()
  with_node(function(connection)
    local web = connection:domain "web"
    test.raises("BAD_ARGUMENT", web.agent_query, web, '{"execute":"guest-info"}', 0)
    test.raises("BAD_ARGUMENT", web.agent_command, web, '{"execute":"guest-info"}', 3601)
    test.raises("BAD_ARGUMENT", web.hostname, web, { source = "guess" })
  end)
end)

test.case("what changes the guest is recorded while planning; queries are asked", function()
  with_node(function(connection)
    local web, plan = connection:domain "web", require("plan").new()
    plan.step = "freeze"
    plan:record(function()
      web:freeze()
      web:set_time_ms(0)
      test.raises("UNSUPPORTED", web.agent_query, web, '{"execute":"guest-ping"}')
      test.is_true(#web:file_systems() > 0)
    end)
    test.equal(#plan.changes, 2)
  end)
end)
