--- Who has the domain? Both hosts are asked, and a fixed table decides. Nothing here guesses.
--
-- An observation is { status =, reason =, job = boolean } with the status "none", "running", "paused", "shut off",
-- "unreachable", or what else libvirt says ("crashed", "pmsuspended"). decide() is pure; settle() looks until two looks
-- agree, acts, and looks again. Tested by tests/stdlib/reconcile_test.lua and the lab's tests.
local async = require "async"
local core = require "drover.core"
local errors = require "errors"
local units = require "units"

local reconcile = {}

-- Two looks that agree, this far apart, are one observation. One look takes no longer than longest_look.
local between_looks = "150ms"
local longest_look = "20s"

--- A job is asked of QEMU. One that stands still never answers, and libvirt has no limit of its own for it.
reconcile.longest_job_look = "8s"

-- How long a host that does not answer is asked again: a daemon that restarts is back in seconds.
local patience = "20s"

-- An act that did not take effect is tried again, so often.
local most_acts = 5

-- Whether a job runs on the domain. Raises QEMU_SILENT when that cannot be told.
local function has_job(one_host, domain, state)
  local ok, job = core.pcall(async.timeout, reconcile.longest_job_look, function()
    return errors.catch({ "OPERATION_INVALID", "UNSUPPORTED", "NO_DOMAIN" }, domain.job, domain)
  end)
  -- "cancelled" is a job whose abort was taken: it moves nothing more, and may hang on a QEMU that stands still.
  if ok then return job ~= nil and job.type ~= "none" and job.type ~= "cancelled" end
  if not errors.is(job, "TIMEOUT") and not errors.is(job, "DOMAIN_BUSY") then error(job, 0) end
  errors.raise { code = "QEMU_SILENT", host = one_host.name, where = false,
    message = ("the domain's QEMU does not answer, and libvirt there says %s (%s)"):format(state.state,
      tostring(state.reason)) }
end

--- What a host says of a domain (by UUID).
function reconcile.observe(one_host, uuid)
  local ok, result = core.pcall(async.timeout, longest_look, function()
    local domain = one_host.virt:find_domain(uuid)
    if not domain then return { status = "none" } end
    local state = domain:state()
    local observed = { status = "running", state = state.state, reason = state.reason, job = false }
    if state.state == "shutoff" then
      observed.status = "shut off"
    elseif state.state == "paused" then
      observed.status = "paused"
    elseif state.state ~= "running" and state.state ~= "blocked" and state.state ~= "shutdown" then
      observed.status = state.state
    end
    if observed.status ~= "shut off" then observed.job = has_job(one_host, domain, state) end
    return observed
  end, "asking " .. one_host.name)
  if ok then return result end
  if core.is_cancellation(result) then error(result, 0) end
  if errors.is(result, "NO_DOMAIN") then return { status = "none" } end
  return { status = "unreachable", problem = errors.wrap(result) }
end

-- A copy that libvirt was still filling when the move ended. One that ran and was paused later has the reason "user".
local never_ran = { migration = true, starting_up = true }

-- Whether the destination's copy never ran. `held`: libvirt was told to leave it paused, for drover to start it once
-- the source is proven off. libvirt then says "user" of a copy that is complete; a source that libvirt let go on,
-- because the destination's answer was lost, is the newer one.
local function is_idle_copy(s, d, held)
  if d.status ~= "paused" then return false end
  if never_ran[d.reason or ""] then return true end
  return held and d.reason == "user" and (s.reason == "migration" or s.reason == "migration_canceled")
end

local function is_post_copy(side) return side.reason == "post_copy" or side.reason == "post_copy_failed" end

-- A definition that is shut off for one of these reasons did not run since the move began: what a failed move leaves,
-- and what an older move away from there left. After "shutdown" or "crashed" the guest may have run there, and its
-- disks may be newer than the source's memory.
local did_not_run = { failed = true, migrated = true, unknown = true, daemon = true }

local function has_failed_post_copy(s, d)
  return s.reason == "post_copy_failed" or d.reason == "post_copy_failed"
end

local function is_off(side) return side.status == "none" or side.status == "shut off" end

local function operator(text, hint) return { action = "operator", text = text, hint = hint } end

local function broken_post_copy()
  return operator("a post-copy move broke: its memory is on both sides, and neither may be destroyed",
    "when the link is back, resume it: virsh migrate --postcopy-resume")
end

-- Whether the source's copy is to run again: libvirt paused it for the move, or it ran before and the policy paused it.
local function is_to_run(s, before)
  if before == "paused" then return false end
  return s.reason == "migration" or before == "running" and (s.reason == "user" or s.reason == "unknown")
end

-- Only the source has it, paused.
local function paused_alone(s, d, before)
  local where = "it is paused on the source (" .. tostring(s.reason) .. ")"
  if s.reason == "migration" and d.status == "shut off" and not did_not_run[d.reason or ""] then
    return operator(where .. ", and may have run on the destination, which is shut off (" .. tostring(d.reason) .. ")",
      "if it never ran there: virsh resume on the source; else start it there, and destroy the paused copy")
  end
  if is_to_run(s, before) then
    return { action = "resume", text = "only the source has it, paused", resume = "source" }
  end
  if before == "running" then
    return operator(where .. ", which is not the move's doing", "virsh resume, once it may")
  end
  return { action = "stayed", text = where .. (before == "paused" and ", as before" or "") }
end

-- Nobody runs it. "migrated" is what libvirt says of a source whose move was completed: from then on the destination's
-- disks are the newer ones, and what the guest wrote there before it stopped is nowhere else.
local function off_on_both(s, d)
  if s.status == "none" or s.reason == "migrated" and d.status == "shut off" then
    return { action = "moved", text = "it moved, and is shut off on the destination", shut_off = true }
  elseif s.reason == "migrated" then
    return operator("it moved, and the destination does not have it any more",
      "it stopped there, and had no definition; if its disks were copied, the newer ones are there")
  end
  return { action = "stayed", text = "it is shut off", shut_off = true }
end

-- The source is off, and the destination's complete copy waits for its start. "migrated" is libvirt's word that the
-- source stopped because the move was complete; after another end the source may have gone on first.
local function held_alone(s)
  if s.status == "none" or s.reason == "migrated" then
    return { action = "start", text = "it is complete on the destination, and the source is off",
      resume = "destination" }
  end
  return operator(("the destination's copy is complete and paused, and the source is shut off (%s): the guest may "
    .. "have gone on there"):format(tostring(s.reason)),
    "if it did not: virsh resume on the destination; else start it on the source, and destroy the paused copy")
end

-- A host does not answer. What the other one says is told: a guest that waits there is down until somebody acts.
local function out_of_reach(s, d, before, held)
  local name, silent, other_name, other = "destination", d, "source", s
  if s.status == "unreachable" then name, silent, other_name, other = "source", s, "destination", d end
  if silent.problem and errors.is(silent.problem, "QEMU_SILENT") then
    return operator(("on the %s %s: whether the guest runs, and whether the move goes on, is not known"):format(name,
      errors.message(silent.problem)),
      "see what its process waits for (a disk?), let it go on or end it there with virsh destroy; "
      .. "then: drover recover")
  end
  local text = ("the %s does not answer%s, and unknown is not off"):format(name,
    silent.problem and " (" .. errors.message(silent.problem) .. ")" or "")
  local hint = "bring it back and run 'drover recover', or prove that it is fenced"
  if other.status ~= "unreachable" and other.status ~= "none" then
    text = ("%s; on the %s it is %s (%s)"):format(text, other_name, other.status, tostring(other.reason))
  end
  if other == d and held and before == "running" and d.status == "paused" and d.reason == "user" then
    text = text .. ", complete, and waits for its start"
    hint = hint .. "; then, on the destination: virsh resume"
  end
  return operator(text, hint)
end

-- Each row: when it applies, and what it means. The first that applies wins; the order is from "never touch" to "act".
local rows = {
  { function(s, d) return s.status == "unreachable" or d.status == "unreachable" end, out_of_reach },
  { function(s, d) return s.status == "running" and d.status == "running" end, function()
    return operator("it runs on BOTH hosts; nothing was touched",
      "decide which copy is right, and stop the other by hand: virsh destroy")
  end },
  { has_failed_post_copy, function() return broken_post_copy() end },
  { function(s, d) return s.job or d.job end, function()
    return { action = "wait", text = "a job is still running" }
  end },
  { function(s, d) return s.status == "paused" and is_post_copy(s) or d.status == "paused" and is_post_copy(d) end,
    function() return broken_post_copy() end },
  { function(s, d) return s.status == "running" and is_off(d) end, function()
    return { action = "stayed", text = "it runs on the source, as before" }
  end },
  { function(s, d) return is_off(s) and d.status == "running" end, function()
    return { action = "moved", text = "it runs on the destination" }
  end },
  -- "unpaused": drover started the complete copy. libvirt lets nobody start one that it still fills.
  { function(s, d, _, held) return s.status == "paused" and s.reason == "migration" and d.status == "running"
    and (d.reason == "migrated" or held and d.reason == "unpaused") end, function()
    return { action = "finish", text = "it runs on the destination; the source's copy is paused", destroy = "source" }
  end },
  { function(s, d) return s.status == "paused" and is_off(d) end, paused_alone },
  { function(s, d, _, held) return s.status == "running" and is_idle_copy(s, d, held) end, function()
    return { action = "clean", text = "it runs on the source; the destination holds a copy that never ran",
      destroy = "destination" }
  end },
  { function(s, d, before, held) return s.status == "paused" and (s.reason == "migration" or before == "paused"
    or is_to_run(s, before)) and is_idle_copy(s, d, held) end, function(s, _, before)
    if not is_to_run(s, before) then
      return { action = "clean", text = "it is paused on the source, as before; the destination's copy never ran",
        destroy = "destination" }
    end
    return { action = "roll back", text = "paused on both sides, and no job is left", destroy = "destination",
      resume = "source" }
  end },
  { function(s, d) return is_off(s) and d.status == "paused" end, function(s, d, before, held)
    if held and d.reason == "user" and before == "running" then return held_alone(s) end
    -- libvirt says "user" of a domain that was to stay paused once its move was complete.
    if d.reason == "user" then
      return { action = "moved", text = "it is on the destination, paused",
        hint = "if it was to run: drover recover where the move was started, or else virsh resume on the destination" }
    end
    return operator("only the destination has it, paused (" .. tostring(d.reason) .. ")",
      "if you know that it is whole: virsh resume there")
  end },
  { function(s, d) return s.status == "shut off" and is_off(d) or s.status == "none" and d.status == "shut off" end,
    off_on_both },
  { function(s, d) return s.status == "none" and d.status == "none" end, function()
    return operator("neither host has it", "look at both hosts' logs; its definition is in 'drover report --json'")
  end },
}

-- Of a domain that is shut off on both hosts, with a definition at the destination that the move made: whether it is
-- known that it ran on the source to its end. A daemon that was restarted knows no reason any more.
local function ended_here(source, destination)
  if destination.reason == "failed" then return true end
  return did_not_run[destination.reason or ""] and not did_not_run[source.reason or ""]
end

local function decide_by_table(source, destination, before, held)
  for _, row in ipairs(rows) do
    if row[1](source, destination, before, held) then return row[2](source, destination, before, held) end
  end
  return operator(("source: %s (%s), destination: %s (%s): no rule covers this"):format(source.status,
    tostring(source.reason), destination.status, tostring(destination.reason)),
    "look at both hosts with virsh domstate --reason")
end

--- The decision for two observations. `before` is the state that the domain had ("running" or "paused", nil when not
-- known); destination_had is the status at the destination before the move (nil when not known); held: libvirt was told
-- to leave the destination's copy paused.
-- Gives { action, text, destroy =, resume =, undefine =, hint = }: without one of these three nothing is to be done.
function reconcile.decide(source, destination, before, destination_had, held)
  local decision = decide_by_table(source, destination, before, held)
  if decision.action ~= "stayed" or destination.status ~= "shut off" or destination_had ~= "none" then
    return decision
  end
  if source.status == "shut off" and not ended_here(source, destination) then
    return operator("it is shut off on both hosts, and may have run on the destination since",
      "look whose disks are newer; start it there, and undefine the other")
  end
  -- A2: what the move defined there goes again, once the source is seen to have it.
  decision.action, decision.undefine = "clean", "destination"
  decision.text = decision.text .. "; the destination has a definition that the move made"
  return decision
end

local function describe(side)
  local detail = side.reason or side.problem and errors.message(side.problem)
  return side.status .. (detail and " (" .. detail .. ")" or "")
end

local function same(left, right)
  return left.status == right.status and left.reason == right.reason and left.job == right.job
end

local function observe_both(source, destination, uuid)
  local seen = async.parallel({ source, destination }, function(one) return reconcile.observe(one, uuid) end)
  return seen[1], seen[2]
end

-- Asks both hosts until two looks in a row agree; gives them, and whether they did agree before the deadline.
local function observe_twice(source, destination, uuid, deadline_ms)
  local source_before, destination_before = observe_both(source, destination, uuid)
  while true do
    async.sleep(between_looks)
    local source_now, destination_now = observe_both(source, destination, uuid)
    local agree = same(source_before, source_now) and same(destination_before, destination_now)
    if agree or async.monotonic_ms() > deadline_ms then return source_now, destination_now, agree end
    source_before, destination_before = source_now, destination_now
  end
end

-- A forced stop of a side that the table proved to be a copy. Its state is read once more right before.
local function destroy(one_host, uuid, reason)
  local domain = one_host.virt:find_domain(uuid)
  if not domain then return end
  local state = domain:state()
  if state.state ~= "paused" or state.reason ~= reason then
    errors.raise { code = "STATE_CHANGED", host = one_host.name, where = false,
      message = ("it was paused (%s) and is %s (%s) now; nothing was destroyed"):format(tostring(reason), state.state,
        tostring(state.reason)) }
  end
  domain:destroy()
end

-- The definition that the move left at a host where there was none before. libvirt refuses when more hangs on it.
local function undefine(one_host, uuid)
  local domain = one_host.virt:find_domain(uuid)
  if domain and not domain:is_active() then domain:undefine { nvram = "keep" } end
end

local function act(decision, hosts, seen, uuid)
  local side = decision.destroy
  if side then destroy(hosts[side], uuid, seen[side].reason) end
  if decision.resume then
    local domain = hosts[decision.resume].virt:domain(uuid)
    if domain:state().state == "paused" then domain:resume() end
  end
  if decision.undefine then undefine(hosts[decision.undefine], uuid) end
end

local function todo(decision)
  local words = {}
  for _, verb in ipairs { "destroy", "resume", "undefine" } do
    if decision[verb] then words[#words + 1] = ("%s it on the %s"):format(verb, decision[verb]) end
  end
  return #words > 0 and table.concat(words, ", ") or nil
end

-- A connection that broke stays broken; the host may be well.
local function reopen(hosts, seen)
  for side, one in pairs(hosts) do
    if seen[side].status == "unreachable" and one.reopen_virt then core.pcall(one.reopen_virt, one) end
  end
end

-- Looks until what is seen calls for an act or for nothing more: patient with a host that does not answer and with a
-- job that still runs.
local function look_until_clear(hosts, uuid, options, deadline_ms)
  local patience_ms = async.monotonic_ms() + units.duration_ms(options.patience or patience)
  while true do
    local first, second, agree = observe_twice(hosts.source, hosts.destination, uuid, deadline_ms)
    local seen = { source = first, destination = second }
    if not agree then return operator("the hosts' answers keep changing", "look again: drover reconcile"), seen end
    local decision = reconcile.decide(seen.source, seen.destination, options.before, options.destination_had,
      options.held)
    local now_ms = async.monotonic_ms()
    local silent = seen.source.status == "unreachable" or seen.destination.status == "unreachable"
    if not (silent and now_ms < patience_ms or decision.action == "wait" and now_ms < deadline_ms) then
      return decision, seen
    end
    if silent then reopen(hosts, seen) end
    async.sleep("500ms")
  end
end

-- Looks and acts until nothing is left to do.
local function look_and_act(hosts, uuid, options, deadline_ms)
  local last_problem
  for _ = 1, most_acts do
    local decision, seen = look_until_clear(hosts, uuid, options, deadline_ms)
    if not todo(decision) or options.act == false then return decision, seen end
    local ok, problem = core.pcall(act, decision, hosts, seen, uuid)
    if not ok and core.is_cancellation(problem) then error(problem, 0) end
    last_problem = not ok and problem or nil
  end
  local decision, seen = look_until_clear(hosts, uuid, options, deadline_ms)
  if not todo(decision) then return decision, seen end
  return operator(("%s; to %s was tried %d times: %s"):format(decision.text, todo(decision), most_acts,
    last_problem and errors.message(last_problem) or "it had no effect"), "do it by hand"), seen
end

local outcomes = { stayed = "stayed", moved = "moved" }

--- Asks both hosts, waits for a job that still runs, acts on the table, and asks again. options: before = state,
-- destination_had = status there before the move, held = true when the destination's copy was to stay paused until
-- drover starts it, wait = duration (a job of a dead drover may run to its end, default
-- 30m), patience = duration with a host that does not answer, act = false to decide only.
-- Gives { outcome = "stayed" | "moved" | "operator" | "pending", action =, text =, hint =, todo =, source =,
-- destination = }; pending only with act = false, when something is to be done.
function reconcile.settle(source, destination, uuid, options)
  options = options or {}
  local deadline_ms = async.monotonic_ms() + units.duration_ms(options.wait or "30m")
  local hosts = { source = source, destination = destination }
  local decision, seen = look_and_act(hosts, uuid, options, deadline_ms)
  if decision.action == "wait" then
    decision.text = "a job still runs on it"
    decision.hint = "wait for its end, then: drover recover"
  end
  return { outcome = outcomes[decision.action] or todo(decision) and "pending" or "operator", action = decision.action,
    text = decision.text, hint = decision.hint, todo = todo(decision), shut_off = decision.shut_off,
    source = describe(seen.source), destination = describe(seen.destination) }
end

return reconcile
