--- Who has the domain? Both hosts are asked, and a fixed table decides (reconcile/decision.lua). Nothing here guesses.
--
-- settle() looks until two looks agree, acts, and looks again. Tested by tests/stdlib/reconcile_test.lua and the lab's
-- tests.
local async = require "async"
local core = require "drover.core"
local decision = require "reconcile.decision"
local domain_process = require "domain_process"
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

--- The host that connect() gives. Where it gives none now, what stands in its place says at every look that it does not
-- answer, and why; settle() tries again to connect.
function reconcile.reach(name, connect)
  local ok, result = core.pcall(connect)
  if ok then return result end
  if core.is_cancellation(result) then error(result, 0) end
  return { name = name, problem = errors.wrap(result), connect = connect }
end

--- In place of a host that is proven not to run anything: its operator says so.
function reconcile.fenced_host(name) return { name = name, is_fenced = true } end

--- What a host says of a domain (by UUID).
function reconcile.observe(one_host, uuid)
  if one_host.is_fenced then return { status = "shut off", reason = "fenced", job = false } end
  if one_host.problem then return { status = "unreachable", problem = one_host.problem } end
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

--- The decision for two observations and what is known of the move: see reconcile/decision.lua. Nothing is asked.
function reconcile.decide(source, destination, record) return decision.decide(source, destination, record) end

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

--- Removes the definition that a move left at a host where there was none before. libvirt refuses when more hangs on
-- it; one that is active stays.
function reconcile.undefine(one_host, uuid)
  local domain = one_host.virt:find_domain(uuid)
  if domain and not domain:is_active() then domain:undefine { nvram = "keep" } end
end

local function act(decided, hosts, seen, uuid)
  local side = decided.destroy
  if side then destroy(hosts[side], uuid, seen[side].reason) end
  if decided.resume then
    local domain = hosts[decided.resume].virt:domain(uuid)
    if domain:state().state == "paused" then domain:resume() end
  end
  if decided.undefine then reconcile.undefine(hosts[decided.undefine], uuid) end
end

local function todo(decided)
  local words = {}
  for _, verb in ipairs { "destroy", "resume", "undefine" } do
    if decided[verb] then words[#words + 1] = ("%s it on the %s"):format(verb, decided[verb]) end
  end
  return #words > 0 and table.concat(words, ", ") or nil
end

-- A connection that broke stays broken; the host may be well.
local function reopen(hosts, seen)
  for side, one in pairs(hosts) do
    if one.problem and one.connect then
      local ok, result = core.pcall(one.connect)
      if not ok and core.is_cancellation(result) then error(result, 0) end
      if ok then hosts[side] = result else one.problem = errors.wrap(result) end
    elseif seen[side].status == "unreachable" and one.reopen_virt then
      core.pcall(one.reopen_virt, one)
    end
  end
end

-- Whether the source's process is the one that was written down. It is read after the looks at the domain: what it is
-- now, it was then. nil when that cannot be told.
local function has_same_process(hosts, seen, options, uuid)
  local is_asked_for = seen.source.status == "running" or seen.source.status == "paused"
  if not (options.process and is_asked_for) then return nil end
  local ok, now = core.pcall(async.timeout, longest_look, function()
    return domain_process.read(hosts.source, options.process.name, uuid)
  end, "asking " .. hosts.source.name)
  if not ok and core.is_cancellation(now) then error(now, 0) end
  if not ok or not now then return nil end
  return now == options.process.is
end

local function decide(hosts, seen, options, uuid, done)
  return decision.decide(seen.source, seen.destination, { before = options.before,
    destination_had = options.destination_had, held = options.held, persistent = options.persistent,
    complete = options.complete, same_process = has_same_process(hosts, seen, options, uuid),
    destroyed_idle_copy = done.destroyed_idle_copy })
end

-- Looks until what is seen calls for an act or for nothing more: patient with a host that does not answer, with what
-- may be over in a moment, and with a job that still runs.
local function look_until_clear(hosts, uuid, options, deadline_ms, done)
  local patience_ms = async.monotonic_ms() + units.duration_ms(options.patience or patience)
  while true do
    local first, second, agree = observe_twice(hosts.source, hosts.destination, uuid, deadline_ms)
    local seen = { source = first, destination = second }
    local now_ms = async.monotonic_ms()
    local silent = seen.source.status == "unreachable" or seen.destination.status == "unreachable"
    if not agree then
      return { action = "operator", text = "the hosts' answers keep changing", hint = "look again: drover reconcile",
        is_unknown = true }, seen
    end
    local decided = decide(hosts, seen, options, uuid, done)
    decided.is_unknown = silent or decided.action == "wait"
    local is_patient = (silent or decided.may_pass) and now_ms < patience_ms
    if not (is_patient or decided.action == "wait" and now_ms < deadline_ms) then
      return decided, seen
    end
    if silent then reopen(hosts, seen) end
    async.sleep("500ms")
  end
end

-- Looks and acts until nothing is left to do.
local function look_and_act(hosts, uuid, options, deadline_ms)
  local last_problem
  local done = {}
  for _ = 1, most_acts do
    local decided, seen = look_until_clear(hosts, uuid, options, deadline_ms, done)
    if not todo(decided) or options.act == false then return decided, seen end
    local ok, problem = core.pcall(act, decided, hosts, seen, uuid)
    if not ok and core.is_cancellation(problem) then error(problem, 0) end
    last_problem = not ok and problem or nil
    done.destroyed_idle_copy = done.destroyed_idle_copy or ok and decided.destroy == "destination"
  end
  local decided, seen = look_until_clear(hosts, uuid, options, deadline_ms, done)
  if not todo(decided) then return decided, seen end
  return { action = "operator", hint = "do it by hand", text = ("%s; to %s was tried %d times: %s"):format(decided.text,
    todo(decided), most_acts, last_problem and errors.message(last_problem) or "it had no effect") }, seen
end

local outcomes = { stayed = "stayed", moved = "moved" }

--- Asks both hosts, waits for a job that still runs, acts on the table, and asks again. options: what is known of the
-- move (before, destination_had, held, persistent, complete: see reconcile/decision.lua), process = { name =, is = } of
-- the source's domain before the move (see domain_process.read), wait = duration (a job of a dead drover may run to its
-- end, default 30m), patience = duration with a host that does not answer, act = false to decide only.
-- Gives { outcome = "stayed" | "moved" | "operator" | "pending", action =, text =, hint =, todo =, source =,
-- destination =, is_unknown = }; pending only with act = false, when something is to be done. is_unknown: the move may
-- still be going on.
function reconcile.settle(source, destination, uuid, options)
  options = options or {}
  local deadline_ms = async.monotonic_ms() + units.duration_ms(options.wait or "30m")
  local hosts = { source = source, destination = destination }
  local decided, seen = look_and_act(hosts, uuid, options, deadline_ms)
  if decided.action == "wait" then
    decided.text = "a job still runs on it"
    decided.hint = "wait for its end, then: drover recover"
  end
  return { outcome = outcomes[decided.action] or todo(decided) and "pending" or "operator", action = decided.action,
    text = decided.text, hint = decided.hint, todo = todo(decided), shut_off = decided.shut_off,
    is_unknown = decided.is_unknown or nil, source = describe(seen.source), destination = describe(seen.destination) }
end

return reconcile
