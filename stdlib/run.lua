--- Running a playbook: check, run, then take everything back. The one place that decides how a run ends.
-- Tested by tests/stdlib/run_test.lua.
local async = require "async"
local context = require "context"
local core = require "drover.core"
local entries = require "entries"
local errors = require "errors"
local files = require "files"
local inventory = require "inventory"
local journal = require "journal"
local json = require "json"

local run = {}

--- A run's id: sortable by time, short enough to type, safe in a file name.
function run.new_id() return os.date("!%Y%m%d-%H%M%S-") .. files.random_hex(3) end

-- The error as the journal keeps it: all that stood in the way, not only how many things.
local function as_data(problem)
  return { code = problem.code, message = problem.message, hint = rawget(problem, "hint"),
    host = rawget(problem, "host"), step = rawget(problem, "step"), faults = rawget(problem, "faults"),
    broke_off = rawget(problem, "broke_off") }
end

-- What a changing binding becomes while a check runs: people make checks and plans because nothing is changed by them.
local function refuse_change(name)
  errors.raise { code = "CHECK_CHANGES", message = name .. " may change a host, and check only reads",
    hint = name:find("exec$") and "a program that only reads is run with query instead of exec"
      or "do it in run, in a step" }
end

-- Runs the playbook's check and raises all its faults as one error.
local function check(ctx, loaded, values)
  if loaded.definition.check then
    local before = core.set_recorder(refuse_change)
    local ok, problem = core.xpcall(loaded.definition.check, core.complete_error, ctx, values)
    core.set_recorder(before)
    -- What a check noted before it broke off is as true as if it had come to its end.
    if not ok and #ctx.faults > 0 and not rawget(problem, "faults") then
      problem.faults, problem.broke_off = ctx.faults, true
    end
    if not ok then error(problem, 0) end
  end
  ctx:stop_on_faults()
end

--- Only the checks; nothing is changed. Gives the context's warnings.
function run.check(loaded, values, options)
  local ctx = context.new { run_id = run.new_id(), screen = options.screen, verbose = options.verbose,
    journal_path = options.journal_path }
  local ok, problem = core.xpcall(check, core.complete_error, ctx, loaded, values)
  ctx:close()
  if not ok then error(problem, 0) end
  return ctx.warnings
end

--- The plan of a run: check for real, then run with changes recorded.
function run.plan(loaded, values, options)
  local plan = require("plan").new()
  local ctx = context.new { run_id = run.new_id(), screen = options.screen, plan = plan, verbose = options.verbose,
    journal_path = options.journal_path }
  local before = host.set_listener(function(...) plan:own_connection(...) end)
  local ok, problem = core.xpcall(function()
    check(ctx, loaded, values)
    plan:record(function() loaded.definition.run(ctx, values) end)
  end, core.complete_error)
  host.set_listener(before)
  ctx:close()
  if not ok then error(problem, 0) end
  return plan, ctx.warnings
end

-- The playbook's own run. What changes a host outside of a step is refused, as in the plan.
local function perform(ctx, loaded, values)
  local before = core.set_watcher(ctx:watcher())
  local ok, problem = core.xpcall(loaded.definition.run, core.complete_error, ctx, values)
  core.set_watcher(before)
  if not ok then error(problem, 0) end
end

-- Takes back what the run has out: leases always, undo entries unless it ended well. Gives the problems and the notes
-- of entries.finish_all.
local function take_back(ctx, undoing)
  return entries.finish_all(ctx.store, ctx, undoing, function(entry, outcome, problem)
    local fields = { kind = entry.kind, label = entry.label, outcome = outcome,
      error = problem and errors.message(problem) or nil }
    ctx.screen:event("ended", fields)
    local sentence = entry.type ~= "lease" and entries.sentence(entry, outcome)
    if sentence and entries.guards(entry) then ctx.settled = sentence end
    if sentence and sentence:find("^kept") then
      ctx:warn(sentence)
    elseif sentence then
      ctx.screen:note(sentence)
    end
    if problem then ctx:warn("not taken back: " .. entry.label .. ": " .. errors.message(problem)) end
    ctx.store:add_event(ctx.run_id, "ended", json.encode(fields))
  end)
end

local function state_of(problem, left)
  if #left > 0 or problem and rawget(problem, "needs_operator") then return "needs_operator" end
  if not problem then return "done" end
  return core.is_cancellation(problem) and "interrupted" or "failed"
end

-- Keeps the first error first; what went wrong while undoing is added to it.
local function with_leftovers(problem, left, run_id)
  if #left == 0 then return problem end
  problem = problem or errors.new { code = "NOT_TAKEN_BACK",
    message = "the work is done, but not everything that the run had out could be taken back" }
  problem.suppressed = left
  problem.needs_operator = true
  local hint = (rawget(problem, "hint") or ""):gsub(";? ?then: drover recover$", "")
  problem.hint = (hint ~= "" and hint .. "; " or "") .. "then: drover recover " .. run_id
  return problem
end

local kept_words = { lease = "not taken back: ", undo = "left for drover undo: ", follow_up = "not done: " }

-- Leaves all that the run has out as it is, and names it. Says whether there was anything.
local function keep(ctx)
  local open = {}
  for _, entry in ipairs(ctx.store:entries(ctx.run_id)) do
    if entry.state ~= "ended" then open[#open + 1] = (kept_words[entry.type] or "") .. entry.label end
  end
  if #open == 0 then return false end
  ctx.store:set_run_kept(ctx.run_id, true)
  ctx.kept = true
  for _, line in ipairs(open) do ctx.screen:note(line) end
  ctx:warn("left as it is, as asked", "once you have looked: drover undo " .. ctx.run_id)
  return true
end

-- "tunnel, domain-lock (2)", the kinds of a list of entries; nil of none.
local function kinds_of(list)
  local counts, kinds = {}, {}
  for _, entry in ipairs(list) do
    if not counts[entry.kind] then kinds[#kinds + 1] = entry.kind end
    counts[entry.kind] = (counts[entry.kind] or 0) + 1
  end
  for index, kind in ipairs(kinds) do
    if counts[kind] > 1 then kinds[index] = ("%s (%d)"):format(kind, counts[kind]) end
  end
  return #kinds > 0 and table.concat(kinds, ", ") or nil
end

-- The row of the summary about the leases, from what the journal says in the end. It is for the screen: a report reads
-- the entries themselves, and what a later recovery made of them.
local function report_leases(ctx)
  local taken_back = {}
  for _, entry in ipairs(ctx.store:entries(ctx.run_id)) do
    local was_made = entry.type == "lease" and entry.result ~= ""
    if was_made and entry.state == "ended" then taken_back[#taken_back + 1] = entry end
  end
  local kinds = kinds_of(taken_back)
  if kinds then ctx:report("granted and taken back", kinds) end
end

-- The end of a run, with interrupts held back. Gives the error that the run ends with, if any.
local function finish(ctx, problem, options)
  local left, notes = {}, {}
  local may_keep = problem and options.keep_on_failure and not core.is_cancellation(problem)
  if not (may_keep and keep(ctx)) then
    left, notes = take_back(ctx, problem ~= nil)
  end
  problem = with_leftovers(problem, left, ctx.run_id)
  if #ctx.rows > 0 then
    core.pcall(ctx.store.add_event, ctx.store, ctx.run_id, "summary", json.encode(json.array(ctx.rows)))
  end
  core.pcall(report_leases, ctx)
  ctx.store:end_run(ctx.run_id, state_of(problem, left), problem and json.encode(as_data(problem)) or "")
  for _, note in ipairs(notes) do
    ctx:warn("the journal could not be written while the run ended: " .. errors.message(note),
      "everything was taken back; 'drover recover' will look once more")
  end
  return problem
end

--- Runs a playbook. options: screen, verbose, keep_on_failure; for tests connect and journal_path. Gives the context;
-- raises the error that ended the run, after everything was taken back.
function run.execute(loaded, values, options)
  local store <close> = journal.open(options.journal_path and { path = options.journal_path })
  local id = run.new_id()
  store:begin_run { id = id, playbook = loaded.name, playbook_file = loaded.file, playbook_text = loaded.text,
    parameters = json.encode(values) }
  -- What the hosts' names meant: at boot there is neither this environment nor this folder. One that cannot be read is
  -- told when a host is asked for.
  local known, path = core.pcall(inventory.path)
  if known and path then store:add_event(id, "inventory", json.encode { path = files.absolute(path) }) end
  local ctx = context.new { run_id = id, screen = options.screen, store = store, verbose = options.verbose,
    connect = options.connect }
  options.screen:event("run_began", { run = id, playbook = loaded.name })
  local started_ms = async.monotonic_ms()
  return async.finally(function()
    check(ctx, loaded, values)
    perform(ctx, loaded, values)
  end, function(ok, problem)
    problem = not ok and problem or nil
    local finished, ended_with = core.xpcall(finish, core.complete_error, ctx, problem, options)
    if not finished then
      -- The journal failed where nothing else helps. The first error stays the first.
      local journal_problem = ended_with
      ended_with = problem or journal_problem
      if problem then problem.suppressed = { journal_problem } end
      ended_with.needs_operator = true
      ended_with.hint = "once the journal can be used again: drover recover " .. id
    end
    options.screen:event("run_ended", { run = id, state = state_of(ended_with, {}),
      elapsed_ms = async.monotonic_ms() - started_ms })
    ctx:close()
    if ended_with then
      ended_with.run, ended_with.stands, ended_with.settled = id, ctx.committed, ctx.settled
      ended_with.changed = #ctx.changed > 0 and { table.unpack(ctx.changed) } or nil
      ended_with.kept = ctx.kept
      ended_with.did_nothing = not ctx.written and #ctx.changed == 0
      error(ended_with, 0)
    end
    return ctx
  end)
end

return run
