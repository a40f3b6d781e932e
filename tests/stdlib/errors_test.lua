-- Shows how a script makes, reads and catches errors.
local test = require "test"
local core = require "drover.core"

test.case("raise gives an object with the place of the caller", function()
  local problem = test.raises("NO_LUCK", function()
    errors.raise { code = "NO_LUCK", message = "none today", hint = "wait" }
  end)
  test.matches(tostring(problem), "errors_test.lua:%d+: none today$")
  test.equal({ problem.domain, problem.hint, errors.message(problem) }, { "playbook", "wait", "none today" })
  test.is_true(#problem.traceback > 0, "traceback")
end)

test.case("where = false leaves the place out, and the host comes first once", function()
  local problem = errors.new { code = "X", message = "it broke", host = "kvm1" }
  test.equal(tostring(problem), "kvm1: it broke")
  problem = errors.new { code = "X", message = "kvm1 broke", host = "kvm1" }
  test.equal(tostring(problem), "kvm1 broke")
end)

test.case("a host that is only a part of a word or of a path is not named yet", function()
  local function line(host_name, message)
    return tostring(errors.new { code = "X", message = message, host = host_name })
  end
  test.equal(line("a", "/var/images/a.raw is there already"), "a: /var/images/a.raw is there already")
  test.equal(line("a", "cannot read"), "a: cannot read")
  test.equal(line("kvm1", "kvm10 and /kvm1 and kvm1.raw"), "kvm1: kvm10 and /kvm1 and kvm1.raw")
  test.equal(line("a", "a has no domain 'web1'"), "a has no domain 'web1'")
  test.equal(line("kvm1", "'kvm1' does not resolve"), "'kvm1' does not resolve")
  test.equal(line("kvm1", "no SSH session with kvm1: refused"), "no SSH session with kvm1: refused")
  test.equal(line("kvm1", "this is kvm1."), "this is kvm1.")
  test.equal(line("10.0.0.1", "no answer of 10.0.0.10"), "10.0.0.1: no answer of 10.0.0.10")
end)

test.case("catch gives nil and the error for the codes named, and passes others on", function()
  local value, problem = errors.catch("A", function() errors.raise { code = "A", message = "a" } end)
  test.equal({ value, problem.code }, { nil, "A" })
  test.equal({ errors.catch({ "A", "B" }, function(x) return x, 2 end, 1) }, { 1, 2 })
  test.raises("B", errors.catch, "A", function() errors.raise { code = "B", message = "b" } end)
end)

test.case("cancellation passes through pcall, catch and coroutines", function()
  local function cancelled() error(errors.new { code = "CANCELLED", message = "cancelled" }, 0) end
  test.raises("CANCELLED", function() pcall(cancelled) end)
  test.raises("CANCELLED", function() xpcall(cancelled, print) end)
  test.raises("CANCELLED", errors.catch, { "A" }, cancelled)
  test.raises("CANCELLED", coroutine.wrap(cancelled))
  test.equal(errors.is_cancellation(errors.new { code = "CANCELLED" }), true)
end)

test.case("any value becomes an error object that says something", function()
  test.equal(errors.wrap("x:1: boom").message, "x:1: boom")
  local plain = errors.wrap { code = "NO_LUCK", step = "the step" }
  test.equal({ tostring(plain), plain.code, plain.step, plain.domain }, { "NO_LUCK", "NO_LUCK", "the step",
    "playbook" })
  test.matches(tostring(errors.wrap {}), "neither message nor code")
  test.equal(errors.wrap(nil).message, "nil")
end)

test.case("an error of a binding names the function that was called, also when it waited", function()
  local machine = require("native.host").local_machine()
  test.equal(test.raises("NO_FILE", machine.read_file, machine, "/no/such/file").op, "host.Machine.read_file")
  test.equal(test.raises("CANCELLED", async.timeout, "1s", function() error(errors.new { code = "CANCELLED" },
    0) end).code,
    "CANCELLED")
end)

test.case("the first line outside of drover's own Lua is blamed", function()
  local problem = test.raises("BAD_ARGUMENT", function() json.encode(print) end)
  test.matches(problem.where, "errors_test.lua:%d+")
  test.is_true(core.is_cancellation(problem) == false, "no cancellation")
end)

test.case("a place is told with the whole path, however long it is", function()
  local path = "/srv/" .. ("p"):rep(100) .. "/web.lua"
  local function problem(code)
    local _, raised = core.xpcall(core.load_source(code, "@" .. path, _ENV), core.complete_error)
    return raised
  end
  test.equal(problem('errors.raise { code = "X", message = "no" }').where, path .. ":1")
  test.equal(problem("\nlocal x = nil; return x.field").message, path .. ":2: attempt to index a nil value (local 'x')")
  test.equal(problem("virt.connect(7)").where, path .. ":1")
end)
