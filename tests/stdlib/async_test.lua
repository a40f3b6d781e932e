-- Shows that waiting never blocks another task, and how parallel, timeout and cancellation end.
local native = require "native.async"
local test = require "test"

local function elapsed_ms(body)
  local started = async.monotonic_ms()
  body()
  return async.monotonic_ms() - started
end

test.case("fifty tasks that wait wait together", function()
  local items = {}
  for index = 1, 50 do items[index] = index end
  local took = elapsed_ms(function()
    local doubled = async.parallel(items, function(item)
      async.sleep("200ms")
      return item * 2
    end)
    test.equal(doubled[50], 100)
  end)
  test.is_true(took < 1000, "elapsed " .. took)
end)

test.case("parallel keeps to its limit", function()
  local running, most = 0, 0
  async.parallel({ 1, 2, 3, 4, 5, 6 }, 2, function()
    running = running + 1
    most = math.max(most, running)
    async.sleep(5)
    running = running - 1
  end)
  test.equal(most, 2)
end)

test.case("the first error of parallel cancels the others and is raised", function()
  local finished = 0
  local took = elapsed_ms(function()
    local problem = test.raises("BROKEN", async.parallel, { 1, 2, 3 }, function(item)
      if item == 2 then errors.raise { code = "BROKEN", message = "two is broken" } end
      async.sleep("5s")
      finished = finished + 1
    end)
    test.matches(tostring(problem), "two is broken")
  end)
  test.equal(finished, 0)
  test.is_true(took < 1000, "elapsed " .. took)
end)

test.case("each gives a result for every item", function()
  local results = async.each({ 1, 2 }, function(item)
    if item == 1 then error("one") end
    return item
  end)
  test.equal(results[1].ok, false)
  test.equal(results[2], { ok = true, value = 2 })
end)

test.case("a timeout raises TIMEOUT and says what was slow", function()
  local problem = test.raises("TIMEOUT", async.timeout, "50ms", function() async.sleep("10s") end, "the nap")
  test.matches(tostring(problem), "the nap took longer than 50 ms")
  test.equal(async.timeout("1s", function() return 7 end), 7)
end)

test.case("cancellation passes through pcall and runs __close", function()
  local closed = false
  local task = async.spawn(function()
    local _ <close> = setmetatable({}, { __close = function()
      async.sleep(1)  -- waiting is allowed here
      closed = true
    end })
    pcall(async.sleep, "10s")
    error("not reached")
  end)
  async.sleep(1)
  task:cancel()
  test.raises("CANCELLED", async.await, task)
  test.is_true(closed, "closed")
end)

test.case("a script's own coroutines may wait", function()
  local produce = coroutine.wrap(function()
    async.sleep(1)
    coroutine.yield("first")
    async.sleep(1)
    coroutine.yield("second")
  end)
  test.equal(produce(), "first")
  test.equal(produce(), "second")
end)

test.case("a stray yield is an error and not a hang", function()
  test.raises("STRAY_YIELD", async.await, async.spawn(function() coroutine.yield(1) end))
end)

test.case("waiting where Lua cannot yield names the reason", function()
  local ok, problem = pcall(table.sort, { 2, 1 }, function() async.sleep(1) end)
  test.equal(ok, false)
  test.matches(tostring(problem), "cannot wait")
end)

test.case("poll gives the first true value, or nil when the time is over", function()
  local tries = 0
  test.equal(async.poll("1s", 1, function() tries = tries + 1 return tries == 3 and "there" end), "there")
  test.is_nil(async.poll(20, 5, function() return false end))
end)

test.case("no hook slows down code that nobody interrupts, in tasks and coroutines neither", function()
  test.is_nil(debug.gethook())
  test.is_nil(coroutine.wrap(function() return debug.gethook() end)())
  test.is_nil(async.parallel({ 1 }, function() return debug.gethook() end)[1])
end)

test.case("finally ends what began, whatever came of it, and gives or raises what the ending does", function()
  local seen = {}
  test.equal(async.finally(function() return 1 end, function(ok, problem)
    seen[1] = { ok, problem }
    return "ended"
  end), "ended")
  local problem = test.raises("X", async.finally, function() errors.raise { code = "X", message = "x" } end,
    function(ok, why)
      seen[2] = ok
      error(why, 0)
    end)
  test.equal({ seen, problem.message }, { { { true, 1 }, false }, "x" })
  test.raises("Y", async.finally, function() end, function() errors.raise { code = "Y", message = "y" } end)
end)

test.case("shields of tasks that run at once hold until the last one ends, in whatever order they end", function()
  local function is_shielded()
    local before = native.set_shield(true)
    native.set_shield(before)
    return before
  end
  local seen = {}
  async.parallel({ 10, 40 }, function(delay_ms)
    async.sleep(delay_ms // 10)
    async.shield(function()
      async.sleep(delay_ms)
      seen[#seen + 1] = is_shielded()
    end)
  end)
  test.equal({ seen, is_shielded() }, { { true, true }, false })
end)

test.case("sleep_ms lets a time pass, in which other tasks go on; sleep takes it as people write it", function()
  local seen = {}
  local started_ms = async.monotonic_ms()
  local other = async.spawn(function() seen[#seen + 1] = "other" end)
  async.sleep_ms(30)
  seen[#seen + 1] = "slept"
  test.is_true(async.monotonic_ms() - started_ms >= 30)
  async.await(other)
  test.equal(seen, { "other", "slept" })
  test.raises("BAD_ARGUMENT", async.sleep_ms, -1)
end)
