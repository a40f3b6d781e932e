--- Watching a move: its progress, the timeout and the convergence policy, and hosts that say nothing of it.
-- Tested by tests/stdlib/migrate_job_test.lua and the lab's tests.
local async = require "async"
local converge = require "migrate.converge"
local core = require "drover.core"
local errors = require "errors"
local storage = require "migrate.storage"
local stuck_move = require "migrate.stuck_move"
local units = require "units"

local watch = {}

local between_looks = "200ms"

--- What is shown and kept of a look at the job.
function watch.progress_fields(statistics)
  local remaining_bytes = (statistics.memory_remaining_bytes or 0) + (statistics.disk_remaining_bytes or 0)
  local total_bytes = (statistics.memory_total_bytes or 0) + (statistics.disk_total_bytes or 0)
  local rate_bytes_s = (statistics.memory_bytes_per_s or 0) + (statistics.disk_bytes_per_s or 0)
  local dirty_bytes_s = statistics.memory_dirty_rate_pages_per_s and
    statistics.memory_dirty_rate_pages_per_s * (statistics.memory_page_size_bytes or 4096) or nil
  local fields = { remaining_bytes = remaining_bytes, total_bytes = total_bytes,
    iteration = statistics.memory_iteration, elapsed_ms = statistics.time_elapsed_ms,
    phase = (statistics.disk_total_bytes or 0) > 0 and (statistics.memory_total_bytes or 0) == 0 and "disks"
      or total_bytes > 0 and "memory" or nil }
  if rate_bytes_s > 0 then
    fields.rate_bytes_s = rate_bytes_s
    local gain = rate_bytes_s - (dirty_bytes_s or 0)
    if gain > 0 then fields.estimate_ms = remaining_bytes * 1000 // gain end
  end
  if dirty_bytes_s and dirty_bytes_s > 0 then fields.dirty_bytes_s = dirty_bytes_s end
  return fields
end

-- What a policy, or the timeout, may do to a move that does not end.
local actions = {
  -- Never less than what is in force: that would keep longer from its end what stalls already.
  downtime = function(move, step)
    if step.downtime_ms <= math.max(move.p.downtime, move.domain:migrate_max_downtime_ms()) then return end
    move.ctx:warn(("the move does not converge: downtime of up to %d ms is allowed"):format(step.downtime_ms))
    move.domain:set_migrate_max_downtime_ms(step.downtime_ms)
  end,
  suspend = function(move)
    move.ctx:warn("the move does not converge: the domain is paused until it is over")
    move.domain:suspend()
  end,
  -- QEMU takes it once the memory travels, which is after the disks.
  ["post-copy"] = function(move)
    if move.last_statistics and watch.progress_fields(move.last_statistics).phase == "disks" then
      if not move.waits_for_disks then move.ctx:warn("it switches to post-copy once the disks are copied") end
      move.waits_for_disks = true
      return "later"
    end
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
  if ok then return problem ~= "later" end
  if core.is_cancellation(problem) then error(problem, 0) end
  if not errors.is(problem, "OPERATION_INVALID") and not errors.is(problem, "NO_DOMAIN") then
    move.ctx:warn(("%s was not done: %s"):format(step.action, errors.message(problem)))
  end
  return false
end

--- How long the source's answer to a look or an act is waited for: a QEMU that stands still holds every call about its
-- domain, and libvirt has no limit of its own for it. And how long the call of a move may take to return once the
-- source has no job of it: an answer of the destination that is lost is given up after 35 s; a guest that ended has
-- none to wait for.
watch.patience = { answer_ms = 12000, return_ms = 60000, return_of_ended_ms = 10000 }

-- QEMU takes the limit once the job is there.
local function limit_downtime(move, downtime_ms)
  local problem
  local done = async.poll("5s", "50ms", function()
    local ok, result = core.pcall(async.timeout, watch.patience.answer_ms, function()
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

-- How often the way of the bytes is looked at: a reload of the firewall in the middle of a move closes it.
local between_renewals_ms = 1500

local function renew(move)
  local ok, problem = core.pcall(move.ctx.renew, move.ctx)
  if ok then return end
  if core.is_cancellation(problem) then error(problem, 0) end
  move.ctx:warn("what the move needs could not be looked at: " .. errors.message(problem))
end

-- body in a task of its own, begun again only once it ended: a host that does not answer is not asked over and over,
-- and holds up nobody. run(limit_ms, ...) waits so long for its end, and gives true and what body gave, or false: then
-- the next run waits for the same one, so it is to be given the same words.
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

-- Whether the guest ended by itself, or was ended: what a move makes of its source is shut off (migrated).
local function has_ended(move)
  local ok, state = core.pcall(errors.catch, "NO_DOMAIN", move.domain.state, move.domain)
  if not ok and core.is_cancellation(state) then error(state, 0) end
  return ok and state ~= nil and state.state == "shutoff" and state.reason ~= "migrated"
end

local switched_reasons = { post_copy = true, post_copy_failed = true }

-- Whether the move is in post-copy now, by libvirt's word, which it gives without QEMU: a person may have switched it,
-- or the answer to our own switch is lost. nil when nobody says.
local function is_in_post_copy(move)
  if not converge.wants_post_copy(move.p) then return false end
  local function look(find)
    local ok, state = core.pcall(async.timeout, "2s", function()
      local domain = find()
      return domain and errors.catch("NO_DOMAIN", domain.state, domain) or { state = "none" }
    end)
    if not ok and core.is_cancellation(state) then error(state, 0) end
    return ok and state or nil
  end
  local state = look(function() return move.domain end)
  if not state then
    -- The copy runs from the switch on, and not before it.
    state = look(function() return move.destination.virt:find_domain(move.uuid) end)
    if state and state.state == "running" then return nil end
  end
  if not state then return nil end
  return switched_reasons[state.reason] == true
end

-- The job, whether that is an answer, and without a job whether the guest has ended: a QEMU that answers late, or a
-- lock that is held for long (libvirt ends a look of its own after 30 s behind another one), must not keep the time
-- limit from acting.
local function read_job(move)
  local no_job = { "OPERATION_INVALID", "NO_DOMAIN" }
  local ok, statistics = core.pcall(errors.catch, no_job, move.domain.job, move.domain)
  if ok then
    if not move.in_post_copy and is_in_post_copy(move) then move.in_post_copy = true end
    local has_job = statistics ~= nil and statistics.type ~= "none"
    return statistics, true, not has_job and has_ended(move)
  end
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

-- From post-copy there is no way back, and its guest must not be paused nor lose its tunnel: it goes on to its end.
local function is_late(move, began_ms)
  return not move.in_post_copy and async.monotonic_ms() - began_ms > move.p.timeout
end

-- What is done about a source that says nothing of its move. A QEMU whose data go nowhere says nothing once it is to
-- abort: it waits for its sockets, a quarter of an hour or for good. Says whether the move was left.
local function bear_silence(move, moving, known, silent_ms)
  known.may_be_in_post_copy = nil
  if silent_ms < watch.patience.answer_ms then return false end
  local what = ("%s has not said for %s how the move goes"):format(move.source.name,
    units.format_duration(watch.patience.answer_ms))
  if not is_late(move, known.began_ms) then
    move.ctx:warn(what .. ": QEMU or the storage under it may stand still",
      move.in_post_copy and "it is in post-copy, and goes on to its end"
        or ("it is given up after --timeout (%s)"):format(units.format_duration(move.p.timeout)))
    return false
  end
  -- What is taken away from a post-copy move is taken from the guest, which is on both sides.
  local in_post_copy = is_in_post_copy(move)
  if in_post_copy then move.in_post_copy = true end
  known.may_be_in_post_copy = in_post_copy ~= false
  if known.may_be_in_post_copy then
    move.ctx:warn(what .. ", and it may have switched to post-copy: it is not given up",
      "see what the hosts say: drover reconcile " .. move.name)
    return false
  end
  if move.p.timeout_action == "abort" and known.stuck.free("silent", silent_ms) then return false end
  leave(move, moving, "it took longer than --timeout allows, and " .. what)
  return true
end

-- A call that does not return. libvirt 9.0 misses the end of a guest that powers off while its disks are copied and
-- somebody asks for its state: it waits for a guest that is off. Says whether the move was left.
local function bear_no_return(move, moving, known)
  local waited_ms = known.over_ms and async.monotonic_ms() - known.over_ms or 0
  local limit_ms = known.ended and watch.patience.return_of_ended_ms or watch.patience.return_ms
  if waited_ms < limit_ms then return false end
  if is_in_post_copy(move) == false and known.stuck.free("over", waited_ms) then return false end
  leave(move, moving, move.source.name .. " has no job of it any more, and its call does not return")
  return true
end

--- Looks at the job until it is over; shows it, and acts on the timeout and the policy. A timeout whose act fails is
-- tried again at the next look: a move must not go on for ever because an abort was lost. One that nothing ends, or
-- that nobody can be asked about any more, is left. `moving` is the task of libvirt's call. Ends when it is cancelled.
function watch.run(move, moving)
  local p = move.p
  local known = { began_ms = async.monotonic_ms(), stuck = stuck_move.of(move), acted = false }
  local follower = converge.follow(converge.policy_of(p))
  local look <close> = aside(read_job)
  local act <close> = aside(apply)
  local act_late <close> = aside(apply)
  local steps = {}  -- of the policy, that wait for the one before
  local renewing <close> = aside(renew)
  local renewed_ms = known.began_ms
  if p.downtime > 0 then limit_downtime(move, p.downtime) end
  while true do
    async.sleep(between_looks)
    local looked, statistics, answered, guest_ended = look.run(between_looks, move)
    if async.monotonic_ms() - renewed_ms > between_renewals_ms and renewing.run(0, move) then
      renewed_ms = async.monotonic_ms()
    end
    if bear_silence(move, moving, known, math.max(look.silent_ms(), act.silent_ms(), act_late.silent_ms())) then
      return
    end
    if statistics and statistics.type == "cancelled" then
      if is_in_post_copy(move) == false and not known.stuck.free("aborted", 0) then
        return leave(move, moving, (move.gave_up or "it was aborted") .. ", and its abort does not end")
      end
    elseif statistics and statistics.type ~= "none" then
      move.last_statistics = statistics
      local fields = watch.progress_fields(statistics)
      -- libvirt copies the disks first and counts anew for the memory: a bar that falls back must say why.
      local what = #storage.copied(move) > 0 and fields.phase and ", " .. fields.phase or ""
      move.ctx:progress("move " .. move.name .. what, fields)
      steps[#steps + 1] = not move.in_post_copy and follower:next(statistics) or nil
    end
    if steps[1] and act.run(between_looks, move, steps[1]) then table.remove(steps, 1) end
    if move.in_post_copy then steps = {} end
    local is_over = looked and answered and not (statistics and statistics.type ~= "none")
    local is_aborted = statistics and statistics.type == "cancelled"
    if looked and answered then
      known.over_ms, known.ended = is_over and (known.over_ms or async.monotonic_ms()) or nil, guest_ended
    end
    if bear_no_return(move, moving, known) then return end
    local may_act = not is_over and not is_aborted and not known.acted and not known.may_be_in_post_copy
    if may_act and is_late(move, known.began_ms) then
      local _, done = act_late.run(between_looks, move,
        { action = p.timeout_action, reason = "it took longer than --timeout allows" })
      known.acted = done
    end
  end
end

return watch
