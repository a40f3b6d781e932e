-- drover report [RUN] [--html]: one run's steps, leases and errors, from the journal.
-- Tested by tests/stdlib/command/report_test.lua.
local history = require "history"
local layout = require "layout"
local screen = require "screen"
local units = require "units"

local units_of_numbers = { "_ms$", "_bytes$", "_bytes_s$" }

-- The data of an event, without nulls and without figures that are no whole numbers.
local function event_data(text)
  local data = history.decoded(text)
  for name, value in pairs(data) do
    local wrong = value == json.null()
    for _, unit in ipairs(units_of_numbers) do
      wrong = wrong or type(name) == "string" and name:find(unit) and math.type(value) ~= "integer"
    end
    if wrong then data[name] = nil end
  end
  return data
end

local function field(value) return value ~= nil and tostring(value) or "?" end

local function clock(at_ms) return os.date("!%Y-%m-%d %H:%M:%S UTC", at_ms // 1000) end

local shown = { step = true, summary = true, warning = true, log = true }

local function print_lines(lines) screen.say(table.concat(lines, "\n")) end

local function print_steps(events, width)
  local any, summary = false, {}
  local label_width = math.max(20, math.min(50, width - 16))
  for _, event in ipairs(events) do
    if shown[event.type] and not any then screen.say "" end
    any = any or shown[event.type]
    if event.type == "step" then
      local elapsed_ms = event.data.elapsed_ms
      screen.say(("  %s  %-" .. label_width .. "s %s"):format(event.data.ok == true and "ok" or "no",
        field(event.data.step), math.type(elapsed_ms) == "integer" and units.format_duration(elapsed_ms) or ""))
    elseif event.type == "summary" then
      for _, row in ipairs(event.data) do
        if type(row) == "table" then summary[#summary + 1] = { field(row[1]), field(row[2]) } end
      end
    elseif event.type == "warning" then
      print_lines(layout.wrap(field(event.data.message), width, "  warning  ", "           "))
    elseif event.type == "log" then
      print_lines(layout.wrap(field(event.data.message), width, "      ", "      "))
    end
  end
  if #summary > 0 then
    screen.say ""
    print_lines(layout.pairs(summary, width, "  "))
  end
end

-- The entries of a type, each with what became of it.
local function print_entries(rows, type, title, width)
  local lines = {}
  for _, row in ipairs(rows) do
    if row.entry.type == type then
      lines[#lines + 1] = { row.word, row.text
        .. (row.entry.error ~= "" and ": " .. row.entry.error or "") }
    end
  end
  if #lines == 0 then return end
  screen.say("\n" .. title .. ":")
  print_lines(layout.pairs(lines, width, "  "))
end

-- What nothing takes back matters once the run did not come to its end.
local function print_changed(one, events, width)
  local changed = history.changed(events)
  if #changed == 0 or one.state == "done" then return end
  print("\nChanged and not undone:")
  for _, text in ipairs(changed) do print_lines(layout.wrap(text, width, "  ", "    ")) end
end

local function show(one, entries, events)
  local width = terminal.is_terminal("stdout") and terminal.width() or math.maxinteger
  local about = history.about(history.decoded(one.parameters))
  screen.say(("run %s: %s%s"):format(one.id, one.playbook, about ~= "" and ", " .. about or ""))
  screen.say(("  %s, began %s%s"):format((history.outcome(one)), clock(one.started_ms),
    one.ended_ms > 0 and ", took " .. units.format_duration(one.ended_ms - one.started_ms) or ""))
  if one.error ~= "" then
    for index, line in ipairs(history.problem(history.decoded(one.error))) do
      screen.say((index == 1 and "  " or "  - ") .. line[1])
      if line.hint then screen.say((index == 1 and "    " or "      ") .. line.hint) end
    end
  end
  local next_step = history.next_step(one, entries)
  if next_step then screen.say(table.concat(layout.wrap(next_step, width, "  ", "    "), "\n")) end
  print_steps(events, width)
  print_changed(one, events, width)
  local rows = history.entries(one, entries, events)
  for _, title in ipairs(history.titles) do print_entries(rows, title[1], title[2], width) end
end

return function(request)
  if request.html and request.json then
    errors.raise { domain = "usage", code = "BAD_USAGE", where = false, hint = "leave one of them out",
      message = "report gives --html or --json, not both" }
  end
  local store <close> = history.existing_journal()
  local one = store and (request.run ~= "" and store:find_run(request.run) or request.run == "" and store:runs(1)[1])
  if not one then
    errors.raise { domain = "usage", code = "NO_RUN", where = false, hint = "'drover runs' lists them",
      message = request.run == "" and "there are no runs yet" or "there is no run " .. request.run }
  end
  local entries, events = store:entries(one.id), store:events(one.id)
  for _, event in ipairs(events) do event.data = event_data(event.data) end
  if request.html then
    io.write(terminal.visible(require("report_html").page(one, entries, events, history.decoded(one.parameters),
      one.error ~= "" and history.decoded(one.error) or nil)))
    return
  end
  if request.json then
    one.playbook_text = nil
    one.parameters, one.error = history.decoded(one.parameters), one.error ~= "" and history.decoded(one.error) or nil
    print(json.encode { run = one, entries = json.array(entries), events = json.array(events) })
    return
  end
  show(one, entries, events)
end
