--- Who has the domain? Both hosts are asked, and a fixed table decides. Nothing here guesses.
--
-- An observation is { status = "none" | "running" | "paused" | "shut off" | "unreachable", reason =, job = boolean }.
-- decide() is pure; settle() asks twice and acts. Tested by tests/stdlib/reconcile_test.lua and the lab's tests.
local async = require "async"
local core = require "drover.core"
local errors = require "errors"
local units = require "units"

local reconcile = {}

-- Two looks that agree, this far apart, are one observation.
local between_looks = "150ms"

--- What a host says of a domain (by UUID).
function reconcile.observe(one_host, uuid)
  local ok, result = core.pcall(function()
    local domain = one_host.virt:find_domain(uuid)
    if not domain then return { status = "none" } end
    local state = domain:state()
    local observed = { status = "running", state = state.state, reason = state.reason, job = false }
    if state.state == "shutoff" or state.state == "crashed" then
      observed.status = "shut off"
    elseif state.state == "paused" then
      observed.status = "paused"
    elseif state.state ~= "running" and state.state ~= "blocked" and state.state ~= "shutdown" then
      observed.status = state.state
    end
    if observed.status ~= "shut off" then
      local job = errors.catch({ "OPERATION_INVALID", "UNSUPPORTED", "NO_DOMAIN" }, domain.job, domain)
      observed.job = job ~= nil and job.type ~= "none"
    end
    return observed
  end)
  if ok then return result end
  if core.is_cancellation(result) then error(result, 0) end
  if errors.is(result, "NO_DOMAIN") then return { status = "none" } end
  return { status = "unreachable", problem = errors.wrap(result) }
end

local function is_post_copy(side) return side.reason == "post_copy" or side.reason == "post_copy_failed" end

-- A copy that libvirt was still filling when the move ended.
local never_ran = { migration = true, starting_up = true }

local function has_failed_post_copy(s, d)
  return s.reason == "post_copy_failed" or d.reason == "post_copy_failed"
end

local function operator(text, hint) return { action = "operator", text = text, hint = hint } end

local function broken_post_copy()
  return operator("a post-copy move broke: its memory is on both sides, and neither may be destroyed",
    "when the link is back, resume it: virsh migrate --postcopy-resume")
end

-- Each row: when it applies, and what it means. The first that applies wins; the order is from "never touch" to "act".
local rows = {
  { function(s, d) return s.status == "unreachable" or d.status == "unreachable" end, function(s)
    local side = s.status == "unreachable" and "source" or "destination"
    return operator("the " .. side .. " does not answer, and unknown is not off",
      "bring it back and run 'drover recover', or prove that it is fenced")
  end },
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
  { function(s, d) return s.status == "running" and (d.status == "none" or d.status == "shut off") end, function()
    return { action = "stayed", text = "it runs on the source, as before" }
  end },
  { function(s, d) return (s.status == "none" or s.status == "shut off") and d.status == "running" end, function()
    return { action = "moved", text = "it runs on the destination" }
  end },
  { function(s, d) return s.status == "paused" and s.reason == "migration" and d.status == "running"
    and d.reason == "migrated" end, function()
    return { action = "finish", text = "it runs on the destination; the source's copy is paused", destroy = "source" }
  end },
  { function(s, d) return s.status == "paused" and (d.status == "none" or d.status == "shut off") end,
  function(s, _, before)
    if before == "paused" and s.reason ~= "migration" then
      return { action = "stayed", text = "it is paused on the source, as before" }
    end
    return { action = "resume", text = "only the source has it, paused", resume = "source" }
  end },
  { function(s, d) return s.status == "running" and d.status == "paused" and never_ran[d.reason or ""] end, function()
    return { action = "clean", text = "it runs on the source; the destination holds a copy that never ran",
      destroy = "destination" }
  end },
  { function(s, d, before) return s.status == "paused" and (s.reason == "migration" or before == "paused")
    and d.status == "paused" and never_ran[d.reason or ""] end, function(s)
    if s.reason ~= "migration" then
      return { action = "clean", text = "it is paused on the source, as before; the destination's copy never ran",
        destroy = "destination" }
    end
    return { action = "roll back", text = "paused on both sides, and no job is left", destroy = "destination",
      resume = "source" }
  end },
  { function(s, d) return (s.status == "none" or s.status == "shut off") and d.status == "paused" end,
  function(_, d, before)
    if before == "paused" or d.reason == "user" then
      return { action = "moved", text = "it is on the destination, paused" }
    end
    return operator("only the destination has it, paused (" .. tostring(d.reason) .. ")",
      "if you know that it is whole: virsh resume there")
  end },
  { function(s, d) return s.status ~= "running" and d.status ~= "running" and
      (s.status == "shut off" or d.status == "shut off") end, function(s)
    return { action = s.status == "shut off" and "stayed" or "moved", text = "it is shut off", shut_off = true }
  end },
  { function(s, d) return s.status == "none" and d.status == "none" end, function()
    return operator("neither host has it", "look at both hosts' logs; its definition is in 'drover report --json'")
  end },
}

--- The decision for two observations. `before` is the state that the domain had ("running" or "paused").
-- Gives { action, text, destroy =, resume =, hint = }: actions stayed and moved need nothing more.
function reconcile.decide(source, destination, before)
  for _, row in ipairs(rows) do
    if row[1](source, destination, before) then return row[2](source, destination, before) end
  end
  return operator(("source: %s, destination: %s: no rule covers this"):format(source.status, destination.status),
    "look at both hosts with virsh domstate --reason")
end

local function describe(side) return side.status .. (side.reason and " (" .. side.reason .. ")" or "") end

local function same(left, right) return left.status == right.status and left.reason == right.reason end

local function observe_both(source, destination, uuid)
  local seen = async.parallel({ source, destination }, function(one) return reconcile.observe(one, uuid) end)
  return seen[1], seen[2]
end

-- Asks both hosts until two looks in a row agree.
local function observe_twice(source, destination, uuid, deadline_ms)
  local source_before, destination_before = observe_both(source, destination, uuid)
  while true do
    async.sleep(between_looks)
    local source_now, destination_now = observe_both(source, destination, uuid)
    local agree = same(source_before, source_now) and same(destination_before, destination_now)
    if agree or async.monotonic_ms() > deadline_ms then return source_now, destination_now end
    source_before, destination_before = source_now, destination_now
  end
end

-- A forced stop of a side that the table proved to be a copy. Its state is read once more right before.
local function destroy(one_host, uuid, name)
  local domain = one_host.virt:find_domain(uuid)
  if not domain then return end
  local state = domain:state().state
  if state ~= "paused" then
    errors.raise { code = "STATE_CHANGED", host = one_host.name, needs_operator = true, where = false,
      message = ("%s was paused and is %s now; nothing was destroyed"):format(name, state) }
  end
  domain:destroy()
end

local function act(decision, source, destination, uuid)
  local side = { source = source, destination = destination }
  if decision.destroy then destroy(side[decision.destroy], uuid, "the copy") end
  if decision.resume then
    local domain = side[decision.resume].virt:domain(uuid)
    if domain:state().state == "paused" then domain:resume() end
  end
end

local final = { stayed = "stayed", moved = "moved", finish = "moved", resume = "stayed", clean = "stayed",
  ["roll back"] = "stayed", operator = "operator" }

--- Asks both hosts, waits for a job that still runs, acts on the table. options: before = state, wait = duration (a job
-- of a dead drover may run to its end, default 30m), act = false to decide only.
-- Gives { outcome = "stayed" | "moved" | "operator", text =, hint =, source =, destination = }.
function reconcile.settle(source, destination, uuid, options)
  options = options or {}
  local deadline_ms = async.monotonic_ms() + units.duration_ms(options.wait or "30m")
  local decision, seen_source, seen_destination
  for _ = 1, 10 do
    repeat
      seen_source, seen_destination = observe_twice(source, destination, uuid, deadline_ms)
      decision = reconcile.decide(seen_source, seen_destination, options.before)
      if decision.action == "wait" then async.sleep("500ms") end
    until decision.action ~= "wait" or async.monotonic_ms() > deadline_ms
    local acted = options.act ~= false and (decision.destroy or decision.resume)
    if not acted then break end
    act(decision, source, destination, uuid)
  end
  local outcome = final[decision.action] or "operator"
  if decision.action == "wait" then
    decision.text = "a job still runs on it"
    decision.hint = "wait for its end, then: drover recover"
  end
  return { outcome = outcome, action = decision.action, text = decision.text, hint = decision.hint,
    shut_off = decision.shut_off, source = describe(seen_source), destination = describe(seen_destination) }
end

return reconcile
