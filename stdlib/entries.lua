--- Granting and ending the entries of a run in the journal. Used by a live run (context.lua) and by recovery.
--
-- The order of every effect: write the intent, probe, act, verify, mark it done. Ending: probe, act, verify, mark.
-- Tested by tests/stdlib/lease_test.lua.
local async = require "async"
local core = require "drover.core"
local errors = require "errors"
local json = require "json"
local lease = require "lease"

local entries = {}

-- A revocation or an undo that takes longer is reported and left to the next recovery.
local longest_end = "60s"

local function probe(kind, arguments, env, result)
  local state = kind.probe(arguments, env, result)
  if state == "ours" or state == "absent" or state == "foreign" then return state end
  errors.raise { code = "BAD_KIND", message = ("kind '%s': probe gave '%s'"):format(kind.name, tostring(state)) }
end

--- Writes the intent of a lease, grants it and gives its result. What grant raises is raised; the entry stays in the
-- journal as an intent, and ending it probes first.
function entries.grant(store, env, kind, arguments, secret)
  local sequence = store:add_intent(env.run_id, { type = "lease", kind = kind.name,
    label = lease.label(kind, arguments), arguments = json.encode(arguments) })
  local before = probe(kind, arguments, env)
  if before == "foreign" then
    store:mark_entry(env.run_id, sequence, "ended")
    errors.raise { code = "NOT_OURS", host = arguments.host,
      message = lease.label(kind, arguments) .. ": it is there already, and this run did not make it",
      hint = kind.foreign_hint }
  end
  local result = kind.grant(arguments, env, secret) or {}
  if not kind.verified_by_grant then
    local after = probe(kind, arguments, env, result)
    if after ~= "ours" then
      errors.raise { code = "NOT_VERIFIED", host = arguments.host,
        message = lease.label(kind, arguments) .. ": it was done, but is " .. after .. " when looked at" }
    end
  end
  store:mark_entry(env.run_id, sequence, "done", json.encode(result))
  return result, sequence
end

--- Writes an undo entry.
function entries.add_undo(store, env, kind, arguments)
  return store:add_intent(env.run_id, { type = "undo", kind = kind.name, label = lease.label(kind, arguments),
    arguments = json.encode(arguments) })
end

local function end_lease(kind, arguments, env, result)
  local state = probe(kind, arguments, env, result)
  if state ~= "ours" then return state end
  kind.revoke(arguments, env, result)
  local after = probe(kind, arguments, env, result)
  if after == "ours" then
    errors.raise { code = "NOT_REVOKED", host = arguments.host,
      message = lease.label(kind, arguments) .. ": it was taken away, but is still there" }
  end
  return "revoked"
end

--- Ends one entry: revokes a lease, runs an undo. Gives what happened; raises what failed.
function entries.finish(store, env, entry)
  local kind = lease.find(entry.kind)
  local arguments = json.decode(entry.arguments)
  local result = entry.result ~= "" and json.decode(entry.result) or nil
  local outcome = async.timeout(kind.longest_end or longest_end, function()
    if kind.type == "undo" then return kind.undo(arguments, env) or "undone" end
    return end_lease(kind, arguments, env, result)
  end, entry.label)
  store:mark_entry(env.run_id, entry.sequence, "ended")
  return outcome
end

--- Ends the entries of a run that are still open, newest first: leases always, undo entries when `undoing`.
-- An error of one never stops the rest. on_end(entry, outcome, problem) after each. Gives the list of problems.
function entries.finish_all(store, env, undoing, on_end)
  local problems = {}
  local all = store:entries(env.run_id)
  for index = #all, 1, -1 do
    local entry = all[index]
    local due = entry.state ~= "ended" and (entry.type == "lease" or undoing)
    if due then
      local ok, outcome = core.pcall(entries.finish, store, env, entry)
      if not ok then
        local problem = errors.wrap(outcome)
        store:mark_entry(env.run_id, entry.sequence, "failed", nil, errors.message(problem))
        problems[#problems + 1] = problem
        on_end(entry, nil, problem)
      else
        on_end(entry, outcome)
      end
    elseif entry.state ~= "ended" then
      store:mark_entry(env.run_id, entry.sequence, "ended")  -- an undo that the commit made void
    end
  end
  return problems
end

return entries
