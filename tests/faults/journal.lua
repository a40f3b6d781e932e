-- journal.lua FOLDER EVERY: damages copies of the journal in FOLDER and looks at what a recovery would read. The
-- damages: each file cut off at each end of a page or of a frame of SQLite's log, one byte before and after it, and at
-- every EVERY'th 64th byte; a flipped bit in each page and frame, at its beginning and in its middle, and at every
-- EVERY'th 64th byte; a flipped bit in each place where a record of the run is; and of the counts beside the journal
-- each length and a flipped bit in each byte.
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

local machine = require("native.host").local_machine()
local names = { "journal.db", "journal.db-wal" }
local counts_from = #names + 1
for name in machine:query({ "ls", folder .. "/journal.db-counts" }).output:gmatch "%S+" do
  names[#names + 1] = "journal.db-counts/" .. name
end
local files = {}
for _, name in ipairs(names) do files[name] = read_file(folder .. "/" .. name) or "" end
assert(files[names[counts_from]] ~= "", "there is no count of the run's entries")

-- Where a page, or a frame of the log, begins [sqlite.org/fileformat2.html].
local page_bytes = string.unpack(">I2", files["journal.db"], 17)
local function beginnings(name)
  local first, length = 0, page_bytes
  if name:find "%-wal$" then first, length = 32, 24 + page_bytes end
  local list = {}
  for place = first, #files[name] - 1, length do list[#list + 1] = place end
  return list, length
end

local function flipped(text, place)
  return text:sub(1, place - 1) .. string.char(text:byte(place) ~ (1 << place % 8)) .. text:sub(place + 1)
end

local function each_damage(try)
  local function cut(name, size)
    if size >= 0 and size < #files[name] then try(name .. " cut off at " .. size, name, files[name]:sub(1, size)) end
  end
  local function flip(name, place)
    if place > #files[name] then return end
    try(name .. " with a flipped bit at " .. place, name, flipped(files[name], place))
  end
  for index, name in ipairs(names) do
    local step = index < counts_from and step_bytes or 1
    for size = 0, #files[name] - 1, step do cut(name, size) end
    for place = 1, #files[name], step do flip(name, place) end
  end
  for index = 1, counts_from - 1 do
    local name = names[index]
    local list, length = beginnings(name)
    for _, place in ipairs(list) do
      for _, size in ipairs { place - 1, place, place + 1, place + length // 3 } do cut(name, size) end
      for _, at in ipairs { place + 1, place + 9, place + length // 2 } do flip(name, at) end
    end
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
      for index = 1, counts_from - 1 do
        local name = names[index]
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
