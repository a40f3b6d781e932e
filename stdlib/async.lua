--- Waiting and doing several things at once. Scripts read as straight code: every call that waits lets other tasks run.
-- Tested by tests/stdlib/async_test.lua.
local core = require "drover.core"
local native = require "native.async"
local units = require "units"
local errors = require "errors"

local async = {}

for name, value in pairs(native) do async[name] = value end

--- Waits for an operation, such as async.spawn gives, and gives its results; other tasks go on. Raises its error.
function async.await(operation) return core.await(operation) end

-- Runs body(...) as a task of its own, and gives its operation. A task that a step starts belongs to the step.
local function spawn(body, ...)
  local scope = core.scope()
  if not scope or type(body) ~= "function" then return native.spawn(body, ...) end
  return native.spawn(function(...)
    core.set_scope(scope)
    return body(...)
  end, ...)
end

async.spawn = spawn

--- Waits for a duration: "500ms", "2s", "5m", or an integer of milliseconds.
function async.sleep(duration) return native.sleep_ms(units.duration_ms(duration)) end

-- Waits for an operation of a task; gives ok and the results or the error, cancellation included.
local function settle(task) return core.pcall(core.await, task) end

--- Runs body(item, index) for every item of a list, at most `limit` at once (all at once without it).
-- Gives the list of results, in order. The first error cancels the others, waits for them, and is raised.
function async.parallel(list, limit, body)
  if type(limit) == "function" then limit, body = nil, limit end
  local results, first_error = {}, nil
  local tasks, following = {}, 0
  local function work()
    while not first_error do
      following = following + 1
      local index = following
      if index > #list then return end
      results[index] = body(list[index], index)
    end
  end
  local function stop_all()
    for _, task in ipairs(tasks) do task:cancel() end
  end
  for _ = 1, math.min(limit or #list, #list) do
    tasks[#tasks + 1] = spawn(function()
      local ok, problem = core.xpcall(work, core.complete_error)
      if not ok and not first_error then
        first_error = problem
        stop_all()
      end
    end)
  end
  for _, task in ipairs(tasks) do
    local ok, problem = settle(task)
    if not ok then
      -- This task itself was cancelled while it waited: take the workers along, and let them end.
      first_error = first_error or problem
      stop_all()
      settle(task)
    end
  end
  if first_error then error(first_error, 0) end
  return results
end

--- Like parallel, but an error of one item does not stop the others. Gives a list of { ok, value or error }.
function async.each(list, limit, body)
  if type(limit) == "function" then limit, body = nil, limit end
  return async.parallel(list, limit, function(item, index)
    local ok, value = pcall(body, item, index)
    return ok and { ok = true, value = value } or { ok = false, error = errors.wrap(value) }
  end)
end

--- Runs body(); raises TIMEOUT when it takes longer than duration. What it waited for is cancelled.
function async.timeout(duration, body, what)
  local limit_ms = units.duration_ms(duration)
  local task = spawn(body)
  local expired = false
  local timer = spawn(function()
    native.sleep_ms(limit_ms)
    expired = true
    task:cancel()
  end)
  local results = table.pack(settle(task))
  timer:cancel()
  if results[1] then return table.unpack(results, 2, results.n) end
  local problem = results[2]
  if expired and core.is_cancellation(problem) then
    errors.raise { domain = "async", code = "TIMEOUT",
      message = (what or "it") .. " took longer than " .. units.format_duration(limit_ms) }
  end
  if core.is_cancellation(problem) and not task:ready() then
    task:cancel()
    settle(task)
  end
  error(problem, 0)
end

--- Asks test() again and again until it gives a true value, which is returned; nil after the duration.
function async.poll(duration, interval, test)
  local deadline_ms = native.monotonic_ms() + units.duration_ms(duration)
  local interval_ms = units.duration_ms(interval)
  while true do
    local value = test()
    if value then return value end
    local left_ms = deadline_ms - native.monotonic_ms()
    if left_ms <= 0 then return nil end
    native.sleep_ms(math.min(interval_ms, left_ms))
  end
end

-- How many shields are up: tasks that run at once may end theirs in any order.
local shields = 0

--- Runs body(...) with interrupts held back: the undo of a run must not be cut in half.
function async.shield(body, ...)
  shields = shields + 1
  native.set_shield(true)
  local results = table.pack(core.pcall(body, ...))
  shields = shields - 1
  native.set_shield(shields > 0)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- Runs body(), and then ending(ok, problem) with interrupts held back, however body ended and wherever an interrupt
-- falls. Gives what ending gives.
function async.finally(body, ending)
  local begun = false
  local function end_it(ok, problem)
    begun = true
    return ending(ok, problem)
  end
  local results = table.pack(core.pcall(function()
    local ok, problem = core.xpcall(body, core.complete_error)
    return async.shield(end_it, ok, problem)
  end))
  -- An interrupt between the two lines above.
  if not results[1] and not begun then return async.shield(end_it, false, results[2]) end
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

return async
