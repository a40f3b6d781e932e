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

--- Called at each boundary of an effect, with its name and the entry's label: "before intent", "after intent",
-- "after effect", "after done", "before end", "after end", "before commit", "after commit". A seam: the fault tests end
-- the process here, and so cover every kind and every step without naming it.
function entries.boundary(_, _) end

-- A revocation or an undo that takes longer is reported and left to the next recovery.
local longest_end = "60s"

local function probe(kind, arguments, env, result)
  local state = kind.probe(arguments, env, result)
  if state == "ours" or state == "absent" or state == "foreign" then return state end
  errors.raise { code = "BAD_KIND", message = ("kind '%s': probe gave '%s'"):format(kind.name, tostring(state)) }
end

-- Writes an intent, and keeps a copy in env.written: should the journal be unreadable at the end of the run, the run
-- can still take back what it has out.
local function write_intent(store, env, fields)
  entries.boundary("before intent", fields.label)
  local sequence = store:add_intent(env.run_id, fields)
  entries.boundary("after intent", fields.label)
  local entry = { sequence = sequence, type = fields.type, kind = fields.kind, label = fields.label,
    arguments = fields.arguments, result = "", state = "intent" }
  env.written = env.written or {}
  env.written[#env.written + 1] = entry
  return entry
end

--- Writes the intent of a lease, grants it and gives its result. What grant raises is raised; the entry stays in the
-- journal as an intent, and ending it probes first.
function entries.grant(store, env, kind, arguments, secret)
  if kind.prepare then kind.prepare(arguments, env) end
  local entry = write_intent(store, env, { type = "lease", kind = kind.name, label = lease.label(kind, arguments),
    arguments = json.encode(arguments) })
  if not kind.named_by_run and probe(kind, arguments, env) == "foreign" then
    store:mark_entry(env.run_id, entry.sequence, "ended")
    entry.state = "ended"
    errors.raise { code = "NOT_OURS", host = arguments.host,
      message = lease.label(kind, arguments) .. ": it is there already, and this run did not make it",
      hint = kind.foreign_hint }
  end
  local result = kind.grant(arguments, env, secret) or {}
  entries.boundary("after effect", entry.label)
  if not kind.verified_by_grant then
    local after = probe(kind, arguments, env, result)
    if after ~= "ours" then
      errors.raise { code = "NOT_VERIFIED", host = arguments.host,
        message = lease.label(kind, arguments) .. ": it was done, but is " .. after .. " when looked at" }
    end
  end
  entry.result = json.encode(result)
  store:mark_entry(env.run_id, entry.sequence, "done", entry.result)
  entries.boundary("after done", entry.label)
  return result, entry.sequence
end

--- Writes an undo entry, or a follow-up: kind.type says which.
function entries.add(store, env, kind, arguments)
  return write_intent(store, env, { type = kind.type, kind = kind.name, label = lease.label(kind, arguments),
    arguments = json.encode(arguments) }).sequence
end

--- Keeps with an undo entry what its act made; the undo gets it.
function entries.note_made(store, env, sequence, made)
  local text, label = json.encode(made), nil
  for _, entry in ipairs(env.written or {}) do
    if entry.sequence == sequence then entry.result, entry.state, label = text, "done", entry.label end
  end
  entries.boundary("after effect", label)
  store:mark_entry(env.run_id, sequence, "done", text)
  entries.boundary("after done", label)
end

-- What a commit makes of entries in memory, as the journal does with its own.
local function commit_in_memory(list)
  for _, entry in ipairs(list) do
    if entry.type == "undo" then
      entry.state = "ended"
    elseif entry.type == "follow_up" and entry.state ~= "ended" then
      entry.state = "due"
    end
  end
end

--- The work stands: ends all undo entries, and makes the follow-ups due, at once.
function entries.commit(store, env)
  entries.boundary "before commit"
  store:commit_run(env.run_id)
  env.committed = true
  entries.boundary "after commit"
  commit_in_memory(env.written or {})
end

local function end_lease(kind, arguments, env, result)
  if kind.named_by_run then return kind.revoke(arguments, env, result) or "revoked" end
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

local function end_entry(env, kind, arguments, result)
  if kind.type == "lease" then return end_lease(kind, arguments, env, result) end
  if kind.type == "follow_up" then return kind.follow_up(arguments, env) or "done" end
  local outcome, stands = kind.undo(arguments, env, result)
  return outcome or "undone", stands
end

--- Ends one entry: revokes a lease, runs an undo, does a follow-up. Gives what happened, and for an undo lease.stands
-- or nothing. What is on a fenced host is given up. Raises what failed. The journal is not written.
function entries.finish(env, entry)
  local kind = lease.find(entry.kind)
  local arguments = json.decode(entry.arguments)
  local result = entry.result ~= "" and json.decode(entry.result) or nil
  entries.boundary("before end", entry.label)
  if env.hosts then env.hosts:revive() end
  local ok, outcome, stands = core.pcall(async.timeout, kind.longest_end or longest_end, function()
    return end_entry(env, kind, arguments, result)
  end, entry.label)
  if ok then return outcome, stands end
  if not errors.is(outcome, "FENCED") then error(outcome, 0) end
  return ("given up: %s, for %s is fenced"):format(entry.label, outcome.host)
end

-- Marks an entry. A journal that cannot be written now is no reason to leave the next entry: the mark is missing, and a
-- recovery will look at the entry once more.
local function mark(store, env, entry, state, message, notes)
  local ok, problem = core.pcall(store.mark_entry, store, env.run_id, entry.sequence, state, nil, message)
  if not ok then notes[#notes + 1] = errors.wrap(problem) end
end

--- Makes those leases again that somebody else dropped while they are needed. Gives their labels.
function entries.renew(store, env)
  local again = {}
  for _, entry in ipairs(env.written or {}) do
    local kind = entry.type == "lease" and entry.state ~= "ended" and entry.result ~= "" and lease.find(entry.kind)
    local result = kind and kind.renew and kind.renew(json.decode(entry.arguments), env, json.decode(entry.result))
    if result then
      entry.result = json.encode(result)
      store:mark_entry(env.run_id, entry.sequence, "done", entry.result)
      again[#again + 1] = entry.label
    end
  end
  return again
end

--- Takes back the leases of a kind that a run has out now, newest first, before its end. Raises what failed; that lease
-- stays open, for the end.
function entries.release(store, env, kind_name)
  for index = #(env.written or {}), 1, -1 do
    local entry = env.written[index]
    if entry.kind == kind_name and entry.type == "lease" and entry.state ~= "ended" then
      entries.finish(env, entry)
      entries.boundary("after end", entry.label)
      store:mark_entry(env.run_id, entry.sequence, "ended")
      entry.state = "ended"
    end
  end
end

--- What ending an entry came to, as a sentence for people: what an undo or a follow-up says of itself; nil when there
-- was nothing to do.
function entries.sentence(entry, outcome)
  if outcome == nil or outcome == "absent" then return nil end
  if outcome:find "^given up" then return outcome end
  if entry.type == "lease" then return "taken back: " .. entry.label end
  if outcome == "undone" or outcome == "done" then return outcome .. ": " .. entry.label end
  return outcome
end

--- Whether what came before this entry may be undone only once this entry is.
function entries.guards(entry)
  local found, kind = core.pcall(lease.find, entry.kind)
  return found and kind.guards_earlier_undo
end

-- What is to be done with an open entry: "end" it, "leave" it for later, or "void" it. state: undoing, guarded.
local function what_to_do(entry, state)
  if entry.type == "lease" then return "end" end
  if not state.undoing then return "void" end
  if entry.type == "follow_up" then
    -- "failed": it was due, and an earlier try did not do it.
    if entry.state == "due" or entry.state == "failed" then return "end" end
    return state.guarded and "leave" or "void"
  end
  return state.guarded and "leave" or "end"
end

--- Ends the entries of a run that are still open, newest first: leases always; undo entries, and follow-ups of work
-- that stands, when `undoing`. An undo that finds that the work stands commits the run: the earlier undo entries are
-- void, the follow-ups due.
-- An error of one never stops the rest, but for two: one that says keep_rest, for what is left is still needed then (a
-- job that runs), and one of a kind that guards the earlier undo entries, which stay open then.
-- on_end(entry, outcome, problem) after each. Gives the list of what could not be ended, and the list of what went
-- wrong besides (marks that could not be written).
function entries.finish_all(store, env, undoing, on_end)
  local problems, notes = {}, {}
  local state = { undoing = undoing, guarded = false }
  local function noted(f, ...)
    local ok, problem = core.pcall(f, ...)
    if not ok then notes[#notes + 1] = errors.wrap(problem) end
  end
  local readable, all = core.pcall(store.entries, store, env.run_id)
  if not readable then
    if not env.written then error(all, 0) end
    notes[1] = errors.wrap(all)
    all = env.written
  end
  for index = #all, 1, -1 do
    local entry = all[index]
    local what = entry.state ~= "ended" and what_to_do(entry, state)
    if what == "leave" then
      noted(on_end, entry, "left until that is settled", nil)
    elseif what == "void" then
      mark(store, env, entry, "ended", nil, notes)
    elseif what == "end" then
      local ok, outcome, stands = core.pcall(entries.finish, env, entry)
      local problem = not ok and errors.wrap(outcome) or nil
      if stands == lease.stands then
        noted(entries.commit, store, env)
        commit_in_memory(all)
      end
      entries.boundary("after end", entry.label)
      mark(store, env, entry, ok and "ended" or "failed", problem and errors.message(problem), notes)
      problems[#problems + 1] = problem
      noted(on_end, entry, ok and outcome or nil, problem)
      state.guarded = state.guarded or problem and entries.guards(entry) or false
      if problem and rawget(problem, "keep_rest") then return problems, notes end
    end
  end
  return problems, notes
end

return entries
