-- Shows what libvirt is asked for by each parameter of a move, and what is done about one that does not end.
local test = require "test"
local held = require "migrate.held"
local job = require "migrate.job"
local watch = require "migrate.watch"
local reconcile = require "reconcile"
local script = require "script"
local moves = test.load(..., "moves")
local xml = require "xml"

local a_move, running, endless = moves.new, moves.run, moves.endless
local with_patience, hang = moves.with_patience, moves.hang

local function options(p, copied)
  local move = a_move(p, copied)
  move.tls_name = p and p.tls_name
  local found = job.options(move)
  found.live, found.change_protection, found.abort_on_error = nil, nil, nil
  return found
end

local memory = "unix:///run/drover/RUN/sockets/memory"

for _, row in ipairs {
  { {}, { peer_to_peer = true, persist_destination = true, uri = memory } },
  { { mode = "managed" }, { persist_destination = true, uri = memory } },
  { { persistent = false, suspend = true, unsafe = true },
    { peer_to_peer = true, paused = true, unsafe = true, uri = memory } },
  { { channel = "direct" }, { peer_to_peer = true, persist_destination = true, uri = "tcp://10.0.0.2:49152",
    disks_port = 49153 } },
  { { channel = "tls" }, { peer_to_peer = true, persist_destination = true, tls = true, uri = "tcp://10.0.0.2:49152",
    disks_port = 49153 } },
  { { channel = "tls", tls_name = "kvm2" }, { peer_to_peer = true, persist_destination = true, tls = true,
    uri = "tcp://10.0.0.2:49152", disks_port = 49153, tls_destination = "kvm2" } },
  { { channel = "tunnel" }, { peer_to_peer = true, persist_destination = true, tunnelled = true } },
  { { bandwidth = 100 << 20, auto_converge = true, post_copy = true, listen_address = "0.0.0.0" },
    { peer_to_peer = true, persist_destination = true, uri = memory, bandwidth_mibps = 100, auto_converge = true,
      post_copy = true, listen_address = "0.0.0.0" } },
  { { bandwidth = 10 }, { peer_to_peer = true, persist_destination = true, uri = memory, bandwidth_mibps = 1 } },
  { { timeout_action = "post-copy" }, { peer_to_peer = true, persist_destination = true, uri = memory,
    post_copy = true } },
  { { policy = "post-copy" }, { peer_to_peer = true, persist_destination = true, uri = memory, post_copy = true } },
  { { parallel = 4, compression = "xbzrle" }, { peer_to_peer = true, persist_destination = true, uri = memory,
    parallel = true, parallel_connections = 4, compressed = true, compression = { "xbzrle" } } },
} do
  local words = {}
  for name, value in pairs(row[1]) do words[#words + 1] = name .. "=" .. tostring(value) end
  table.sort(words)
  test.case("options: " .. (#words > 0 and table.concat(words, " ") or "the defaults"), function()
    test.equal(options(row[1]), row[2])
  end)
end

test.case("A3: what runs is left paused at the destination, for drover to start, but for post-copy", function()
  local function paused(p, state)
    local move = a_move(p)
    move.state = { state = state }
    return job.options(move).paused
  end
  test.equal({ paused({}, "running"), paused({ mode = "managed" }, "running"), paused({ suspend = true }, "running"),
    paused({}, "paused"), paused({ post_copy = true }, "running") }, { true, true, true, nil, nil })
end)

test.case("disks that are copied are named, and travel over a socket of their own", function()
  local found = options({}, { "vda", "vdb" })
  test.equal({ found.non_shared_disk, found.migrate_disks, found.disks_uri },
    { true, { "vda", "vdb" }, "unix:///run/drover/RUN/sockets/disks" })
end)

test.case("another name, other networks and an empty drive go into the destination's definition", function()
  local move = a_move { network = { br0 = "br1", default = "lan" }, cdrom = "eject" }
  move.new_name = "web2"
  local found = job.options(move)
  test.equal(found.destination_name, "web2")
  for _, text in ipairs { found.destination_xml, found.persistent_xml } do
    local document = xml.parse(text)
    test.equal(document:value("//source/@bridge"), "br1")
    test.equal(document:value("//source/@network"), "lan")
    test.is_nil(document:find("//disk/source"))
  end
  test.is_nil(job.options(a_move()).destination_xml)
end)

test.case("figures of a job become progress, also when some are missing", function()
  test.equal(watch.progress_fields { memory_remaining_bytes = 100 << 20, memory_total_bytes = 1 << 30,
    memory_bytes_per_s = 10 << 20, memory_dirty_rate_pages_per_s = 256, memory_page_size_bytes = 4096,
      memory_iteration = 2,
    time_elapsed_ms = 5 }, { remaining_bytes = 100 << 20, total_bytes = 1 << 30, rate_bytes_s = 10 << 20,
    dirty_bytes_s = 1 << 20, iteration = 2, phase = "memory", elapsed_ms = 5,
    estimate_ms = (100 << 20) * 1000 // (9 << 20) })
  test.equal(watch.progress_fields {}, { remaining_bytes = 0, total_bytes = 0 })
  test.equal({ watch.progress_fields({ disk_total_bytes = 5 }).phase, watch.progress_fields({ memory_total_bytes = 5,
    disk_total_bytes = 5 }).phase, watch.progress_fields({ memory_total_bytes = 5 }).phase },
    { "disks", "memory", "memory" })
end)

test.case("the plan says who starts the guest that arrives paused; one that is to stay paused nobody starts", function()
  for _, row in ipairs {
    { {}, { "a: move web1 to b", "b: start web1, which arrives paused, once it is seen to be off on a" } },
    { { suspend = true }, { "a: move web1 to b" } } } do
    local move, told = a_move(row[1]), {}
    move.state = { state = "running" }
    move.ctx.planning = true
    move.ctx.plan = { add = function(_, change) told[#told + 1] = change.host .. ": " .. change.text end }
    job.describe(move)
    test.equal(told, row[2])
  end
end)

test.case("a move that takes too long is aborted, and says so", function()
  local move = a_move { timeout = 10 }
  local problem = running(move, {})
  test.equal({ move.acts, problem.message }, { { "abort" },
    "the move was given up, it took longer than --timeout allows" })
end)

test.case("an abort that fails is tried again at the next look", function()
  local move = a_move { timeout = 10 }
  running(move, { abort = function(count)
    if count == 1 then errors.raise { code = "TIMEOUT", message = "no lock" } end
  end })
  test.equal(move.acts, { "abort", "abort" })
  test.matches(move.ctx.warnings[1].message, "abort was not done: no lock")
end)

test.case("a source that says nothing of its move is told, and left once the move is late", function()
  with_patience(300, 300, function()
    local move = a_move { timeout = 1500 }
    local looks = 0
    local problem = endless(move, { abort_job = hang, job = function()
      looks = looks + 1
      hang()
    end })
    test.equal({ problem.code, problem.host, looks }, { "NOT_SETTLED", "a", 1 })
    test.matches(problem.message, "the move was left, it took longer than %-%-timeout allows, and a has not said")
    test.matches(move.ctx.warnings[1].message, "a has not said for .* how the move goes")
    test.matches(move.ctx.warnings[1].hint, "given up after %-%-timeout %(1.5 s%)")
  end)
end)

test.case("an abort that the source never answers does not hold the move for ever", function()
  with_patience(300, 300, function()
    local move = a_move { timeout = 10 }
    local problem = endless(move, { abort_job = hang, job = function() return { type = "unbounded" } end })
    test.equal(problem.code, "NOT_SETTLED")
  end)
end)

test.case("an abort that says nothing, for its data go nowhere, is freed by ending its connections", function()
  with_patience(300, 20, function()
    local move = a_move { timeout = 10 }
    local ended, aborting
    local function until_ended() return async.poll("15s", "5ms", function() return ended end) end
    local _ <close> = test.replace(script, { run = function(_, _, words) ended = words end })
    function move.ctx.release() error "the tunnel was not to be taken away" end
    local problem = endless(move, {
      migrate_to_uri = function()
        until_ended()
        errors.raise { code = "OPERATION_ABORTED", message = "aborted" }
      end,
      abort_job = function()
        aborting = true
        until_ended()
      end,
      job = function()
        if aborting then until_ended() end
        return { type = "unbounded" }
      end })
    test.equal(ended, { "10.0.0.2", 49152, 49153 })
    test.matches(problem.message, "the move was given up, it took longer than %-%-timeout allows$")
  end)
end)

test.case("a look that libvirt gives up behind another one does not end the watching", function()
  local move = a_move { timeout = 10 }
  running(move, { statistics = function() errors.raise { code = "DOMAIN_BUSY", message = "no lock" } end })
  test.equal(move.acts, { "abort" })
end)

test.case("an aborted move that nothing frees is left", function()
  with_patience(300, 20, function()
    local move = a_move { timeout = 10 }
    local taken, aborted = {}, false
    function move.ctx.release(_, kind) taken[#taken + 1] = kind end
    local _ <close> = test.replace(reconcile, { settle = function()
      taken[#taken + 1] = "copy"
      errors.raise { code = "NO_CONNECTION", message = "b is gone" }
    end })
    local _ <close> = test.replace(script, { run = function() taken[#taken + 1] = "connections" end })
    local problem = endless(move, { abort_job = function() aborted = true end,
      job = function() return { type = aborted and "cancelled" or "unbounded" } end })
    test.equal({ problem.code, taken }, { "NOT_SETTLED", { "copy", "connections", "tunnel" } })
    test.matches(problem.message, "its abort does not end")
    test.equal(move.ctx.warnings[2].message, "the destination's copy could not be taken away: b is gone")
  end)
end)

-- The source has no job any more: its guest ended, or the destination's answer does not come.
local function without_a_job(move, taken, reason)
  function move.ctx.release(_, kind) taken[#taken + 1] = kind end
  return { job = function() errors.raise { code = "OPERATION_INVALID", message = "domain is not running" } end,
    state = function() return { state = "shutoff", reason = reason } end }
end

test.case("a call that does not return once its job is over loses its tunnel, and is left when that does not help",
  function()
    with_patience(400, 20, function()
      local move, taken = a_move {}, {}
      local problem = endless(move, without_a_job(move, taken, "migrated"))
      test.equal({ problem.code, taken }, { "NOT_SETTLED", { "tunnel" } })
      test.equal(problem.message, "the move was left, a has no job of it any more, and its call does not return")
      test.equal(move.ctx.warnings[1].message,
        "the source has no job of the move any more, and its call does not return; what it waits for is taken away")
    end)
  end)

test.case("an answer that may still come is waited for, but not where the guest has ended", function()
  for reason, wanted in pairs { migrated = {}, shutdown = { "tunnel" } } do
    with_patience(5000, 20, function()
      local move, taken = a_move {}, {}
      local domain = without_a_job(move, taken, reason)
      function domain.migrate_to_uri()
        async.poll("1500ms", 5, function() return #taken > 0 end)
        errors.raise { code = "OPERATION_INVALID", message = "domain is not running" }
      end
      test.equal({ endless(move, domain).message, taken }, { "domain is not running", wanted })
    end)
  end
end)

test.case("a job that cannot be looked at is told once, and the time limit acts all the same", function()
  local move = a_move { timeout = 300 }
  local problem = running(move, { statistics = function()
    errors.raise { domain = "virt", code = "DOMAIN_BUSY", message = "cannot acquire state change lock" }
  end })
  test.equal({ move.acts, problem.message, #move.ctx.warnings, move.ctx.warnings[1].message },
    { { "abort" }, "the move was given up, it took longer than --timeout allows", 1,
      "the move cannot be looked at: cannot acquire state change lock" })
end)

test.case("the timeout may pause the domain or switch to post-copy instead", function()
  local move = a_move { timeout = 10, timeout_action = "suspend" }
  test.is_nil(running(move, {}))
  test.equal(move.acts, { "suspend" })
  move = a_move { timeout = 10, timeout_action = "post-copy" }
  test.is_nil(running(move, {}))
  test.equal(move.acts, { "start_post_copy" })
end)

test.case("a timeout while the disks are copied switches to post-copy once the memory travels, and says so", function()
  local move, looks = a_move { timeout = 10, timeout_action = "post-copy" }, 0
  test.is_nil(running(move, { statistics = function()
    looks = looks + 1
    return { type = "unbounded", disk_total_bytes = 5, memory_total_bytes = looks > 3 and 5 or 0 }
  end }))
  local told = {}
  for index, warning in ipairs(move.ctx.warnings) do told[index] = warning.message end
  test.equal({ move.acts, looks > 3, told }, { { "start_post_copy" }, true,
    { "it switches to post-copy once the disks are copied", "the move does not converge: switching to post-copy" } })
end)

test.case("over a slow line no step of the policy is lost behind the one before it, nor the timeout", function()
  local function slow() async.sleep "500ms" end
  local acts = {}
  for _, timeout in ipairs { 1800000, 900 } do
    local steps = { { stalls = 1, action = "downtime", downtime_ms = 150 }, { stalls = 2, action = "suspend" } }
    if timeout == 900 then steps[2] = nil end
    local move = a_move { timeout = timeout, policy = steps }
    local iteration = 1
    running(move, { set_migrate_max_downtime_ms = slow, abort = slow, statistics = function()
      iteration = iteration + 1
      return { type = "unbounded", memory_iteration = iteration, memory_remaining_bytes = 100 }
    end })
    acts[#acts + 1] = move.acts
  end
  test.equal(acts, { { "set_migrate_max_downtime_ms 150", "suspend" }, { "set_migrate_max_downtime_ms 150", "abort" } })
end)

test.case("A6: what switched to post-copy is neither aborted nor paused any more", function()
  local move = a_move { timeout = 450, policy = { { stalls = 1, action = "post-copy" },
    { stalls = 2, action = "suspend" } } }
  local iteration, ended = 1, false
  local domain = move.domain
  function domain.job()
    iteration = iteration + 1
    return { type = "unbounded", memory_iteration = iteration, memory_remaining_bytes = 100 }
  end
  for _, name in ipairs { "start_post_copy", "suspend", "abort_job" } do
    domain[name] = function() move.acts[#move.acts + 1] = name end
  end
  function domain.migrate_to_uri()
    async.sleep "1300ms"
    ended = true
  end
  test.is_nil(job.run(move))
  test.equal({ move.acts, ended }, { { "start_post_copy" }, true })
end)

test.case("a policy acts on stalls", function()
  local move = a_move { policy = { { stalls = 1, action = "downtime", downtime_ms = 150 }, { stalls = 2,
    action = "abort",
    reason = "it stalls" } } }
  local iteration = 1
  local problem = running(move, { statistics = function()
    iteration = iteration + 1
    return { type = "unbounded", memory_iteration = iteration, memory_remaining_bytes = 100 }
  end })
  test.equal({ move.acts, problem.message },
    { { "set_migrate_max_downtime_ms 150", "abort" }, "the move was given up, it stalls" })
end)

test.case("a watcher that breaks is told, and the move goes on to its end", function()
  local move = a_move { policy = "no such policy" }
  local domain = move.domain
  function domain.migrate_to_uri() async.sleep(20) end
  test.is_nil(job.run(move))
  test.matches(move.ctx.warnings[1].message, "not watched to its end: there is no convergence policy")
end)

-- Each iteration stalls.
local function stalling()
  local iteration = 1
  return function()
    iteration = iteration + 1
    return { type = "unbounded", memory_iteration = iteration, memory_remaining_bytes = 100 }
  end
end

test.case("a policy never lowers the downtime that --downtime allows, nor QEMU's own", function()
  local steps = { { stalls = 1, action = "downtime", downtime_ms = 150 },
    { stalls = 2, action = "downtime", downtime_ms = 400 }, { stalls = 4, action = "suspend" } }
  for _, row in ipairs { { 2000, { "set_migrate_max_downtime_ms 2000", "suspend" } },
    { 0, { "set_migrate_max_downtime_ms 400", "suspend" } },
    { 200, { "set_migrate_max_downtime_ms 200", "set_migrate_max_downtime_ms 400", "suspend" } } } do
    local move = a_move { policy = steps, downtime = row[1] }
    local in_force_ms = 300
    function move.domain.migrate_max_downtime_ms() return in_force_ms end
    running(move, { statistics = stalling(), set_migrate_max_downtime_ms = function(downtime_ms)
      in_force_ms = downtime_ms
    end })
    test.equal(move.acts, row[2])
  end
end)

test.case("--post-copy alone switches a move that does not converge", function()
  local move = a_move {}
  move.p = setmetatable({ post_copy = true }, { __index = function(_, name)
    if name ~= "policy" then return moves.defaults[name] end
  end })
  running(move, { statistics = stalling() })
  test.equal(move.acts[#move.acts], "start_post_copy")
end)

-- A move that may switch, and whose source falls silent once somebody did, with what both hosts say of the domain then.
local function silent_in_post_copy(on_source, on_destination, until_ended)
  local move, taken = a_move { timeout = 600, policy = "post-copy" }, {}
  function move.ctx.release(_, kind) taken[#taken + 1] = kind end
  function move.ctx.renew() end
  move.destination.virt.find_domain = function() return { state = on_destination } end
  local _ <close> = test.replace(script, { run = function() taken[#taken + 1] = "connections" end })
  local problem = endless(move, { abort_job = function() taken[#taken + 1] = "abort" end, job = hang,
    state = on_source, migrate_to_uri = until_ended })
  return problem, taken, move
end

test.case("a silent source is not taken anything away from while the move may be in post-copy", function()
  with_patience(200, 20, function()
    local function post_copy() return { state = "paused", reason = "post_copy" } end
    local function running_there() return { state = "running", reason = "post_copy" } end
    for _, on_source in ipairs { post_copy, hang } do
      local problem, taken, move = silent_in_post_copy(on_source, running_there, function() async.sleep "4s" end)
      test.equal({ problem, taken }, { nil, {} })
      local said = {}
      for index, one in ipairs(move.ctx.warnings) do said[index] = one.message end
      test.matches(table.concat(said, "\n"), "may have switched to post%-copy: it is not given up")
    end
  end)
end)

test.case("a silent source that did not switch is freed, by its own word or the destination's", function()
  with_patience(200, 20, function()
    local function copy() return { state = "paused", reason = "migration" } end
    for _, on_source in ipairs { function() return { state = "running", reason = "booted" } end, hang } do
      local problem, taken = silent_in_post_copy(on_source, copy)
      test.equal({ problem.code, taken[#taken] }, { "NOT_SETTLED", "tunnel" })
    end
  end)
end)

test.case("A6: a move that a person switched to post-copy is neither aborted nor paused any more", function()
  local move = a_move { timeout = 100, post_copy = true }
  for _, name in ipairs { "start_post_copy", "suspend", "abort_job" } do
    move.domain[name] = function() move.acts[#move.acts + 1] = name end
  end
  function move.domain.job() return { type = "unbounded" } end
  function move.domain.state() return { state = "paused", reason = "post_copy" } end
  function move.domain.migrate_to_uri() async.sleep "900ms" end
  test.is_nil(job.run(move))
  test.equal(move.acts, {})
end)

test.case("Ctrl-C at the very end of the move is Ctrl-C, not the end of the watching", function()
  local move, task = a_move {}, nil
  move.domain.job = function() return { type = "unbounded" } end
  move.domain.migrate_to_uri = function() async.sleep(20) end
  local _ <close> = test.replace(held, { follow = function()
    return { finish = function() task:cancel() end }
  end })
  task = async.spawn(function()
    job.run(move)
    async.sleep(5)  -- as what follows the move does
    return "it went on"
  end)
  test.raises("CANCELLED", async.await, task)
end)

test.case("Ctrl-C is the error of the move", function()
  local move = a_move {}
  local task = async.spawn(function()
    local problem = running(move, {})
    return problem.code
  end)
  async.sleep(30)
  task:cancel()
  test.equal(async.await(task), "CANCELLED")
end)
