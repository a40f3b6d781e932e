-- Shows what a domain's disks and interfaces tell on libvirt's test driver, and how refusals arrive. Sizes, block jobs
-- and the resize of a disk that QEMU has open are shown in the lab (tests/lab/suites/virt.lua).
local test = require "test"
local with_node = test.load(..., "node").with_node

test.case("a disk's statistics are counts; what the driver does not know is missing, not -1", function()
  with_node(function(connection)
    local stats = connection:domain("web"):block_stats "vda"
    for _, name in ipairs { "read_requests", "read_bytes", "write_requests", "write_bytes" } do
      test.is_true(math.type(stats[name]) == "integer" and stats[name] >= 0, name)
    end
    for name, value in pairs(stats) do test.is_true(value >= 0, name) end
  end)
end)

test.case("an interface is asked by its MAC address", function()
  with_node(function(connection)
    local web = connection:domain "web"
    local stats = web:interface_stats "52:54:00:00:00:01"
    test.is_true(stats.rx_bytes >= 0 and stats.tx_packets >= 0)
    test.raises("INVALID_ARGUMENT", web.interface_stats, web, "52:54:00:00:00:99")
  end)
end)

test.case("a disk or an interface that is not there is an error with the domain's name and the disk's", function()
  with_node(function(connection)
    local web = connection:domain "web"
    local problem = test.raises("INVALID_ARGUMENT", web.block_stats, web, "vdz")
    test.matches(problem.message, "disk vdz of domain 'web'")
    test.equal(problem.object, "web")
    test.raises("INVALID_ARGUMENT", web.block_info, web, "vdz")
    test.raises("BAD_ARGUMENT", web.block_stats, web)
    test.raises("BAD_ARGUMENT", web.block_info, web, 5)
  end)
end)

test.case("a domain that is off has no statistics of its disks", function()
  with_node(function(connection)
    local idle = connection:domain "idle"
    local problem = test.raises("OPERATION_INVALID", idle.block_stats, idle, "vda")
    test.equal(problem.object, "idle")
  end)
end)

test.case("disk errors are by disk", function()
  with_node(function(connection)
    test.equal(connection:domain("web"):disk_errors(), { vda = "unspecified" })
  end)
end)

test.case("what the driver cannot do is UNSUPPORTED, and a wrong size is refused before it is sent", function()
  with_node(function(connection)
    local web = connection:domain "web"
    test.raises("UNSUPPORTED", web.block_job, web, "vda")
    test.raises("UNSUPPORTED", web.abort_block_job, web, "vda", { pivot = true })
    test.raises("UNSUPPORTED", web.block_resize, web, "vda", 1 << 30)
    test.raises("BAD_ARGUMENT", web.block_resize, web, "vda", -1)
    test.raises("BAD_ARGUMENT", web.block_resize, web, "vda", "1GiB")
    test.raises("UNKNOWN_OPTION", web.abort_block_job, web, "vda", { pivott = true })
  end)
end)

test.case("a change of a disk is recorded while planning, and reads are real", function()
  with_node(function(connection)
    local web, plan = connection:domain "web", require("plan").new()
    plan.step = "grow"
    local read_bytes
    plan:record(function()
      web:block_resize("vda", 1 << 30)
      web:abort_block_job("vda")
      read_bytes = web:block_stats("vda").read_bytes
    end)
    test.equal(#plan.changes, 2)
    test.matches(plan.changes[1].text, "block resize of web: vda, 1073741824")
    test.is_true(read_bytes >= 0)
  end)
end)
