--- Finishing what dead runs left: adopts each, takes its leases back and runs its undo entries.
-- Doing it again changes nothing more. Tested by tests/stdlib/recovery_test.lua.
local context = require "context"
local core = require "drover.core"
local entries = require "entries"
local errors = require "errors"
local journal = require "journal"
local json = require "json"
local playbook = require "playbook"

local recovery = {}

-- The run's own kinds are registered when its playbook's text loads. The text is the journal's, not the file's.
local function register_kinds(dead)
  if dead.playbook_text == "" then return end
  core.pcall(playbook.load_text, dead.playbook_text, dead.playbook_file)
end

--- Ends every open entry of one run. Gives the problems; the run is ended in the journal when there are none.
function recovery.finish(store, dead, screen, options)
  register_kinds(dead)
  local ctx = context.new { run_id = dead.id, screen = screen, store = store,
    connect = options and options.connect }
  local problems = entries.finish_all(store, ctx, true, function(entry, outcome, problem)
    if problem then
      screen:warning("not taken back: " .. entry.label .. ": " .. errors.message(problem), rawget(problem, "hint"))
    elseif outcome ~= "absent" then
      screen:note(tostring(outcome) .. ": " .. entry.label)
    end
  end)
  ctx:close()
  store:end_run(dead.id, #problems == 0 and "recovered" or "needs_operator",
    #problems > 0 and json.encode { message = errors.message(problems[1]) } or "")
  return problems
end

--- Runs that ended without taking everything back: dead ones, and ones that needed an operator.
function recovery.unfinished(store)
  local found = {}
  for _, one in ipairs(store:runs(1000)) do
    local dead = one.state == "running" and not one.alive
    if (dead or one.state == "needs_operator") and not one.kept then found[#found + 1] = one end
  end
  return found
end

--- Called at the start of every run. Says nothing when there is nothing to do.
function recovery.finish_dead_runs(screen, options)
  local store = journal.open(options and options.journal_path and { path = options.journal_path })
  local problems = {}
  for _, dead in ipairs(recovery.unfinished(store)) do
    if dead.state ~= "running" or store:adopt_run(dead.id) then
      screen:title("recovering run " .. dead.id, dead.playbook)
      for _, problem in ipairs(recovery.finish(store, dead, screen, options)) do
        problems[#problems + 1] = problem
      end
    end
  end
  store:close()
  return problems
end

return recovery
