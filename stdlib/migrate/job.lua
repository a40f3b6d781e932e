--- The move itself: libvirt's migration with its options, progress, timeout and convergence policy.
-- Tested by tests/stdlib/migrate_job_test.lua and the lab's tests.
local async = require "async"
local channel = require "migrate.channel"
local converge = require "migrate.converge"
local core = require "drover.core"
local errors = require "errors"
local held = require "migrate.held"
local reconcile = require "reconcile"
local script = require "script"
local storage = require "migrate.storage"
local units = require "units"
local xml = require "xml"

local job = {}

local between_looks = "200ms"

-- The definition that the destination gets, where parameters ask for another: new name, networks, empty drives.
local function changed_xml(move, text)
  local p = move.p
  local document = xml.parse(text)
  local changed = false
  for old, new in pairs(p.network or {}) do
    for _, attribute in ipairs { "network", "bridge" } do
      for _, node in ipairs(document:find_all("/domain/devices/interface/source[@" .. attribute .. "=$old]",
        { old = old })) do
        node:set_attribute(attribute, new)
        changed = true
      end
    end
  end
  if p.cdrom == "eject" then
    for _, node in ipairs(document:find_all("/domain/devices/disk[@device='cdrom']/source")) do
      node:remove()
      changed = true
    end
  end
  return changed and document:to_text() or nil
end

--- Whether the parameters may lead to post-copy, which libvirt must know from the start.
function job.wants_post_copy(p)
  return p.post_copy or p.timeout_action == "post-copy" or p.policy == "post-copy"
end

--- Whether libvirt is to leave the destination's copy paused, for drover to start it. A3: libvirt's destination starts
-- it without knowing that its answer arrives; when the answer is lost, the source takes the move for failed and goes on
-- too: two writers [libvirt src/libvirt-domain.c, virDomainMigrateVersion3Full]. A post-copy move never goes back.
function job.is_held(move)
  return move.state ~= nil and move.state.state == "running" and not move.p.suspend
    and not job.wants_post_copy(move.p)
end

-- What the definition is for the destination, or for the next start there.
local live, next_start = { migratable = true }, { inactive = true }

-- With its passwords: this text replaces what libvirt would have sent, and a display whose password is missing lets
-- everybody in [libvirt src/qemu/qemu_migration.c, qemuMigrationSrcBeginXML]. It is given to libvirt and shown nowhere.
local function definition_to_send(move, flags)
  local with_passwords = { secure = true }
  for name, value in pairs(flags) do with_passwords[name] = value end
  return changed_xml(move, move.domain:xml(with_passwords))
end

--- libvirt's options for this move.
function job.options(move)
  local p = move.p
  local copied = storage.copied(move)
  local uris = channel.uris(move)
  local options = {
    live = true, change_protection = true, abort_on_error = true,
    peer_to_peer = p.mode == "p2p" or nil, tunnelled = p.channel == "tunnel" or nil, tls = p.channel == "tls" or nil,
    persist_destination = p.persistent or nil, paused = p.suspend or job.is_held(move) or nil, unsafe = p.unsafe or nil,
    auto_converge = p.auto_converge or nil,
    post_copy = job.wants_post_copy(p) or nil,
    uri = uris.uri, disks_uri = uris.disks_uri, disks_port = uris.disks_port,
    destination_name = move.new_name ~= move.name and move.new_name or nil,
    listen_address = p.listen_address ~= "" and p.listen_address or nil,
    bandwidth_mibps = p.bandwidth > 0 and math.max(1, p.bandwidth // 1048576) or nil,
  }
  if #copied > 0 then
    options.non_shared_disk = true
    options.migrate_disks = copied
  end
  if p.parallel > 1 then
    options.parallel = true
    options.parallel_connections = p.parallel
  end
  if p.compression ~= "none" then
    options.compressed = true
    options.compression = { p.compression }
  end
  options.destination_xml = definition_to_send(move, live)
  if move.inactive and p.persistent then options.persistent_xml = definition_to_send(move, next_start) end
  return options
end

--- Adds the move to the plan.
function job.describe(move)
  if not move.ctx.planning then return end
  move.memory_port = move.memory_port or 49152
  local names = {}
  for name, value in pairs(job.options(move)) do
    if value == true then
      names[#names + 1] = name
    elseif name ~= "destination_xml" and name ~= "persistent_xml" then
      names[#names + 1] = name .. "=" .. (type(value) == "table" and table.concat(value, ",") or tostring(value))
    end
  end
  table.sort(names)
  local lines = { table.concat(names, " ") }
  local before = move.domain:xml(live)
  local changed = changed_xml(move, before)
  if changed then
    for line in xml.format_diff(xml.diff(before, changed)):gmatch("[^\n]+") do
      lines[#lines + 1] = line
    end
  end
  move.ctx.plan:add { host = move.source.name, text = "move " .. move.name .. " to " .. move.destination.name,
    lines = lines }
end

local function progress_fields(statistics)
  local remaining_bytes = (statistics.memory_remaining_bytes or 0) + (statistics.disk_remaining_bytes or 0)
  local total_bytes = (statistics.memory_total_bytes or 0) + (statistics.disk_total_bytes or 0)
  local rate_bytes_s = (statistics.memory_bytes_per_s or 0) + (statistics.disk_bytes_per_s or 0)
  local dirty_bytes_s = statistics.memory_dirty_rate_pages_per_s and
    statistics.memory_dirty_rate_pages_per_s * (statistics.memory_page_size_bytes or 4096) or nil
  local fields = { remaining_bytes = remaining_bytes, total_bytes = total_bytes,
    iteration = statistics.memory_iteration, elapsed_ms = statistics.time_elapsed_ms }
  if rate_bytes_s > 0 then
    fields.rate_bytes_s = rate_bytes_s
    local gain = rate_bytes_s - (dirty_bytes_s or 0)
    if gain > 0 then fields.estimate_ms = remaining_bytes * 1000 // gain end
  end
  if dirty_bytes_s and dirty_bytes_s > 0 then fields.dirty_bytes_s = dirty_bytes_s end
  return fields
end

job.progress_fields = progress_fields

-- What a policy, or the timeout, may do to a move that does not end.
local actions = {
  downtime = function(move, step)
    move.ctx:warn(("the move does not converge: downtime of up to %d ms is allowed"):format(step.downtime_ms))
    move.domain:set_migrate_max_downtime_ms(step.downtime_ms)
  end,
  suspend = function(move)
    move.ctx:warn("the move does not converge: the domain is paused until it is over")
    move.domain:suspend()
  end,
  ["post-copy"] = function(move)
    move.ctx:warn("the move does not converge: switching to post-copy",
      "from here on a broken link stops the guest until it is back")
    move.domain:start_post_copy()
    move.in_post_copy = true
  end,
  abort = function(move, step)
    move.gave_up = step.reason
    move.domain:abort_job {}
  end,
}

-- Says whether it was done. The move may have ended between the look and the act: that is no failure.
local function apply(move, step)
  local ok, problem = core.pcall(actions[step.action], move, step)
  if ok then return true end
  if core.is_cancellation(problem) then error(problem, 0) end
  if not errors.is(problem, "OPERATION_INVALID") and not errors.is(problem, "NO_DOMAIN") then
    move.ctx:warn(("%s was not done: %s"):format(step.action, errors.message(problem)))
  end
  return false
end

--- How long is waited for what may never come: the source's answer to a look or an act, the end of what was aborted.
-- A QEMU that stands still holds every call about its domain, and libvirt has no limit of its own for it.
job.patience = { answer_ms = 12000, abort_ms = 10000 }

-- QEMU takes the limit once the job is there.
local function limit_downtime(move, downtime_ms)
  local problem
  local done = async.poll("5s", "50ms", function()
    local ok, result = core.pcall(async.timeout, job.patience.answer_ms, function()
      return move.domain:set_migrate_max_downtime_ms(downtime_ms)
    end)
    if not ok and core.is_cancellation(result) then error(result, 0) end
    problem = result
    return ok
  end)
  if not done then
    move.ctx:warn("--downtime was not set: " .. errors.message(problem), "the move goes on with QEMU's own limit")
  end
end

-- Ends the source's connections to the move's ports (ss -K). Where the destination's answers are lost, nothing else
-- tells the source that the other end is gone; TCP itself waits for a quarter of an hour [tcp(7), tcp_retries2].
local end_connections = [[
address=$1
shift
for port; do ss --kill --tcp --no-header dst "$address" dport = ":$port" >/dev/null 2>&1; done
exit 0]]

-- What frees an aborted move that does not end, one after the other: it waits without limit for a destination QEMU that
-- stands still, and for an answer through a tunnel that does.
local ways_to_free = {
  -- The table says whether the destination's copy may go.
  function(move)
    reconcile.settle(move.source, move.destination, move.uuid, { before = move.state.state, wait = "0s" })
  end,
  function(move)
    if not move.memory_port then return end
    script.run(move.source, end_connections, { move.to_address, move.memory_port, move.disks_port })
  end,
  function(move) move.ctx:release "tunnel" end,
}

local function free(move, times)
  if times == 1 then move.ctx:warn "the move was aborted and does not end; what it waits for is taken away" end
  local ok, problem = core.pcall(ways_to_free[times], move)
  if not ok and core.is_cancellation(problem) then error(problem, 0) end
end

-- How often the way of the bytes is looked at: a reload of the firewall in the middle of a move closes it.
local between_renewals_ms = 1500

local function renew(move)
  local ok, problem = core.pcall(move.ctx.renew, move.ctx)
  if ok then return end
  if core.is_cancellation(problem) then error(problem, 0) end
  move.ctx:warn("what the move needs could not be looked at: " .. errors.message(problem))
end

-- body in a task of its own, begun again only once it ended: a host that does not answer is not asked over and over,
-- and holds up nobody. run(limit_ms, ...) waits so long for its end, and gives true and what body gave, or false.
local function aside(body)
  local self, task, began_ms = {}, nil, nil
  function self.run(limit_ms, ...)
    if not task then
      task, began_ms = async.spawn(body, ...), async.monotonic_ms()
    end
    if not async.poll(limit_ms, 5, function() return task:ready() end) then return false end
    local ended = task
    task = nil
    return true, async.await(ended)
  end
  -- How long it has been under way.
  function self.silent_ms() return task and async.monotonic_ms() - began_ms or 0 end
  function self.stop()
    if not task or task:ready() then return end
    task:cancel()
    async.poll("2s", 5, function() return task:ready() end)
  end
  return setmetatable(self, { __close = self.stop })
end

-- The job, and whether that is an answer: libvirt ends a look of its own after 30 s behind another that QEMU has not
-- answered ("cannot acquire state change lock"). Whatever else a look raises must not keep the time limit from acting.
local function read_job(move)
  local ok, statistics, problem = core.pcall(errors.catch, { "OPERATION_INVALID", "NO_DOMAIN", "DOMAIN_BUSY" },
    move.domain.job, move.domain)
  if ok then return statistics, not (problem and errors.is(problem, "DOMAIN_BUSY")) end
  if core.is_cancellation(statistics) then error(statistics, 0) end
  if not move.look_failed then
    move.look_failed = true
    move.ctx:warn("the move cannot be looked at: " .. errors.message(statistics), "its time limit acts all the same")
  end
  return nil, false
end

-- The move is not waited for any longer: what became of it, both hosts are asked.
local function leave(move, moving, reason)
  move.gave_up, move.left = reason, true
  moving:cancel()
end

-- What the watcher knows: began_ms, aborted_ms and freed (an abort was taken; so many ways to free it were tried),
-- acted (the timeout did its work).
-- From post-copy there is no way back, and its guest must not be paused: it goes on to its end, however late it is.
local function is_late(move, known)
  return not move.in_post_copy and async.monotonic_ms() - known.began_ms > move.p.timeout
end

-- What is done about a source that says nothing of its move. Says whether the move was left.
local function bear_silence(move, moving, known, silent_ms)
  if silent_ms < job.patience.answer_ms then return false end
  local what = ("%s has not said for %s how the move goes"):format(move.source.name,
    units.format_duration(job.patience.answer_ms))
  if is_late(move, known) then
    leave(move, moving, "it took longer than --timeout allows, and " .. what)
    return true
  end
  move.ctx:warn(what .. ": QEMU or the storage under it may stand still",
    ("it is given up after --timeout (%s)"):format(units.format_duration(move.p.timeout)))
  return false
end

-- An abort was taken. Says whether the move was left, because nothing makes it end.
local function hurry_abort(move, moving, known)
  known.aborted_ms = known.aborted_ms or async.monotonic_ms()
  if async.monotonic_ms() - known.aborted_ms < job.patience.abort_ms then return false end
  if known.freed == #ways_to_free then
    leave(move, moving, (move.gave_up or "it was aborted") .. ", and its abort does not end")
    return true
  end
  known.freed = known.freed + 1
  free(move, known.freed)
  known.aborted_ms = async.monotonic_ms()
  return false
end

-- Looks at the job until it is over; shows it, and acts on the timeout and the policy. A timeout whose act fails is
-- tried again at the next look: a move must not go on for ever because an abort was lost. One that nothing ends, or
-- that nobody can be asked about any more, is left.
local function watch(move, moving)
  local p = move.p
  local known = { began_ms = async.monotonic_ms(), freed = 0, acted = false }
  local follower = converge.follow(p.policy)
  local look <close> = aside(read_job)
  local act <close> = aside(apply)
  local renewing <close> = aside(renew)
  local renewed_ms = known.began_ms
  if p.downtime > 0 then limit_downtime(move, p.downtime) end
  while true do
    async.sleep(between_looks)
    local ended, statistics, answered = look.run(between_looks, move)
    if async.monotonic_ms() - renewed_ms > between_renewals_ms and renewing.run(0, move) then
      renewed_ms = async.monotonic_ms()
    end
    if bear_silence(move, moving, known, math.max(look.silent_ms(), act.silent_ms())) then return end
    if statistics and statistics.type == "cancelled" then
      if hurry_abort(move, moving, known) then return end
    elseif statistics and statistics.type ~= "none" then
      move.last_statistics = statistics
      move.ctx:progress("move " .. move.name, progress_fields(statistics))
      local step = not move.in_post_copy and follower:next(statistics)
      if step then act.run(between_looks, move, step) end
    end
    local is_over = ended and answered and not (statistics and statistics.type ~= "none")
    local is_aborted = statistics and statistics.type == "cancelled"
    if not is_over and not is_aborted and not known.acted and is_late(move, known) then
      local _, done = act.run(between_looks, move,
        { action = p.timeout_action, reason = "it took longer than --timeout allows" })
      known.acted = done
    end
  end
end

--- Whether libvirt refused the port before anything was sent [src/util/virportallocator.c, virPortAllocatorSetUsed].
function job.is_refused_port(problem)
  return errors.message(problem):find("Failed to reserve port", 1, true) ~= nil
end

--- Runs the move to its end. Gives the error that libvirt reported, or nil; who has the domain is asked afterwards.
-- A cancellation (Ctrl-C) aborts the job and waits for its end.
function job.run(move)
  local options = job.options(move)
  local started_ms = async.monotonic_ms()
  local moving = async.spawn(function()
    if move.p.mode == "p2p" then return move.domain:migrate_to_uri(channel.peer_uri(move), options) end
    return move.domain:migrate(move.destination.virt, options)
  end)
  local watcher = async.spawn(watch, move, moving)
  local start = held.follow(move, job.is_held(move))
  local ok, result = core.pcall(async.await, moving)
  move.stood_still_ms = async.shield(start.finish, start, ok)
  move.elapsed_ms = async.monotonic_ms() - started_ms
  watcher:cancel()
  local watched, why = core.pcall(async.await, watcher)
  if not watched and not core.is_cancellation(why) then
    move.ctx:warn("the move was not watched to its end: " .. errors.message(why),
      "its time limit and its policy did not act")
  end
  if ok then return nil end
  local problem = errors.wrap(result)
  if job.is_refused_port(problem) then
    problem.hint = "libvirt there keeps ports of past moves reserved: name another --port, or none, or restart it"
  end
  if move.left and core.is_cancellation(problem) then
    problem = errors.new { code = "NOT_SETTLED", host = move.source.name, cause = problem,
      message = "the move was left, " .. move.gave_up }
  elseif move.gave_up and not core.is_cancellation(problem) then
    problem.message = "the move was given up, " .. move.gave_up
    problem.hint = "more --bandwidth, --auto-converge, --post-copy or a longer --downtime let it converge"
  end
  return problem
end

return job
