-- journal.lua FOLDER EVERY: damages copies of the journal in FOLDER and looks at what a recovery would read. The
-- damages: each file cut off at every EVERY'th 64th byte, a flipped bit at every EVERY'th 64th byte, and a flipped bit
-- in each place where a record of the run is.
--
-- Good is an error JOURNAL_UNUSABLE, and the same as before. Good is as well a mark that is lost with the end of
-- SQLite's log (an entry that is done is an intent again): its probe finds out. An entry that is lost, or reads as
-- something else, is bad: something would be left, or something else be taken away.
local folder, every = ...
local step_bytes = 64 * math.tointeger(tonumber(every))

local function read_file(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end
local function write_file(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

-- ---- what a recovery reads ----

local run_fields = { "id", "playbook", "playbook_text", "parameters", "state", "object", "kept", "pid" }
local entry_fields = { "sequence", "type", "kind", "label", "arguments" }

local function values_of(row, fields)
  local list = {}
  for _, name in ipairs(fields) do list[#list + 1] = tostring(row[name]) end
  return table.concat(list, "\0")
end

local function read_journal(path)
  local store <close> = journal.open { path = path }
  local found = {}
  for _, run in ipairs(store:runs(1000)) do
    local entries = {}
    for _, entry in ipairs(store:entries(run.id)) do
      entries[#entries + 1] = { fixed = values_of(entry, entry_fields), state = entry.state, result = entry.result }
    end
    found[#found + 1] = { fixed = values_of(run, run_fields), entries = entries }
  end
  return found
end

-- Nothing when what was read is good; else what is wrong with it.
local function fault_of(good, read)
  if #read ~= #good then return ("%d runs, not %d"):format(#read, #good) end
  for index, run in ipairs(good) do
    local now = read[index]
    if now.fixed ~= run.fixed then return "a run reads as something else" end
    if #now.entries ~= #run.entries then return ("%d entries, not %d"):format(#now.entries, #run.entries) end
    for number, entry in ipairs(run.entries) do
      local seen = now.entries[number]
      local same = seen.state == entry.state and seen.result == entry.result
      local mark_lost = seen.state == "intent" and seen.result == ""
      if seen.fixed ~= entry.fixed or not (same or mark_lost) then return "entry " .. number .. " reads otherwise" end
    end
  end
end

-- ---- the damages ----

local names = { "journal.db", "journal.db-wal" }
local files = {}
for _, name in ipairs(names) do files[name] = read_file(folder .. "/" .. name) or "" end

local function flipped(text, place)
  return text:sub(1, place - 1) .. string.char(text:byte(place) ~ (1 << place % 8)) .. text:sub(place + 1)
end

local function each_damage(try)
  for _, name in ipairs(names) do
    local text = files[name]
    for size = 0, #text - 1, step_bytes do try(name .. " cut off at " .. size, name, text:sub(1, size)) end
    for place = 1, #text, step_bytes do try(name .. " with a flipped bit at " .. place, name, flipped(text, place)) end
  end
end

-- A place in the middle of each record, wherever a copy of it is.
local function each_record(good, try)
  for _, run in ipairs(good) do
    local records = { (run.fixed:match "^[^\0]+") }
    for _, entry in ipairs(run.entries) do
      records[#records + 1] = entry.fixed:match "[^\0]+$"
      if entry.result ~= "" and entry.result ~= "{}" then records[#records + 1] = entry.result end
    end
    for _, record in ipairs(records) do
      for _, name in ipairs(names) do
        local from, to = files[name]:find(record, 1, true)
        while from do
          try(("%s with a flipped bit in %s"):format(name, record:sub(1, 40)), name,
            flipped(files[name], from + #record // 2))
          from, to = files[name]:find(record, to, true)
        end
      end
    end
  end
end

-- ---- trying them ----

local machine = require("native.host").local_machine()
local place = folder .. ".damaged"
machine:exec { "rm", "-rf", place }
machine:exec { "cp", "-rp", folder, place }
local path = place .. "/journal.db"

local function restore(damaged_name, damaged)
  for _, name in ipairs(names) do
    local text = name == damaged_name and damaged or files[name]
    if text == "" and files[name] == "" then
      os.remove(place .. "/" .. name)
    else
      write_file(place .. "/" .. name, text)
    end
  end
  os.remove(path .. "-shm")
end

restore()
local good = read_journal(path)
assert(#good == 1 and #good[1].entries > 5, "this is not the journal of one run with its leases out")

local tried, detected, harmless, bad = 0, 0, 0, {}
local function try(what, name, damaged)
  restore(name, damaged)
  tried = tried + 1
  local ok, result = pcall(read_journal, path)
  local fault
  if ok then fault = fault_of(good, result) else fault = result.code ~= "JOURNAL_UNUSABLE" and tostring(result) end
  if fault then
    bad[#bad + 1] = what .. ": " .. fault
  elseif ok then
    harmless = harmless + 1
  else
    detected = detected + 1
  end
end
each_damage(try)
each_record(good, try)
machine:exec { "rm", "-rf", place }

print(("%d damages of a journal with %d entries, %d bytes and %d bytes of log"):format(tried, #good[1].entries,
  #files["journal.db"], #files["journal.db-wal"]))
print(("%d detected, %d harmless, %d bad"):format(detected, harmless, #bad))
for index = 1, math.min(#bad, 10) do print(bad[index]) end
return (#bad == 0 and detected > 0) and 0 or 1
