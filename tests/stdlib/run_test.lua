-- Shows how a run goes and ends: steps, checks, faults, states, and what a plan does instead.
local test = require "test"
local playbook = require "playbook"
local run = require "run"
local fakes = test.load(..., "fakes")
local machine = require("native.host").local_machine()

-- A playbook of functions, as a loaded file would give it.
local function loaded(fields)
  fields.name, fields.summary, fields.params = "toy", "A toy.", {}
  fields.run = fields.run or function() end
  local definition = playbook(fields)
  return { definition = definition, name = "toy", file = "toy.lua", text = "" }
end

-- Runs it with a journal of its own; gives the context or nil, the error, the screen, and the run in the journal.
local function execute(fields, options)
  local folder <close> = fakes.folder()
  options = options or {}
  options.journal_path = folder.path .. "/journal.db"
  options.screen = fakes.screen()
  local ok, result = require("drover.core").pcall(run.execute, loaded(fields), {}, options)
  local store <close> = journal.open { path = options.journal_path }
  local one = store:runs()[1]
  one.entries = store:entries(one.id)
  one.events = store:events(one.id)
  return ok and result or nil, not ok and result or nil, options.screen, one
end

local there = {}

lease.kind {
  name = "run-toy", describe = function(a) return { host = a.host, text = "make " .. a.name,
    lines = { "the line" } } end,
  probe = function(a) return there[a.name] and "ours" or "absent" end,
  grant = function(a) there[a.name] = true end,
  revoke = function(a)
    if a.stuck then errors.raise { code = "STUCK", message = "cannot be taken away", host = "kvm2" } end
    there[a.name] = nil
  end,
  planned = function(a) return { path = "/planned/" .. a.name } end,
}
lease.undo_kind { name = "run-toy-undo", describe = function() return { text = "undo the toy" } end,
  undo = function() there.made = nil end }

lease.follow_up_kind { name = "run-toy-after", describe = function() return { text = "follow the toy" } end,
  follow_up = function() end }

test.case("a run that ends well is done, its leases are gone, its work stays", function()
  local ctx, problem, screen, one = execute { run = function(ctx)
    ctx:undo("run-toy-undo", {})
    there.made = true
    ctx:lease("run-toy", { name = "a" })
    test.equal(ctx:step("the step", function() return 1, 2 end), 1)
    ctx:report("name", "text")
  end }
  test.is_nil(problem)
  test.equal({ there, one.state, one.object }, { { made = true }, "done", "" })
  test.equal(ctx.rows, { { "name", "text" }, { "granted and taken back", "run-toy" } })
  test.equal(screen.steps, { { label = "the step", ok = true } })
  there = {}
end)

test.case("a run that fails is undone; its error has the step and the place", function()
  local _, problem, screen, one = execute { run = function(ctx)
    ctx:undo("run-toy-undo", {})
    there.made = true
    ctx:lease("run-toy", { name = "a" })
    ctx:step("the step", function() ctx:ensure(false, "%d is wrong\nset it right", 5) end)
  end }
  test.equal({ there, one.state, problem.code, problem.step, problem.hint },
    { {}, "failed", "CHECK_FAILED", "the step", "set it right" })
  test.matches(tostring(problem), "run_test.lua:%d+: 5 is wrong$")
  test.equal(screen.steps[1].ok, false)
  test.equal(json.decode(one.error).message, "5 is wrong")
  test.equal(problem.run, one.id)
end)

test.case("ensure takes a text with percent signs as it is, and gives its condition", function()
  local _, problem = execute { run = function(ctx) ctx:ensure(nil, "100% wrong") end }
  test.equal(problem.message, "100% wrong")
  local ctx = execute { run = function(ctx) ctx:report("x", ctx:ensure("value", "no")) end }
  test.equal(ctx.rows[1][2], "value")
end)

test.case("an error thrown as a plain table keeps its code, and a text its place", function()
  local _, problem = execute { run = function(ctx) ctx:step("s", function() error { code = "OWN",
    message = "mine" } end) end }
  test.equal({ problem.code, problem.message, problem.step }, { "OWN", "mine", "s" })
  _, problem = execute { run = function() error "plain" end }
  test.matches(tostring(problem), "run_test.lua:%d+: plain")
end)

test.case("after a commit a failure leaves the work", function()
  local _, problem, _, one = execute { run = function(ctx)
    ctx:undo("run-toy-undo", {})
    there.made = true
    ctx:commit()
    error "late"
  end }
  test.is_true(problem, "it failed")
  test.equal({ there, one.state }, { { made = true }, "failed" })
  there = {}
end)

test.case("Ctrl-C ends a run as interrupted, undone", function()
  local _, problem, _, one = execute { run = function(ctx)
    ctx:lease("run-toy", { name = "a" })
    local own = async.spawn(function() async.sleep "20s" end)
    async.spawn(function() own:cancel() end)
    async.await(own)
  end }
  test.equal({ problem.code, one.state, there }, { "CANCELLED", "interrupted", {} })
end)

test.case("what is to be done at last is said once, with the run", function()
  local _, problem, _, one = execute { run = function(ctx)
    ctx:lease("run-toy", { name = "stuck", stuck = true })
    errors.raise { code = "NEEDS_OPERATOR", message = "m", hint = "look at it; then: drover recover" }
  end }
  test.equal(problem.hint, "look at it; then: drover recover " .. one.id)
  there = {}
end)

test.case("a lease that stays needs an operator; the first error comes first", function()
  local _, problem, screen, one = execute { run = function(ctx)
    ctx:lease("run-toy", { name = "free" })
    ctx:lease("run-toy", { name = "stuck", stuck = true })
    error "the first error"
  end }
  test.matches(problem.message, "the first error")
  test.equal({ #problem.suppressed, problem.suppressed[1].code, problem.needs_operator, one.state },
    { 1, "STUCK", true, "needs_operator" })
  test.matches(problem.hint, "drover recover " .. one.id:gsub("%-", "%%-"))
  test.matches(screen.warnings[1].message, "not taken back: make stuck: cannot be taken away")
  test.equal(there, { stuck = true })
  there = {}

  _, problem, _, one = execute { run = function(ctx) ctx:lease("run-toy", { name = "stuck", stuck = true }) end }
  test.equal({ problem.code, problem.needs_operator, one.state }, { "NOT_TAKEN_BACK", true, "needs_operator" })
  for _, event in ipairs(one.events) do
    test.is_nil(event.data:find("granted and taken back", 1, true))  -- nor would a later recovery change that row
  end
  there = {}
end)

test.case("exit codes: 1, 2, 3, 130, and 3 before 130", function()
  local show = require "show_error"
  local function code(fields)
    fields.message, fields.silent = "m", true
    return show(errors.new(fields), false, false)
  end
  test.equal({ code { code = "X" }, code { domain = "usage" }, code { needs_operator = true },
    code { code = "CANCELLED" },
    code { code = "CANCELLED", needs_operator = true } }, { 1, 2, 3, 130, 3 })
end)

test.case("Ctrl-C tells the step and whether the run's work stands, not the call in which it was heard", function()
  local function told(commits)
    local _, problem = execute { run = function(ctx)
      if commits then ctx:commit() end
      ctx:step("a long step", function() errors.raise { code = "CANCELLED", message = "cancelled: sleep" } end)
    end }
    local written = {}
    local _ <close> = test.replace(io, { stderr = {
      write = function(_, ...) written[#written + 1] = table.concat { ... } end } })
    test.equal(require "show_error"(problem, false, false), 130)
    return table.concat(written):match("^[^\n]+")
  end
  test.equal(told(false), "drover: interrupted in the step 'a long step'; nothing was changed")
  test.equal(told(true), "drover: interrupted in the step 'a long step'; the work was complete already, and stands")
end)

-- The lines that a person sees of a failed run of that body.
local function lines_of(body, options)
  local _, problem, _, one = execute({ run = body }, options)
  local written = {}
  local _ <close> = test.replace(io, { stderr = {
    write = function(_, ...) written[#written + 1] = table.concat { ... } end } })
  require "show_error"(problem, false, false)
  return table.concat(written):gsub("%d+%-%d+%-%x+", "ID"), problem, one
end

test.case("a failure tells what became of the run, and where it can be read again", function()
  test.matches(lines_of(function() error "no" end), "\n  nothing was changed; drover report ID tells it again\n$")
  test.matches(lines_of(function(ctx)
    ctx:lease("run-toy", { name = "a" })
    error "no"
  end), "\n  what the run did is undone; drover report ID tells it again\n$")
  test.matches(lines_of(function(ctx)
    ctx:commit()
    error "no"
  end), "\n  the work was complete already, and stands; drover report ID tells it again\n$")
end)

test.case("what a step changes is named as not undone, but for what a lease or an undo takes back", function()
  local folder <close> = fakes.folder()
  local function touch(name) machine:exec { "touch", folder.path .. "/" .. name } end
  local text, problem, one = lines_of(function(ctx)
    ctx:step("bare", function()
      touch "a"
      touch "a"
      ctx:parallel({ "b" }, touch)
      coroutine.wrap(touch) "c"
      machine:write_file(folder.path .. "/d", "a secret")
    end)
    ctx:step("with an undo", function()
      touch "before"
      ctx:undo("run-toy-undo", {})
      touch "after"
    end)
    ctx:undo("run-toy-undo", {})
    ctx:step("with an undo before it", function() ctx:parallel({ "e" }, touch) end)
    ctx:step("bare again", function() touch "f" end)
    error "no"
  end)
  local expected = {}
  for index, name in ipairs { "a", "b", "c", "d", "before", "f" } do
    expected[index] = (name == "d" and "write file %s/%s on localhost" or "run: touch %s/%s on localhost"):format(
      folder.path, name)
    test.is_true(text:find("\n  changed and not undone: " .. expected[index] .. "\n", 1, true), text)
  end
  test.equal(problem.changed, expected)
  test.matches(text, "its leases and undo entries, if any, are taken back; drover report")
  test.equal(one.events[1].type, "changed")
end)

test.case("what follows a commit and has a follow-up is not named, and the list is bounded", function()
  local _, problem = lines_of(function(ctx)
    ctx:follow_up("run-toy-after", {})
    ctx:commit()
    ctx:step("later", function() machine:exec { "true" } end)
    error "no"
  end)
  test.is_nil(rawget(problem, "changed"))
  _, problem = lines_of(function(ctx)
    ctx:step("many", function()
      for index = 1, 40 do machine:exec { "true", tostring(index) } end
    end)
    error "no"
  end)
  test.equal({ #problem.changed, problem.changed[21] }, { 21, "and more" })
end)

test.case("a run refuses what a plan refuses: a change outside of a step", function()
  local folder <close> = fakes.folder()
  local file = folder.path .. "/file"
  local _, problem = lines_of(function() machine:write_file(file, "text") end)
  test.equal(problem.code, "OUTSIDE_STEP")
  test.matches(problem.where, "run_test.lua:%d+$")
  test.is_nil(machine:stat(file))
  machine:write_file(file, "text")  -- and after a run that failed, changes are made again
end)

test.case("all faults of a check are raised at once, and nothing was run", function()
  local ran = false
  local _, problem, _, one = execute { check = function(ctx)
    ctx:fault("first", "hint one", "kvm1")
    ctx:fault("second")
  end, run = function() ran = true end }
  test.equal({ problem.code, #problem.faults, ran }, { "CHECK_FAILED", 2, false })
  test.matches(problem.message, "2 things stand in the way; nothing was changed")
  test.equal(json.decode(one.error).faults, { { message = "first", hint = "hint one", host = "kvm1" },
    { message = "second" } })
  _, problem = execute { check = function(ctx) ctx:fault("only", "its hint", "kvm1") end }
  test.equal({ tostring(problem), problem.hint }, { "kvm1: only", "its hint" })
end)

test.case("faults that were noted before the check broke off are told beside the error", function()
  local _, problem, _, one = execute { check = function(ctx)
    ctx:fault("first", "hint one", "kvm1")
    ctx:ensure(false, "broken off")
  end }
  test.equal({ problem.message, problem.faults }, { "broken off",
    { { message = "first", hint = "hint one", host = "kvm1" } } })
  test.equal(json.decode(one.error).faults, problem.faults)
  local written = {}
  local _ <close> = test.replace(io, { stderr = {
    write = function(_, ...) written[#written + 1] = table.concat { ... } end } })
  require "show_error"(problem, false, false)
  test.matches(table.concat(written), "broken off\n  found before that:\n  %- kvm1: first\n      hint one\n")
end)

test.case("a warning is shown once, and kept", function()
  local _, _, screen, one = execute { run = function(ctx)
    ctx:warn("careful", "or else")
    ctx:warn("careful")
  end }
  test.equal(screen.warnings, { { message = "careful", hint = "or else" } })
  test.equal(json.decode(one.events[1].data), { message = "careful", hint = "or else" })
end)

test.case("keep_on_failure leaves everything and lists it", function()
  local _, problem, screen, one = execute({ run = function(ctx)
    ctx:lease("run-toy", { name = "kept" })
    error "broken"
  end }, { keep_on_failure = true })
  test.equal({ there, one.kept, one.state, problem.code }, { { kept = true }, true, "failed", "LUA_ERROR" })
  test.equal(screen.notes, { "not taken back: make kept" })
  test.equal(screen.warnings[1].hint, "once you have looked: drover undo " .. one.id)
  there = {}
end)

test.case("keep_on_failure keeps nothing of a run that made nothing", function()
  local _, problem, screen, one = execute({ check = function(ctx) ctx:fault "no" end, run = function() end },
    { keep_on_failure = true })
  test.equal({ problem.code, one.kept, one.state, #screen.warnings }, { "CHECK_FAILED", false, "failed", 0 })
end)

test.case("a check that would change a host is refused, whatever runs it, and changes nothing", function()
  local folder <close> = fakes.folder()
  local file = folder.path .. "/file"
  local definition = { check = function() machine:write_file(file, "text") end, run = function() end }
  for _, runs in ipairs { run.check, run.plan } do
    local problem = test.raises("CHECK_CHANGES", runs, loaded(definition), {}, { screen = fakes.screen() })
    test.matches(tostring(problem), "run_test.lua:%d+: host.Machine.write_file may change a host, and check only reads")
  end
  local _, problem = execute(definition)
  test.equal({ problem.code, problem.hint }, { "CHECK_CHANGES", "do it in run, in a step" })
  _, problem = execute { check = function() machine:exec { "touch", file } end, run = function() end }
  test.matches(problem.hint, "query instead of exec")
  test.is_nil(machine:stat(file))
  machine:write_file(file, "text")  -- and after a check that failed, changes are made again
end)

test.case("a second run of a domain is refused with the first one's id", function()
  local folder <close> = fakes.folder()
  local path = folder.path .. "/journal.db"
  local first_id, second
  run.execute(loaded { run = function(ctx)
    ctx:about "uuid"
    first_id = ctx.run_id
    local ok
    ok, second = pcall(run.execute, loaded { run = function(inner) inner:about "uuid" end }, {},
      { journal_path = path, screen = fakes.screen() })
    test.equal(ok, false)
    -- A check, and a plan, say the same.
    local looks = loaded { check = function(inner) inner:about "uuid" end }
    for _, look in ipairs { run.check, run.plan } do
      test.raises("DOMAIN_BUSY", look, looks, {}, { journal_path = path, screen = fakes.screen() })
    end
  end }, {}, { journal_path = path, screen = fakes.screen() })
  test.equal(second.code, "DOMAIN_BUSY")
  test.is_true(second.message:find(first_id, 1, true), second.message)
end)

test.case("hosts are connected once, also by two tasks at once, and closed at the end", function()
  local made, closed = 0, 0
  local ctx = execute({ run = function(ctx)
    local seen = ctx:parallel({ 1, 2, 3 }, function() return ctx:host "kvm1" end)
    test.is_true(rawequal(seen[1], seen[3]), "one connection")
    ctx:use { close = function() closed = closed + 1 end }
    ctx:use { no_close = true }
  end }, { connect = function()
    made = made + 1
    async.sleep(20)
    return { close = function() closed = closed + 1 end }
  end })
  test.is_true(ctx, "done")
  test.equal({ made, closed }, { 1, 2 })
end)

test.case("a connection that fails for one task is tried by the next", function()
  local tries = 0
  execute({ run = function(ctx)
    test.raises("NO_CONNECTION", ctx.host, ctx, "kvm1")
    test.equal(ctx:host("kvm1").name, "kvm1")
  end }, { connect = function(name)
    tries = tries + 1
    if tries == 1 then errors.raise { code = "NO_CONNECTION", message = "no" } end
    return { name = name, close = function() end }
  end })
  test.equal(tries, 2)
end)

-- ---- plan ----

local function plan(body)
  local planned = run.plan(loaded { run = body }, {}, { screen = fakes.screen() })
  return planned
end

test.case("a plan records changes inside a step, in order, and makes none", function()
  local folder <close> = fakes.folder()
  local result = plan(function(ctx)
    local lease_result
    ctx:step("write", function()
      machine:write_file(folder.path .. "/file", "text")
      lease_result = ctx:lease("run-toy", { name = "a", host = "kvm2" })
      ctx:undo("run-toy-undo", {})
    end)
    test.equal(lease_result, { path = "/planned/a" })
    test.equal({ ctx.planning, machine:stat(folder.path .. "/file") }, { true })
    ctx:connection { from = "a", to = "b", port = 22, encrypted = true, purpose = "test" }
    ctx:commit()
  end)
  test.equal(#result.changes, 2)
  test.matches(result.changes[1].text, "^write file /%S+/file, text$")
  test.equal(result.changes[1].host, "localhost")
  test.equal({ result.changes[2].host, result.changes[2].temporary, result.changes[2].lines, result.changes[2].step },
    { "kvm2", true, { "the line" }, "write" })
  test.is_nil(machine:stat(folder.path .. "/file"))
  test.equal(there, {})
  local text = table.concat(result:text(), "\n")
  test.matches(text, "on kvm2\n +write:\n +2%. make a  %(taken away again%)\n +the line")
  test.matches(text, "a %-> b port 22, encrypted: test")
  test.equal(#json.decode(json.encode(result:data())).changes, 2)
end)

test.case("a change outside of a step refuses, before and after steps", function()
  local folder <close> = fakes.folder()
  local file = folder.path .. "/file"
  for _, body in ipairs {
    function() machine:write_file(file, "text") end,
    function(ctx)
      ctx:step("a step", function() end)
      machine:write_file(file, "text")
    end,
    function(ctx)
      pcall(ctx.step, ctx, "a step that fails", function() error "x" end)
      machine:write_file(file, "text")
    end,
  } do
    local problem = test.raises("OUTSIDE_STEP", plan, body)
    test.matches(problem.message, "write_file changes a host, and stands outside of a step")
    test.matches(problem.where, "run_test.lua:%d+$")
    test.is_nil(machine:stat(file))
  end
  machine:write_file(file, "text")  -- and after a plan that failed, changes are made again
  test.equal(machine:read_file(file), "text")
end)

test.case("reads are real while planning", function()
  plan(function(ctx) ctx:step("read", function() test.equal(machine:query({ "echo", "x" }).output, "x\n") end) end)
end)

test.case("check only checks, and writes no journal", function()
  local ran = false
  local warnings = run.check(loaded { check = function(ctx) ctx:warn "w" end, run = function() ran = true end }, {},
    { screen = fakes.screen() })
  test.equal({ warnings, ran }, { { { message = "w" } }, false })
end)
