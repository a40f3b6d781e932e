-- Shows what a move refuses before it asks a host. Real moves are the lab's: the test driver cannot migrate.
local test = require "test"

local function with_domain(body)
  local connection <close> = virt.connect("test:///default")
  body(connection:domain("test"), connection)
end

test.case("a move that would leave no definition anywhere is refused", function()
  with_domain(function(domain, connection)
    local problem = test.raises("UNDEFINE_PAIR", domain.migrate, domain, connection, { undefine_source = true })
    test.matches(problem.hint, "persist_destination")
    test.raises("UNDEFINE_PAIR", domain.migrate_to_uri, domain, "qemu:///system", { undefine_source = true })
  end)
end)

test.case("each way to lead a move refuses the other's options", function()
  with_domain(function(domain, connection)
    local problem = test.raises("WRONG_MODE", domain.migrate, domain, connection, { peer_to_peer = true })
    test.matches(problem.hint, "migrate_to_uri")
    test.raises("WRONG_MODE", domain.migrate, domain, connection, { tunnelled = true })
    test.raises("WRONG_MODE", domain.migrate_to_uri, domain, "qemu:///system", { peer_to_peer = false })
  end)
end)

test.case("a destination that accepts any key is refused", function()
  with_domain(function(domain)
    test.raises("INSECURE_URI", domain.migrate_to_uri, domain, "qemu+ssh://b/system?no_verify=1")
  end)
end)

test.case("wrong arguments blame their field", function()
  with_domain(function(domain, connection)
    test.raises("BAD_ARGUMENT", domain.migrate, domain, "qemu:///system")
    local problem = test.raises("UNKNOWN_OPTION", domain.migrate, domain, connection, { copy_disks = true })
    test.is_true(#problem.hint > 0)
    test.raises("BAD_ARGUMENT", domain.migrate, domain, connection, { parallel_connections = 0 })
    test.raises("BAD_ARGUMENT", domain.set_migrate_max_downtime_ms, domain, 0)
    test.raises("BAD_ARGUMENT", domain.set_migrate_max_speed_mibps, domain, -1)
  end)
end)

test.case("a driver that cannot migrate says so, and the domain runs on", function()
  with_domain(function(domain, connection)
    test.raises("UNSUPPORTED", domain.migrate, domain, connection, { live = true })
    for _, name in ipairs { "job", "job_completed", "abort_job", "start_post_copy", "migrate_max_downtime_ms",
      "compression_cache_bytes" } do
      test.raises("UNSUPPORTED", domain[name], domain)
    end
    test.raises("UNSUPPORTED", domain.set_compression_cache_bytes, domain, 1 << 20)
    test.equal(domain:info().state, "running")
  end)
end)
