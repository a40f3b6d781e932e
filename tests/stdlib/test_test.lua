-- Shows that a wrong expectation fails, and says what was seen: a test module that passes everything passes its own
-- tests too, so each of its functions is made to fail here.
local test = require "test"
local core = require "drover.core"
local fakes = test.load(..., "fakes")

local function failure(f, ...)
  local ok, problem = core.pcall(f, ...)
  if ok then error("it did not fail", 2) end
  if problem.code ~= "TEST_FAILED" then error("it failed otherwise: " .. tostring(problem), 2) end
  return problem.message
end

test.case("equal compares tables by their contents, numbers by their value, and names what it was about", function()
  test.equal({ 1, { a = { 2 } } }, { 1, { a = { 2 } } })
  test.equal(1, 1.0)
  test.equal(failure(test.equal, 1, 2), "expected 2, got 1")
  test.equal(failure(test.equal, { 1 }, { 1, 2 }, "list"), "list: expected { 1, 2 }, got { 1 }")
  test.equal(failure(test.equal, { 1, 2 }, { 1 }), "expected { 1 }, got { 1, 2 }")
  failure(test.equal, { a = 1 }, { a = 1, b = 2 })
  failure(test.equal, nil, false)
  failure(test.equal, "1", 1)
end)

test.case("is_true, is_nil and matches fail on what is not so", function()
  test.is_true(0)
  test.is_nil(nil)
  test.matches("abc", "^a.c$")
  test.equal(failure(test.is_true, nil, "the flag"), "the flag is nil")
  test.equal(failure(test.is_nil, {}), "value is not nil: {}")
  test.equal(failure(test.matches, "abc", "^b"), "abc does not match ^b")
  failure(test.matches, nil, "nil")
end)

test.case("raises wants that code, and gives the error", function()
  local function raise(code) errors.raise { code = code, message = "m" } end
  test.equal(test.raises("A", raise, "A").message, "m")
  test.equal(failure(test.raises, "A", function() end), "expected the error A, and nothing was raised")
  test.matches(failure(test.raises, "A", raise, "B"), "^expected the error A, got B ")
  test.matches(failure(test.raises, "A", error, "text"), "^expected the error A, got %? text")
end)

test.case("what is replaced is as before at the end of the block, also when that fails, and also what was not there",
  function()
    local module, seen = { kept = 1, changed = 2 }, nil
    test.matches(failure(function()
      local _ <close> = test.replace(module, { changed = 3, added = 4 })
      seen = { module.kept, module.changed, module.added }
      test.is_nil(seen, "the end of the block")
    end), "the end of the block")
    test.equal({ seen, module }, { { 1, 3, 4 }, { kept = 1, changed = 2 } })
  end)

local machine = require("native.host").local_machine()
local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")

-- What drover test says of a file with that text, and its exit code.
local function run_file(text, ...)
  local folder <close> = fakes.folder()
  local path = fakes.write(folder.path .. "/one_test.lua", text)
  local result = machine:exec { drover, "test", path, check = false, ... }
  local function plain(output) return (output:gsub(folder.path:gsub("%W", "%%%0"), "DIR")) end
  return plain(result.output), result.exit_code, plain(result.errors)
end

local three = [[
local test = require "test"
test.case("good", function() test.equal(1, 1) end)
test.case("bad", function() test.equal(1, 2) end)
test.case("after it", function() async.sleep(1) end)
]]

test.case("drover test runs all cases of a file, tells what failed and where, and exits with 1", function()
  test.equal({ run_file(three) }, { "FAILED DIR/one_test.lua: bad\n  DIR/one_test.lua:3: expected 2, got 1\n"
    .. "2 passed, 1 failed\n", 1, "" })
end)

test.case("--filter runs some; none is no success", function()
  test.equal({ run_file(three, "--filter", "after") }, { "1 passed, 0 failed\n", 0, "" })
  test.equal({ run_file(three, "--filter", "nothing") }, { "0 passed, 0 failed\n", 1, "" })
end)

test.case("a file that does not load is an error, not a file without tests", function()
  local output, code, said = run_file "this is no Lua"
  test.equal({ output, code }, { "", 1 })
  test.matches(said, "^drover: DIR/one_test.lua:1: ")
end)

test.case("an interrupt ends the run of tests; no later case is run", function()
  local output, code = run_file [[
    local test = require "test"
    test.case("cancelled", function() errors.raise { domain = "async", code = "CANCELLED", message = "stop" } end)
    test.case("later", function() print "ran" end)]]
  test.equal({ output, code }, { "", 130 })
end)
