-- Shows what every script starts with: globals that help, waiting in coroutines, JSON, and what eval and scripts leave.
local test = require "test"
local fakes = test.load(..., "fakes")
local machine = require("native.host").local_machine()

local drover = machine:query({ "readlink", "/proc/" .. fakes.read("/proc/self/stat"):match("^%d+") .. "/exe" }).output
  :gsub("\n", "")

local function run(...)
  local request = { drover, ... }
  request.check, request.timeout_ms = false, 20000
  return machine:exec(request)
end

test.case("a global that is not there names the nearest", function()
  local ok, problem = pcall(load "return untis")
  test.equal(ok, false)
  test.matches(problem, "'untis' is not defined; did you mean 'units'%?")
end)

test.case("every global that the prelude offers loads", function()
  local text = fakes.read(require("drover.core").stdlib .. "/prelude.lua")
  local seen = 0
  for name in text:match("\nlocal lazy = (%b{})"):gmatch('= "([%w_.]+)"') do
    seen = seen + 1
    test.is_true(_G[name], name)
  end
  test.is_true(seen > 15, "names seen: " .. seen)
end)

test.case("generators may wait, and errors come out of coroutine.wrap", function()
  local generate = coroutine.wrap(function()
    for index = 1, 3 do
      async.sleep(1)
      coroutine.yield(index)
    end
    errors.raise { code = "OVER", message = "over" }
  end)
  test.equal({ generate(), generate(), generate() }, { 1, 2, 3 })
  test.raises("OVER", generate)
end)

test.case("JSON: what has no form is refused, what comes from outside is bounded", function()
  test.equal(json.encode { 1, "a", true, { b = 1 } }, '[1,"a",true,{"b":1}]')
  test.equal({ json.encode {}, json.encode(json.array {}) }, { "{}", "[]" })
  for _, wrong in ipairs { { 1, 2, x = 3 }, { [1] = 1, [4] = 4 }, { [1.5] = 1 }, { print } } do
    test.raises("BAD_ARGUMENT", json.encode, wrong)
  end
  local cycle = {}
  cycle.own = cycle
  test.raises("BAD_ARGUMENT", json.encode, cycle)
  test.raises("BAD_JSON", json.decode, "{")
  test.raises("BAD_JSON", json.decode, ("["):rep(100000) .. ("]"):rep(100000))
  test.is_true(json.decode("18446744073709551615") > 0, "no negative number")
  test.equal(json.encode("a\xffb"), '"a\u{fffd}b"')
end)

test.case("eval prints values, takes arguments, and its exit codes tell use from failure", function()
  test.equal(run("eval", "1 + 1, 'x', { a = 1 }").output, "2\nx\n{ a = 1 }\n")
  test.equal(run("eval", "return select('#', ...), ...", "a", "b").output, "2\na\nb\n")
  test.equal(run("--json", "eval", "{ a = 1 }").output, '{"a":1}\n')
  test.equal({ run("eval", "foo(").exit_code, run("eval", "error 'x'").exit_code, run("eval", "1").exit_code }, { 2,
    1, 0 })
  local plain = run("eval", "error { code = 'NO_LUCK', message = 'none today', hint = 'wait' }")
  test.equal({ plain.exit_code, plain.errors }, { 1, "drover: none today\n  wait\n" })
  test.equal(run("eval", "error { code = 'NO_LUCK' }").errors, "drover: NO_LUCK\n")
end)

test.case("what eval leaves open is closed, last first, also after an error", function()
  local result = run("eval", [[
    local a = virt.connect "test:///default"
    kept = a
    error "after all"]])
  test.equal(result.exit_code, 1)
  test.matches(result.errors, "^drover: eval:%d: after all\n$")
end)

test.case("a script has its arguments, its exit code, and its file in errors", function()
  local folder <close> = fakes.folder()
  local path = fakes.write(folder.path .. "/script.lua", [[#!/usr/bin/env drover
    print(select("#", ...), ..., arg[0] ~= nil)
    if ... == "fail" then error "here" end
    return tonumber(...)]])
  test.equal({ run(path, "7").output, run(path, "7").exit_code }, { "1\t7\ttrue\n", 7 })
  test.matches(run(path, "fail").errors, "^drover: .*script.lua:3: here")
  test.equal(run(path, "fail").exit_code, 1)
  test.equal(run("--json", path, "3").exit_code, 3)
  test.equal(run(folder.path .. "/none.lua").exit_code, 2)
  test.equal(run(folder.path .. "/").exit_code, 2)
  fakes.write(path, "return (")
  test.equal(run(path).exit_code, 2)
end)

test.case("print and steps keep their order when the output is a pipe", function()
  test.equal(run("eval", "print 'first' terminal.write 'second\\n' print 'third'").output, "first\nsecond\nthird\n")
end)

test.case("a report shows a history with missing fields and torn rows", function()
  local folder <close> = fakes.folder()
  local store = journal.open { path = folder.path .. "/journal.db" }
  store:begin_run { id = "one", playbook = "toy" }
  for _, data in ipairs { "{}", "not json", '{"step":null,"elapsed_ms":"x"}', "[]",
    '{"step":"s","ok":true,"elapsed_ms":5}' } do
    store:add_event("one", "step", data)
    store:add_event("one", "warning", data)
  end
  store:end_run("one", "failed", "not json")
  store:close()
  local result = machine:exec { drover, "report", check = false, environment = { DROVER_STATE = folder.path } }
  test.equal({ result.exit_code, result.errors }, { 0, "" })
  test.matches(result.output, "ok  s +5 ms")
  result = machine:exec { drover, "report", "--html", check = false, environment = { DROVER_STATE = folder.path } }
  test.equal({ result.exit_code, result.errors }, { 0, "" })
end)

test.case("reconcile refuses what is not two hosts", function()
  for _, hosts in ipairs { "a", "a,a", "a,b,c", "" } do
    test.equal(run("reconcile", "web1", "--hosts", hosts).exit_code, 2, hosts)
  end
  test.equal(run("reconcile", "web1").exit_code, 2)
end)
