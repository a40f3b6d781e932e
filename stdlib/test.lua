--- Tests of Lua code, run inside drover: `drover test FILE...`. A test file calls test.case for each behaviour.
-- Tested by tests/stdlib/test_test.lua.
local core = require "drover.core"
local display = require "display"
local errors = require "errors"

local test = {}

local cases = {}

--- Declares a case. Its name is a sentence about behaviour.
function test.case(name, body) cases[#cases + 1] = { name = name, body = body } end

local function fail(message) errors.raise { domain = "test", code = "TEST_FAILED", message = message } end

local function deep_equal(left, right)
  if left == right then return true end
  if type(left) ~= "table" or type(right) ~= "table" then return false end
  for key, value in next, left do
    if not deep_equal(value, rawget(right, key)) then return false end
  end
  for key in next, right do
    if rawget(left, key) == nil then return false end
  end
  return true
end

--- Fails unless both are equal, tables by their contents.
function test.equal(actual, expected, what)
  if deep_equal(actual, expected) then return end
  fail(("%sexpected %s, got %s"):format(what and what .. ": " or "", display.value(expected), display.value(actual)))
end

--- Fails unless value is true, or anything but false and nil.
function test.is_true(value, what)
  if not value then fail((what or "value") .. " is " .. tostring(value)) end
end

--- Fails unless value is nil.
function test.is_nil(value, what)
  if value ~= nil then fail((what or "value") .. " is not nil: " .. display.value(value)) end
end

--- Fails unless text has a match of the Lua pattern.
function test.matches(text, pattern)
  if type(text) ~= "string" or not text:find(pattern) then
    fail(("%s does not match %s"):format(display.value(text), display.value(pattern)))
  end
end

--- Fails unless f(...) raises an error object with that code; gives the error.
function test.raises(code, f, ...)
  local ok, problem = core.pcall(f, ...)
  if ok then fail("expected the error " .. code .. ", and nothing was raised") end
  if not errors.is(problem, code) then
    fail(("expected the error %s, got %s %s"):format(code, type(problem) == "table" and problem.code or "?",
      tostring(problem)))
  end
  return problem
end

--- What a Lua file beside the test file gives: test.load(..., "fakes") loads fakes.lua from the folder of the test,
-- whose path is the test file's own `...`.
function test.load(test_path, name)
  local path = (test_path:match("^(.*/)") or "") .. name .. ".lua"
  local file, problem = io.open(path, "rb")
  if not file then fail("cannot read " .. tostring(problem)) end
  local text = file:read("a")
  file:close()
  return core.load_source(text, "@" .. path)(path)
end

--- Gives fields of a module (or of any table) other values until the end of the block, however it ends:
-- local _ <close> = test.replace(reconcile, { settle = function() ... end })
function test.replace(module, values)
  local before = {}
  for name, value in pairs(values) do
    before[#before + 1] = { name = name, value = rawget(module, name) }
    rawset(module, name, value)
  end
  return setmetatable({}, { __close = function()
    for _, one in ipairs(before) do rawset(module, one.name, one.value) end
  end })
end

--- Runs the cases declared so far; report(name, ok, problem, elapsed_ms) after each. Gives counts passed, failed.
function test.run(report, filter)
  local passed, failed = 0, 0
  local due = cases
  cases = {}
  for _, one in ipairs(due) do
    if not filter or one.name:find(filter, 1, true) then
      local started_ms = async.monotonic_ms()
      local ok, problem = core.xpcall(one.body, core.complete_error)
      if not ok and core.is_cancellation(problem) then error(problem, 0) end
      if ok then passed = passed + 1 else failed = failed + 1 end
      report(one.name, ok, problem, async.monotonic_ms() - started_ms)
    end
  end
  return passed, failed
end

return test
