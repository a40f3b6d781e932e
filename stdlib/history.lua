--- What the journal holds of a run, in words for a person: how it ended, what it was about, what became of its entries.
-- Tested by tests/stdlib/history_test.lua.
local core = require "drover.core"

local history = {}

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

--- What a person does about a run that is not settled; nil when there is nothing to do.
function history.next_step(run)
  if run.kept then return "what it made was left as it is; take it back with: drover undo " .. run.id end
  if run.state == "needs_operator" then return "once that is settled: drover recover " .. run.id end
  if run.state == "running" and not run.alive then return "finish it with: drover recover " .. run.id end
end

--- JSON that a torn write may have spoilt: what is left of a history is shown all the same.
function history.decoded(text)
  local ok, value = core.pcall(json.decode, text)
  return ok and type(value) == "table" and value or {}
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

local ends = { revoked = "taken back", absent = "gone already", undone = "undone" }

--- What became of an entry when it was ended, for a line that begins with its label.
function history.ended(outcome) return ends[outcome] or tostring(outcome) end

-- What became of an entry that nobody ended with an event.
local function without_event(run, entry)
  local over = not (run.state == "running" and run.alive)
  if entry.type == "undo" then
    if entry.state == "ended" then return "not needed", "good" end
    if entry.state == "failed" then return "NOT undone", "bad" end
    return over and "OPEN" or "if it fails", over and "bad" or "soft"
  end
  if entry.state == "failed" then return "NOT taken back", "bad" end
  if entry.state == "ended" then
    -- It was there already when it was to be made, or was taken back before the end.
    return entry.result == "" and "not made" or "taken back", "good"
  end
  if not over then return entry.state == "intent" and "being made" or "in use", "soft" end
  return entry.state == "intent" and "OUT, perhaps" or "OUT", "bad"
end

--- What became of each entry of a run: a list of { entry =, word =, class = } in the order of the entries. The events
-- have their data decoded.
function history.entries(run, entries, events)
  local told = {}
  for _, event in ipairs(events) do
    if event.type == "ended" then
      local key = tostring(event.data.kind) .. "\0" .. tostring(event.data.label)
      told[key] = told[key] or {}
      table.insert(told[key], event.data)
    end
  end
  local rows = {}
  -- Entries end last first; of two that look the same the last one has the first event.
  for index = #entries, 1, -1 do
    local entry = entries[index]
    local key = entry.kind .. "\0" .. entry.label
    local data = entry.state == "ended" and told[key] and table.remove(told[key], 1)
    while data and data.outcome == nil do data = table.remove(told[key], 1) end  -- tries that failed before
    local text, class
    if data then
      text, class = history.ended(data.outcome), tostring(data.outcome):find("^kept") and "warn" or "good"
      if entry.type == "undo" and data.outcome == "absent" then text = "nothing to undo" end
    else
      text, class = without_event(run, entry)
    end
    rows[index] = { entry = entry, word = text, class = class }
  end
  return rows
end

return history
