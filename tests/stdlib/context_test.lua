-- Shows what a playbook's ctx does one call at a time: steps, faults, warnings, leases, hosts. How a whole run goes and
-- ends is shown by run_test.lua.
local test = require "test"
local context = require "context"
local core = require "drover.core"
local fakes = test.load(..., "fakes")

-- Runs body(ctx, screen, store) in a run of a journal of its own.
local function with_context(body, options)
  local folder <close> = fakes.folder()
  local store <close> = journal.open { path = folder.path .. "/journal.db" }
  store:begin_run { id = "RUN", playbook = "toy", parameters = "{}" }
  local fields = { run_id = "RUN", screen = fakes.screen(), store = store }
  for name, value in pairs(options or {}) do fields[name] = value end
  local ctx = context.new(fields)
  local ok, problem = core.pcall(body, ctx, fields.screen, store)
  ctx:close()
  if not ok then error(problem, 0) end
end

local function events_of(store, kind)
  local found = {}
  for _, event in ipairs(store:events "RUN") do
    if event.type == kind then found[#found + 1] = json.decode(event.data) end
  end
  return found
end

local there = {}
lease.kind { name = "context-toy", describe = function(a) return { text = "make " .. a.name } end,
  probe = function(a) return there[a.name] and "ours" or "absent" end,
  grant = function(a)
    there[a.name] = true
    return { path = "/" .. a.name }
  end,
  revoke = function(a) there[a.name] = nil end }

test.case("a step gives what its body gives, and is kept with its time and how it ended", function()
  with_context(function(ctx, screen, store)
    test.equal(table.pack(ctx:step("good", function()
      async.sleep(20)
      return 1, nil, 3
    end)), { 1, nil, 3, n = 3 })
    local problem = test.raises("BROKEN", ctx.step, ctx, "bad", function()
      ctx:step("inner", function() errors.raise { code = "BROKEN", message = "why" } end)
    end)
    test.equal(problem.step, "inner")
    test.equal(screen.steps, { { label = "good", ok = true }, { label = "inner", ok = false },
      { label = "bad", ok = false } })
    local kept = events_of(store, "step")
    test.equal({ kept[1].step, kept[1].ok, kept[3].error }, { "good", true, "why" })
    test.is_true(kept[1].elapsed_ms >= 20 and kept[1].elapsed_ms < 5000, "its time")
  end)
end)

test.case("ensure gives its condition, or raises the text with its hint and the playbook's line", function()
  test.equal(context.ensure(nil, 5, "no"), 5)
  local problem = test.raises("CHECK_FAILED", context.ensure, nil, false, "%s is %d\nmend it", "x", 3)
  test.equal({ problem.message, problem.hint }, { "x is 3", "mend it" })
  test.equal(test.raises("CHECK_FAILED", context.ensure, nil, nil).message, "a check failed")
end)

test.case("faults are raised together; one alone is its own error, and none is none", function()
  with_context(function(ctx)
    ctx:stop_on_faults()
    ctx:fault("only", "its hint", "kvm1")
    local problem = test.raises("CHECK_FAILED", ctx.stop_on_faults, ctx)
    test.equal({ problem.message, problem.hint, problem.host }, { "only", "its hint", "kvm1" })
    ctx:fault("second")
    problem = test.raises("CHECK_FAILED", ctx.stop_on_faults, ctx)
    test.equal({ problem.message, #problem.faults, rawget(problem, "host") },
      { "2 things stand in the way; nothing was changed", 2 })
  end)
end)

test.case("the same warning is shown and kept once", function()
  with_context(function(ctx, screen, store)
    ctx:warn("careful", "mind it")
    ctx:warn "careful"
    ctx:warn "another"
    test.equal({ #screen.warnings, #ctx.warnings, #events_of(store, "warning") }, { 2, 2, 2 })
  end)
end)

test.case("what a playbook says is shown where the run is, and kept; while planning it says nothing", function()
  with_context(function(ctx, screen, store)
    ctx:log("%d of %d", 1, 2)
    ctx:log "100% done"
    test.equal({ screen.notes, #events_of(store, "log") }, { { "1 of 2", "100% done" }, 2 })
  end)
  with_context(function(ctx, screen)
    ctx:log "nothing happens yet"
    test.equal(screen.notes, {})
  end, { plan = require("plan").new(), store = false })
end)

test.case("a lease gives its result, and release takes back its kind now", function()
  with_context(function(ctx, screen, store)
    test.equal(ctx:lease("context-toy", { name = "a" }), { path = "/a" })
    ctx:lease("context-toy", { name = "b" })
    test.equal({ there, #events_of(store, "lease") }, { { a = true, b = true }, 2 })
    test.equal(screen.events[1], { name = "lease", fields = { kind = "context-toy", label = "make a" } })
    ctx:release "context-toy"
    test.equal(there, {})
    for _, entry in ipairs(store:entries "RUN") do test.equal(entry.state, "ended") end
    test.raises("NO_KIND", ctx.lease, ctx, "no-such-kind", {})
  end)
end)

test.case("A13: a run is about a domain that no unfinished run is about", function()
  with_context(function(ctx, _, store)
    ctx:about "uuid"
    ctx:about "uuid"
    store:begin_run { id = "SECOND", playbook = "toy", parameters = "{}" }
    local second = context.new { run_id = "SECOND", screen = fakes.screen(), store = store }
    local problem = test.raises("DOMAIN_BUSY", second.about, second, "uuid")
    test.equal(problem.message, "run RUN of this domain is not finished")
    local elsewhere = setmetatable({ find_run = function() return { alive = true } end,
      claim_object = function(_, ...) return store:claim_object(...) end }, { __index = store })
    second.store = elsewhere
    problem = test.raises("DOMAIN_BUSY", second.about, second, "uuid")
    test.equal({ problem.message, problem.hint }, { "run RUN of this domain is at work", "wait for it, or stop it" })
    second.store = store
    store:add_intent("RUN", { type = "lease", kind = "context-toy", label = "left" })
    store:end_run("RUN", "needs_operator")
    problem = test.raises("DOMAIN_BUSY", second.about, second, "uuid")
    test.equal(problem.hint, "finish it first: drover recover RUN")
    store:set_run_kept("RUN", true)
    test.equal(test.raises("DOMAIN_BUSY", second.about, second, "uuid").hint, "take it back first: drover undo RUN")
    second:about "other"
  end)
end)

test.case("A13: a check looks for unfinished runs too, and neither writes into the journal nor makes one", function()
  local folder <close> = fakes.folder()
  local path = folder.path .. "/journal.db"
  local checking = context.new { run_id = "CHECK", screen = fakes.screen(), journal_path = path }
  checking:about "uuid"
  test.is_nil(fakes.read(path))
  do
    local store <close> = journal.open { path = path }
    store:begin_run { id = "RUN", playbook = "toy", parameters = "{}" }
    store:claim_object("RUN", "uuid")
    local problem = test.raises("DOMAIN_BUSY", checking.about, checking, "uuid")
    test.equal(problem.message, "run RUN of this domain is not finished")
    checking:about "other"
    test.equal(#store:runs(), 1)
  end
end)

test.case("progress is shown and kept; what is archived is kept alone", function()
  with_context(function(ctx, screen, store)
    ctx:progress("move", { remaining_bytes = 5 })
    ctx:archive("definition", { host = "kvm1", xml = "<domain/>" })
    test.equal({ screen.progress_calls, events_of(store, "progress")[1].remaining_bytes,
      events_of(store, "definition")[1] }, { 1, 5, { host = "kvm1", xml = "<domain/>" } })
  end)
end)

test.case("while planning nothing is granted, kept or undone, and connections are noted", function()
  with_context(function(ctx)
    ctx:connection { from = "a", to = "b", port = 22 }
    ctx:undo("context-toy", { name = "a" })
    ctx:commit()
    ctx:renew()
    ctx:release "context-toy"
    ctx:lease("context-toy", { name = "a" })
    test.equal({ #ctx.plan.connections, #ctx.plan.changes, ctx.plan.changes[1].temporary, there }, { 1, 1, true, {} })
  end, { plan = require("plan").new(), store = false })
end)

test.case("what a playbook gives wrongly is told with its own line", function()
  with_context(function(ctx)
    local rows = { { "step", "x" }, { "step", nil, print }, { "lease" }, { "lease", "context-toy" },
      { "lease", "context-toy", {} }, { "undo", "context-toy", {} }, { "lease", "firewall-opening", {} }, { "fault" },
      { "warn", {} }, { "log" } }
    local seen = {}
    for index, row in ipairs(rows) do
      local problem = test.raises("BAD_ARGUMENT", function() ctx[row[1]](ctx, row[2], row[3]) end)
      test.matches(problem.where, "context_test.lua:%d+$")
      seen[index] = problem.message
    end
    test.equal(seen, { "ctx:step: body: expected a function, got nil", "ctx:step: label: expected a string, got nil",
      "ctx:lease: kind: expected a string, got nil", "ctx:lease: arguments: expected a table, got nil",
      "ctx:lease: the kind 'context-toy' needs the argument 'name'",
      "ctx:undo: the kind 'context-toy' needs the argument 'name'",
      "ctx:lease: the kind 'firewall-opening' needs the argument 'ports'",
      "ctx:fault: message: expected a string, got nil", "ctx:warn: message: expected a string, got table",
      "ctx:log: format: expected a string, got nil" })
    test.matches(test.raises("BAD_ARGUMENT", function() ctx.step("x", print) end).message, "a call with a colon")
  end)
end)

test.case("a host is connected once, by whichever task asks first; what was used is closed last first", function()
  local made, closed = {}, {}
  with_context(function(ctx)
    ctx:parallel({ "kvm1", "kvm1", "kvm2" }, 3, function(name) test.equal(ctx:host(name).name, name) end)
    ctx:use { close = function() closed[#closed + 1] = "first" end }
    ctx:use { close = function() error "does not close" end }
    ctx:use { close = function() closed[#closed + 1] = "last" end }
  end, { connect = function(name)
    made[#made + 1] = name
    async.sleep(10)
    return { name = name, close = function() closed[#closed + 1] = name end }
  end })
  table.sort(made)
  test.equal({ made, closed[1], closed[2], #closed }, { { "kvm1", "kvm2" }, "last", "first", 4 })
end)

test.case("a history that cannot be written is told once, and stops nothing", function()
  local full = { add_event = function()
    errors.raise { code = "JOURNAL_UNUSABLE", message = "the disk is full", hint = "free some space" }
  end }
  with_context(function(ctx, screen)
    test.equal(ctx:step("go on", function() return 1 end), 1)
    ctx:warn "careful"
    ctx:progress("move", { remaining_bytes = 1 })
    test.equal(screen.warnings, { { message = "the run's history has gaps: the disk is full",
      hint = "free some space" }, { message = "careful" } })
  end, { store = full })
end)

test.case("before something is taken back, a libvirt connection that broke meanwhile is let go", function()
  local reopened = {}
  local function a_host(name, alive)
    return { name = name, close = function() end, virt = { is_alive = function() return alive end },
      reopen_virt = function() reopened[#reopened + 1] = name end }
  end
  local hosts = { well = a_host("well", true), broken = a_host("broken", false), unused = { close = function() end } }
  with_context(function(ctx)
    for name in pairs(hosts) do ctx:host(name) end
    ctx:lease("context-toy", { name = "a" })
    test.equal(reopened, {})
    ctx:release "context-toy"
    test.equal(reopened, { "broken" })
  end, { connect = function(name) return hosts[name] end })
end)
