--- What the journal holds of a run, in words for a person: how it ended, what it was about, what became of its entries.
-- Tested by tests/stdlib/history_test.lua.
local core = require "drover.core"
local errors = require "errors"
local journal = require "journal"

local history = {}

--- The journal, to look into it: of `path`, or of this user without it. nil when there is none, for a look makes none.
function history.existing_journal(path)
  path = path or journal.folder() .. "/journal.db"
  local file <close>, _, number = io.open(path)
  if not file and number == 2 then return nil end  -- ENOENT; all else is for the journal to say
  return journal.open { path = path }
end

local outcomes = {
  done = { "done", "good" }, failed = { "failed", "bad" }, interrupted = { "interrupted", "warn" },
  needs_operator = { "needs an operator", "bad" }, recovered = { "recovered", "good" }, undone = { "undone", "good" },
}

--- How a run ended, and whether that is good, bad or worth a look ("warn").
function history.outcome(run)
  if run.state == "running" then
    if run.alive then return "at work", "warn" end
    return "died", "bad"
  end
  local known = outcomes[run.state] or { run.state, "warn" }
  if run.kept then return known[1] .. ", kept", "warn" end
  return known[1], known[2]
end

--- JSON that a torn write may have spoilt: what is left of a history is shown all the same.
function history.decoded(text)
  local ok, value = core.pcall(json.decode, text)
  return ok and type(value) == "table" and value or {}
end

-- Whether the run died with a move under way, whose guest drover itself was to start (stdlib/migrate/job.lua, is_held).
local function has_held_move(entries)
  for _, entry in ipairs(entries or {}) do
    if entry.kind == "settle-domain" and entry.state ~= "ended" then
      return history.decoded(entry.arguments).held == true
    end
  end
  return false
end

--- What a person does about a run that is not settled; nil when there is nothing to do. entries are the run's, where
-- they are known.
function history.next_step(run, entries)
  if run.kept then return "what it made was left as it is; take it back with: drover undo " .. run.id end
  if run.state == "needs_operator" then return "once that is settled: drover recover " .. run.id end
  if run.state == "running" and not run.alive then
    return "finish it with: drover recover " .. run.id
      .. (has_held_move(entries) and "; until then the guest may wait, paused, at the destination" or "")
  end
end

--- The error that a run ended with, as the journal kept it, in lines for a person: a list of { text, hint = }. First
-- comes the error itself; then what stood in the way, one by one.
function history.problem(problem)
  local function line(one)
    if type(one) ~= "table" then return nil end
    local text = type(one.message) == "string" and one.message or "?"
    local host_name = type(one.host) == "string" and one.host or nil
    return { tostring(errors.new { message = text, host = host_name }),
      hint = type(one.hint) == "string" and one.hint or nil }
  end
  local lines = { line(problem) }
  local faults = type(problem.faults) == "table" and problem.faults or {}
  for _, one in ipairs(faults) do lines[#lines + 1] = line(one) end
  return lines
end

local function word(value)
  if type(value) == "table" then return table.concat(value, ",") end
  if type(value) == "string" and value ~= "" then return value end
end

--- What a run was about, as far as its parameters tell: "web1 kvm1 -> kvm2"; empty when they do not.
function history.about(parameters)
  local parts = { word(parameters.domain or parameters.domains) }
  local from, to = word(parameters.from), word(parameters.to)
  if from and to then
    parts[#parts + 1] = from .. " -> " .. to
  else
    parts[#parts + 1] = from or to or word(parameters.hosts or parameters.host)
  end
  return table.concat(parts, " ")
end

--- What a run's steps changed that neither a lease nor an undo takes back: a list of sentences. The events have their
-- data decoded.
function history.changed(events)
  local list = {}
  for _, event in ipairs(events) do
    if event.type == "changed" and type(event.data.text) == "string" then list[#list + 1] = event.data.text end
  end
  return list
end

-- What an entry's end is called, for those that say no more than a word; all else is a sentence of the kind's own.
local ends = {
  lease = { revoked = "taken back", absent = "gone already" },
  undo = { undone = "undone", absent = "nothing to undo" },
  follow_up = { done = "done", absent = "nothing to do" },
}

--- Whether a sentence says that a part is left to a person.
function history.is_not_done(outcome)
  return outcome ~= nil and (outcome:find "^not done: " or outcome:find "^given up: ") ~= nil
end

-- What became of an entry: a word, a text for the line after it, and a class.
local function with_outcome(entry, outcome)
  local short = ends[entry.type] and ends[entry.type][outcome]
  if short then return short, entry.label, "good" end
  if outcome:find("^kept") then return "kept", outcome, "warn" end
  if outcome:find "^given up: " then return "given up", outcome:sub(11), "warn" end
  if history.is_not_done(outcome) then return "NOT done", outcome:sub(11), "bad" end
  return "done", outcome, "good"
end

-- The words for what nobody ended with an event: when it is at work, open after the end, failed, and ended.
local words = {
  lease = { work = "in use", open = "OUT", failed = "NOT taken back", ended = "taken back" },
  undo = { work = "if it fails", open = "OPEN", failed = "NOT undone", ended = "not needed" },
  follow_up = { work = "if it is cut short", open = "OPEN", failed = "NOT done", ended = "not needed" },
}

local function without_outcome(run, entry)
  local own = words[entry.type] or words.lease
  if entry.state == "failed" then return own.failed, "bad" end
  if entry.state == "ended" then
    -- A lease that has nothing was there already when it was to be made.
    return entry.type == "lease" and entry.result == "" and "not made" or own.ended, "good"
  end
  if run.state == "running" and run.alive then return own.work, "soft" end
  return entry.type == "lease" and entry.state == "intent" and "OUT, perhaps" or own.open, "bad"
end

--- What became of each entry of a run: a list of { entry =, word =, text =, class = } in the order of the entries. The
-- events have their data decoded.
function history.entries(run, entries, events)
  local told = {}
  for _, event in ipairs(events) do
    local outcome = event.type == "ended" and event.data.outcome
    if type(outcome) == "string" then
      local key = tostring(event.data.kind) .. "\0" .. tostring(event.data.label)
      told[key] = told[key] or {}
      table.insert(told[key], outcome)
    end
  end
  local rows = {}
  -- Entries end last first; of two that look the same the last one has the first event.
  for index = #entries, 1, -1 do
    local entry = entries[index]
    local heard = told[entry.kind .. "\0" .. entry.label]
    local outcome = entry.state == "ended" and heard and table.remove(heard, 1)
    local row = { entry = entry, text = entry.label }
    if outcome then
      row.word, row.text, row.class = with_outcome(entry, outcome)
    else
      row.word, row.class = without_outcome(run, entry)
    end
    rows[index] = row
  end
  return rows
end

--- The types of entries in the order in which a report shows them, with the title of each.
history.titles = {
  { "lease", "Granted for the time of the run" },
  { "undo", "To undo if the run fails" },
  { "follow_up", "Not to be forgotten if the run is cut short" },
}

return history
