-- move_figures.lua FOLDER JSON: what tests/bench/migrate measured, as a table and as data; exit code 1 when a goal is
-- missed. The folder has a file for each move, virsh.N or drover.N. Its first line is "BEGAN-MS ENDED-MS JOB-MS": when
-- the whole command began and ended, and how long libvirt says that its job took. Below are drover's events (--json).
-- Tested by tests/bench/move_figures_test.lua.
local files = require "files"
local layout = require "layout"

local goals = { job = 1.05, added_ms = 1500 }

local function median(values)
  table.sort(values)
  local middle = #values // 2
  return #values % 2 == 1 and values[middle + 1] or (values[middle] + values[middle + 1]) / 2
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

-- What a run did with its time: a list of { label, milliseconds } in order.
local function parts_of(text, began_ms, ended_ms)
  local parts, last_ms = {}, began_ms
  local function add(label, until_ms)
    parts[#parts + 1] = { label, until_ms - last_ms }
    last_ms = until_ms
  end
  local first = true
  for line in text:gmatch("\n({[^\n]*})") do
    local event = json.decode(line)
    if event.event == "run_began" then
      add("start, and write down that it runs", event.at_ms)
    elseif event.event == "step_began" then
      add(first and "connect, look at both hosts, check" or "between steps", event.at_ms)
      first = false
    elseif event.event == "step_ended" then
      add(event.step, event.at_ms)
    elseif event.event == "run_ended" then
      add("take back what was granted", event.at_ms)
    end
  end
  add("let go of hosts, end", ended_ms)
  return parts
end

-- Sums a run's parts by label: the same label may come more than once. Labels keep the order of the first run.
local function gather(runs)
  local labels, values = {}, {}
  for index, parts in ipairs(runs) do
    for _, part in ipairs(parts) do
      -- The hosts change places with every move.
      local label = part[1]:gsub(" on %l$", ""):gsub(" to %l$", "")
      if not values[label] then
        labels[#labels + 1], values[label] = label, {}
      end
      values[label][index] = (values[label][index] or 0) + part[2]
    end
  end
  local rows = {}
  for index, label in ipairs(labels) do
    local list = {}
    for run = 1, #runs do list[run] = values[label][run] or 0 end
    rows[index] = { label = label, median_ms = median(list) }
  end
  return rows
end

local function figures(folder)
  local seen, runs = {}, {}
  for _, who in ipairs { "virsh", "drover" } do seen[who] = { job = {}, whole = {}, around = {} } end
  for _, name in ipairs(files.list(folder)) do
    local who = name:match("^(%l+)%.%d+$")
    if who then
      local text = read(folder .. "/" .. name)
      local began_ms, ended_ms, job_ms = text:match("^(%d+) (%d+) (%d+)\n")
      began_ms, ended_ms, job_ms = tonumber(began_ms), tonumber(ended_ms), tonumber(job_ms)
      table.insert(seen[who].job, job_ms)
      table.insert(seen[who].whole, ended_ms - began_ms)
      table.insert(seen[who].around, ended_ms - began_ms - job_ms)
      if who == "drover" then runs[#runs + 1] = parts_of(text, began_ms, ended_ms) end
    end
  end
  local data = { moves = #runs, goals = goals, parts = json.array(gather(runs)) }
  for who, lists in pairs(seen) do
    for what, list in pairs(lists) do data[("%s_%s_ms"):format(who, what)] = median(list) end
  end
  data.job_ratio = data.drover_job_ms / data.virsh_job_ms
  -- A bare move has its own work around the job: connections, the phases of libvirt's protocol, the resume.
  data.added_ms = data.drover_whole_ms - data.virsh_whole_ms
  data.met = data.job_ratio <= goals.job and data.added_ms <= goals.added_ms
  return data
end

local function show(data)
  local function ms(value) return ("%.0f ms"):format(value) end
  local function goal(value, most) return value <= most and "met" or "MISSED" end
  print(("migrate: a running guest of 192 MiB with a disk of 128 MiB, median of %d moves each"):format(data.moves))
  local rows = {
    { "", "virsh", "drover", "times", "goal", "" },
    { "libvirt's job, by its own clock", ms(data.virsh_job_ms), ms(data.drover_job_ms),
      ("%.2f"):format(data.job_ratio), ("%.2f"):format(goals.job), goal(data.job_ratio, goals.job) },
    { "all around it", ms(data.virsh_around_ms), ms(data.drover_around_ms) },
    { "the whole command", ms(data.virsh_whole_ms), ms(data.drover_whole_ms) },
    { "what drover adds to it", "", ms(data.added_ms), "", ms(goals.added_ms), goal(data.added_ms, goals.added_ms) },
  }
  for _, line in ipairs(layout.columns(rows)) do print("  " .. line) end
  print [[
  The flags and the sockets of the move are the same, and in both the guest arrives paused. What differs: virsh's
  command is the move and one resume, with no question to the source in between, and its key, tunnel and disk were
  there before; all of that, the checks before and the look at both hosts after are in drover's.]]
  print "where drover's time goes, medians of the parts:"
  rows = {}
  for index, part in ipairs(data.parts) do rows[index] = { ms(part.median_ms), part.label } end
  for _, line in ipairs(layout.columns(rows)) do print("  " .. line) end
end

local folder, json_path = ...
local data = figures(folder)
show(data)
local file <close> = assert(io.open(json_path, "w"))
file:write(json.encode(data), "\n")
return data.met and 0 or 1
