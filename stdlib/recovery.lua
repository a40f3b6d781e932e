--- Finishing what dead runs left: adopts each, takes its leases back and runs its undo entries.
-- Doing it again changes nothing more. Tested by tests/stdlib/recovery_test.lua.
local async = require "async"
local context = require "context"
local core = require "drover.core"
local entries = require "entries"
local errors = require "errors"
local history = require "history"
local inventory = require "inventory"
local json = require "json"
local lease = require "lease"
local playbook = require "playbook"

local recovery = {}

-- The run's own kinds are registered when its playbook's text loads. The text is the journal's, not the file's. Gives
-- the error when it does not load, which matters only when one of its kinds is missing then.
local function register_kinds(dead)
  if dead.playbook_text == "" then return nil end
  local ok, problem = core.pcall(playbook.load_text, dead.playbook_text, dead.playbook_file)
  return not ok and errors.wrap(problem) or nil
end

-- What the journal says of a run from now on: the error that ended it stays the first one, whatever a recovery met.
-- What an earlier recovery met is told by the latest one. Nobody needs the hint of what is settled.
local function lasting_error(dead, first)
  local earlier = dead.error ~= "" and json.decode(dead.error) or nil
  if not earlier or earlier.of_recovery then
    earlier = first and { code = first.code, message = errors.message(first), hint = rawget(first, "hint"),
      of_recovery = true }
  elseif not first then
    earlier.hint = nil
  end
  return earlier and json.encode(earlier) or ""
end

-- Which machines the run's names led to, by name.
local function machines_of(store, dead)
  local ids = {}
  for _, event in ipairs(store:events(dead.id)) do
    if event.type == "host" then
      local data = history.decoded(event.data)
      if type(data.name) == "string" and type(data.machine_id) == "string" then ids[data.name] = data.machine_id end
    end
  end
  return ids
end

-- What an operator vouches for is kept with the run, before anything is done on the strength of it.
local function note_word(store, dead, options)
  for name in pairs(options.fenced or {}) do store:add_event(dead.id, "told", json.encode { fenced = name }) end
  if options.guest_on then store:add_event(dead.id, "told", json.encode { guest_on = options.guest_on }) end
end

--- The names of the hosts on which a run has or had something.
function recovery.hosts_of(store, dead)
  local names, seen = {}, {}
  for _, entry in ipairs(store:entries(dead.id)) do
    local arguments = history.decoded(entry.arguments)
    for _, field in ipairs { "host", "other_host", "source", "destination" } do
      local name = arguments[field]
      if type(name) == "string" and not seen[name] then
        seen[name] = true
        names[#names + 1] = name
      end
    end
  end
  return names
end

-- Runs body with the inventory that the run had: the names of its hosts mean what they meant. When that cannot be read,
-- the one that is found now has to do.
local function with_inventory(store, dead, screen, body, ...)
  local path
  for _, event in ipairs(store:events(dead.id)) do
    if event.type == "inventory" then path = history.decoded(event.data).path end
  end
  local _, before = core.pcall(inventory.path)
  if type(path) ~= "string" or path == before then return body(store, dead, screen, ...) end
  local loaded, problem = core.pcall(inventory.load, path)
  if not loaded then
    if core.is_cancellation(problem) then error(problem, 0) end
    screen:warning("the run's inventory cannot be read: " .. errors.message(problem), rawget(problem, "hint"))
  end
  local results = table.pack(core.pcall(body, store, dead, screen, ...))
  inventory.reset()
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- Ends every open entry of an adopted run. Gives the problems, and what else is left: how many follow-ups say that they
-- did not do a part (not_done), and how many changes of the run no undo was for (changed).
local function finish(store, dead, screen, options)
  local left = { not_done = 0, changed = 0 }
  local load_problem = register_kinds(dead)
  local ctx = context.new { run_id = dead.id, screen = screen, store = store, connect = options.connect }
  ctx.wait, ctx.patience = options.wait, options.patience
  ctx.machine_ids = machines_of(store, dead)
  ctx.guest_on, ctx.fenced = options.guest_on, options.fenced
  note_word(store, dead, options)
  local problems = entries.finish_all(store, ctx, true, function(entry, outcome, problem)
    if problem then
      if errors.is(problem, "NO_KIND") and load_problem then problem.cause = load_problem end
      screen:warning("not taken back: " .. entry.label .. ": " .. errors.message(problem), rawget(problem, "hint"))
    else
      local sentence = entries.sentence(entry, outcome)
      if history.is_not_done(outcome) then
        left.not_done = left.not_done + 1
        screen:warning(sentence)
      elseif sentence then
        screen:note(sentence)
      end
    end
    store:add_event(dead.id, "ended", json.encode { kind = entry.kind, label = entry.label, outcome = outcome,
      error = problem and errors.message(problem) or nil })
  end)
  ctx:close()
  local events = store:events(dead.id)
  for _, event in ipairs(events) do event.data = history.decoded(event.data) end
  local changed = history.changed(events)
  for _, text in ipairs(changed) do screen:warning("changed and not undone: " .. text) end
  left.changed = #changed
  local first = problems[1]
  -- Its move goes on without it: the run stays dead and open, for a recovery that waits.
  if first and options.wait and rawget(first, "keep_rest") then return problems, left end
  store:end_run(dead.id, first and "needs_operator" or options.state or "recovered", lasting_error(dead, first))
  return problems, left
end

--- Ends every open entry of one run, and the run in the journal. Gives the problems and what else is left
-- ({ not_done, changed }, see above); or nil when somebody alive is at work on it, or when it was finished meanwhile.
-- options: connect (for tests), state ("recovered" without it), wait and patience (durations for a move that still runs
-- and a host that does not answer; see reconcile.settle), and what an operator vouches for: fenced (a set of names of
-- hosts that run nothing and will not come back as they were), guest_on (the name of the host that has the domain).
-- Interrupts are held back: what is half undone is worse than what is not.
function recovery.finish(store, dead, screen, options)
  if not store:adopt_run(dead.id) then return nil end
  return async.shield(lease.apart, with_inventory, store, dead, screen, finish, options or {})
end

--- The sentence that ends a recovery which left something.
function recovery.left_over(count)
  return count == 1 and "1 thing needs an operator, see above." or
    ("%d things need an operator, see above."):format(count)
end

--- The sentence that ends a recovery after which no host has anything of a run but what it changed without an undo, and
-- whether that is good. left: see recovery.finish.
function recovery.ended_well(what, left)
  if left.changed > 0 then return what .. ", but not what it changed without an undo, see above.", "warn" end
  if left.not_done > 0 then return what .. ", but not all that was asked for is done, see above.", "warn" end
  return what .. ", nothing is left.", "good"
end

--- Whether a run died while it was at work.
function recovery.is_dead(one) return one.state == "running" and not one.alive end

--- Runs that ended without taking everything back: dead ones, and ones that needed an operator. Kept ones are not.
function recovery.unfinished(store)
  local found = {}
  for _, one in ipairs(store:runs(100000)) do
    if (recovery.is_dead(one) or one.state == "needs_operator") and not one.kept then found[#found + 1] = one end
  end
  return found
end

--- Recovers each run of a list. Gives how many were recovered, the problems, and how much is not as it
-- should be besides.
function recovery.finish_each(store, list, screen, options)
  local count, problems, left = 0, {}, { not_done = 0, changed = 0 }
  for _, dead in ipairs(list) do
    screen:title("recovering run " .. dead.id, dead.playbook)
    local more, more_left = recovery.finish(store, dead, screen, options)
    if more then
      count = count + 1
      for name, number in pairs(more_left) do left[name] = left[name] + number end
      table.move(more, 1, #more, #problems + 1, problems)
    else
      screen:note("another drover has it")
    end
  end
  return count, problems, left
end

--- Called at the start of every run: finishes dead runs. Those that need an operator are named, not tried again: their
-- hosts may be the ones that do not answer. A move that goes on without its drover is not waited for: this run may be
-- about another domain, and one about the same is refused later. Says nothing when there is nothing to do.
function recovery.finish_dead_runs(screen, options)
  options = setmetatable({ wait = "0s", patience = "3s" }, { __index = options })
  local store <close> = require("journal").open(options.journal_path and { path = options.journal_path })
  local dead = {}
  for _, one in ipairs(recovery.unfinished(store)) do
    if recovery.is_dead(one) then
      dead[#dead + 1] = one
    else
      screen:warning("run " .. one.id .. " still needs an operator", "drover recover " .. one.id)
    end
  end
  local _, problems = recovery.finish_each(store, dead, screen, options)
  return problems
end

return recovery
