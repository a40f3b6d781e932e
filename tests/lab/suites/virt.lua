-- The cases of the suite virt: run on ctl with the guest "virtest" running on a, its disk on local storage.
local test = require "test"

local name = "virtest"

-- Runs body(a, b): connections to both hosts. The guest is on a before and after.
local function with_hosts(body)
  local a <close> = virt.connect("qemu+ssh://root@a/system")
  local b <close> = virt.connect("qemu+ssh://root@b/system")
  body(a, b)
end

local function where(a, b)
  local found = {}
  for host, connection in pairs { a = a, b = b } do
    local domain = connection:find_domain(name)
    local state = domain and domain:state()
    if state and state.state ~= "shutoff" then found[#found + 1] = host .. ":" .. state.state end
  end
  return table.concat(found, " ")
end

-- What every move of the guest needs: its disk goes along, and comes to lie beside where it came from.
local function options(more)
  local all = { live = true, persist_destination = true, undefine_source = true, non_shared_disk = true }
  for key, value in pairs(more or {}) do all[key] = value end
  return all
end

-- Back to a, where the old disk file still lies: libvirt copies over it.
local function bring_back(a, b)
  local domain = b:find_domain(name)
  if domain and domain:is_active() then domain:migrate(a, options()) end
end

test.case("a managed move gives the domain at the destination, with figures on both sides", function()
  with_hosts(function(a, b)
    local domain = a:domain(name)
    local events <close> = a:events { kinds = { "lifecycle", "job", "migration_iteration" }, domain = name }
    local iterations, job = 0, nil
    local running = {}
    local move = async.spawn(function() return domain:migrate(b, options { bandwidth_mibps = 60 }) end)
    while not move:ready() do
      local now = a:find_domain(name)
      if not now then break end
      local ok, figures = pcall(now.job, now)
      if ok and figures.type == "unbounded" then running = figures end
      async.sleep(50)
    end
    local moved = async.await(move)
    test.equal(moved:state(), { state = "running", reason = "migrated", state_code = 1, reason_code = 2 })
    test.equal(where(a, b), "b:running")
    test.equal(running.operation, "migration_out")
    test.is_true(running.memory_total_bytes > 100 << 20, "memory_total_bytes")
    test.is_true(running.memory_page_size_bytes == 4096, "page size")
    local completed = moved:job_completed()
    test.equal(completed.type, "completed")
    test.equal(completed.operation, "migration_in")
    test.is_true(completed.downtime_ms > 0, "downtime_ms")
    while true do
      local event = events:next(500)
      if not event then break end
      if event.kind == "migration_iteration" then iterations = event.iteration end
      if event.kind == "job" then job = event end
    end
    test.is_true(iterations >= 1, "iterations")
    test.equal(job.operation, "migration_out")
    test.is_true(job.memory_processed_bytes > 0)
    bring_back(a, b)
    test.equal(where(a, b), "a:running")
  end)
end)

test.case("a peer-to-peer move is led by the source's daemon", function()
  with_hosts(function(a, b)
    local result = a:domain(name):migrate_to_uri("qemu+ssh://root@b/system", options())
    test.is_true(result.elapsed_ms > 0)
    test.equal(where(a, b), "b:running")
    bring_back(a, b)
    test.equal(where(a, b), "a:running")
  end)
end)

local function cancel_after(a, b, delay)
  local domain = a:domain(name)
  local move = async.spawn(function() return domain:migrate(b, options { bandwidth_mibps = 4 }) end)
  async.sleep(delay)
  local started_ms = async.monotonic_ms()
  move:cancel()
  local ok, problem = require "drover.core".pcall(async.await, move)
  test.equal(ok, false)
  test.equal(problem.code, "CANCELLED")
  test.is_true(async.monotonic_ms() - started_ms < 10000, "the cancel took long")
  test.equal(where(a, b), "a:running")
  test.equal(a:domain(name):job().type, "none")
  test.is_nil(b:find_domain(name))
end

test.case("a cancelled move leaves the guest running at the source, whenever the cancel comes", function()
  with_hosts(function(a, b)
    for _, delay in ipairs { 0, 20, 150, 1500 } do cancel_after(a, b, delay) end
  end)
end)

test.case("other calls go on while a move runs", function()
  with_hosts(function(a, b)
    local domain = a:domain(name)
    local move = async.spawn(function() return domain:migrate(b, options { bandwidth_mibps = 4 }) end)
    async.poll("5s", 50, function() return domain:job().type ~= "none" end)
    local started_ms = async.monotonic_ms()
    local list = a:all_domain_stats { stats = { "state", "block", "balloon" }, nowait = true, active = true }
    test.is_true(async.monotonic_ms() - started_ms < 1000)
    test.equal(#list, 1)
    test.equal(list[1].stats["state.state"], 1)
    domain:set_migrate_max_downtime_ms(700)
    test.equal(domain:migrate_max_downtime_ms(), 700)
    domain:set_migrate_max_speed_mibps(5)
    test.equal(domain:migrate_max_speed_mibps(), 5)
    test.raises("DOMAIN_BUSY", domain.migrate, domain, b, options())
    move:cancel()
    require "drover.core".pcall(async.await, move)
    domain:set_migrate_max_speed_mibps(8796093022207)
  end)
end)

test.case("a job that somebody else aborts is OPERATION_ABORTED, not CANCELLED", function()
  with_hosts(function(a, b)
    local domain = a:domain(name)
    local move = async.spawn(function() return domain:migrate(b, options { bandwidth_mibps = 4 }) end)
    async.poll("5s", 50, function() return domain:job().type ~= "none" end)
    domain:abort_job()
    test.raises("OPERATION_ABORTED", async.await, move)
    test.equal(where(a, b), "a:running")
  end)
end)

-- QEMU serves missing pages by userfaultfd, which the kernel gives to root, and to others only when it is told to.
local function can_post_copy()
  local h <close> = host.connect("a")
  local user = h:exec({ "ps", "-o", "user=", "-C", "qemu-system-x86" }).output
  return user:find("root") ~= nil or h:exec({ "cat", "/proc/sys/vm/unprivileged_userfaultfd" }).output == "1\n"
end

test.case("a move switches to post-copy, or is refused with the guest left as it was", function()
  with_hosts(function(a, b)
    local domain = a:domain(name)
    local move = async.spawn(function()
      return domain:migrate(b, options { post_copy = true, bandwidth_mibps = 20 })
    end)
    async.poll("10s", 50, function() return move:ready() or (domain:job().memory_iteration or 0) >= 1 end)
    if can_post_copy() then
      domain:start_post_copy()
      test.equal(async.await(move):state().state, "running")
      bring_back(a, b)
    else
      test.matches(test.raises("INTERNAL_ERROR", async.await, move).message, "Postcopy is not supported")
    end
    test.equal(where(a, b), "a:running")
  end)
end)

test.case("statistics of a running guest", function()
  with_hosts(function(a)
    local domain = a:domain(name)
    domain:set_memory_stats_period(1)
    local stats = async.poll("15s", 200, function()
      local now = domain:memory_stats()
      return now.usable_bytes and now
    end)
    test.is_true(stats.usable_bytes > 0 and stats.usable_bytes < stats.available_bytes)
    test.is_true(stats.last_update_s > 1600000000)
    test.equal(domain:block_info("vda").capacity_bytes, 64 << 20)
    test.is_true(domain:block_stats("vda").read_requests >= 0)
    test.is_true(domain:stats({ stats = { "block" } })["block.count"] >= 1)
    test.equal(domain:disk_errors(), {})
    test.is_nil(domain:block_job("vda"))
    test.equal(domain:job().type, "none")
    test.is_true(a:memory().total_bytes > a:memory().free_bytes)
    test.is_true(#a:cpu_models("x86_64") > 10)
    test.matches(a:domain_capabilities { virtualization = "qemu", architecture = "x86_64" }, "<domainCapabilities>")
  end)
end)

test.case("the agent answers, and its refusals are told apart", function()
  with_hosts(function(a)
    local domain = a:domain(name)
    local info = json.decode(domain:agent_query('{"execute":"guest-info"}'))
    test.is_true(info["return"].version ~= nil)
    test.is_true(math.abs(domain:time_ms() - async.wall_ms()) < 3600 * 1000)
    local found = false
    for _, interface in ipairs(domain:addresses("agent")) do
      for _, address in ipairs(interface.addresses) do found = found or address.address:find("^10%.77%.1%.") end
    end
    test.is_true(found, "address of the guest")
    test.raises("AGENT_COMMAND_FAILED", domain.agent_command, domain, '{"execute":"no-such-command"}')
  end)
end)

test.case("a disk is attached, grown and detached, and the guest's release of it is an event", function()
  with_hosts(function(a)
    local domain = a:domain(name)
    local volume = a:pool("default"):create_volume("<volume><name>extra.raw</name><capacity unit='MiB'>16</capacity>"
      .. "<target><format type='raw'/></target></volume>")
    local disk = ("<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='%s'/>"
      .. "<target dev='vdc' bus='virtio'/></disk>"):format(volume:path())
    local events <close> = a:events { kinds = { "device_added", "device_removed" }, domain = name }
    domain:attach_device(disk, { live = true })
    test.equal(events:next(5000).kind, "device_added")
    domain:block_resize("vdc", 32 << 20)
    test.equal(domain:block_info("vdc").capacity_bytes, 32 << 20)
    domain:detach_device(disk, { live = true })
    test.equal(events:next(20000).kind, "device_removed")
    test.raises("NO_DEVICE", domain.detach_device, domain, disk, { live = true })
    volume:delete()
  end)
end)

test.case("a host that stops answering is a lost connection, and its events end", function()
  local h <close> = host.connect("b")
  local b = virt.connect("qemu+ssh://root@b/system", { keepalive_interval_s = 1, keepalive_count = 2 })
  local events = b:events()
  h:exec { "pkill", "-STOP", "-x", "libvirtd" }
  local _ <close> = setmetatable({}, { __close = function() h:exec { "pkill", "-CONT", "-x", "libvirtd" } end })
  local waiter = async.spawn(function() return events:next() end)
  local started_ms = async.monotonic_ms()
  local problem = test.raises("CONNECTION_LOST", b.hostname, b)
  local elapsed_ms = async.monotonic_ms() - started_ms
  test.is_true(elapsed_ms < 20000, "elapsed_ms " .. elapsed_ms)  -- keepalive says 3 s; the machine may be busy
  test.matches(problem.hint, "ask the host")
  test.raises("CONNECTION_LOST", async.await, waiter)
  test.equal(b:is_alive(), false)
  b:close()
end)

test.case("what is collected of a connection that was closed does not wait for a daemon that stands still", function()
  local h <close> = host.connect "b"
  local b = virt.connect "qemu+ssh://root@b/system"
  local given = {}
  local call = async.spawn(function() given.pools = b:pools() end)
  async.sleep(0)  -- it is under way
  b:close()  -- the call has a reference of its own, and so has what it gives
  async.await(call)
  test.raises("CONNECTION_CLOSED", given.pools[1].info, given.pools[1])
  -- It goes on by itself: whoever waits for it here could not see to that. What wakes it ends with this case, or it
  -- would wake a libvirtd that the next one has stopped.
  local waker = h:exec { "sh", "-c",
    "pkill -STOP -x libvirtd; setsid sh -c 'sleep 6; pkill -CONT -x libvirtd' >/dev/null 2>&1 & echo $!" }
  local _ <close> = setmetatable({}, { __close = function()
    h:exec { "kill", "--", "-" .. waker.output:match "%d+" }
    h:exec { "pkill", "-CONT", "-x", "libvirtd" }
  end })
  local started_ms = async.monotonic_ms()
  given.pools = nil
  collectgarbage()
  test.is_true(async.monotonic_ms() - started_ms < 2000, "the collector waited for libvirtd")
end)

test.case("calls that libvirtd never answers end together, and nothing breaks when their sockets hang up", function()
  local h <close> = host.connect "b"
  local forward <close> = require("ssh").forward_unix(h.machine, { remote_path = "/run/libvirt/libvirt-sock" })
  for _ = 1, 3 do
    local b = virt.connect("qemu+unix:///system?socket=" .. forward:local_address(),
      { host = "b", keepalive_interval_s = 1, keepalive_count = 2 })
    h:exec { "pkill", "-STOP", "-x", "libvirtd" }
    local _ <close> = setmetatable({}, { __close = function() h:exec { "pkill", "-CONT", "-x", "libvirtd" } end })
    local calls = {}
    for number = 1, 4 do calls[number] = async.spawn(function() return b:hostname() end) end
    for number, call in ipairs(calls) do
      local problem = test.raises("CONNECTION_LOST", async.timeout, "20s", function() return async.await(call) end)
      test.equal(problem.host, "b", "call " .. number)
    end
    -- The next one is not begun at all.
    test.raises("CONNECTION_LOST", async.timeout, "1s", function() return b:hostname() end)
    b:close()
  end
  forward:close()  -- the sockets of the calls that libvirt still waits for hang up
  async.sleep "500ms"
  local again <close> = virt.connect("qemu+ssh://root@b/system")
  test.matches(again:hostname(), "^b")
end)
