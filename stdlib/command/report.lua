-- drover report [RUN]: one run's steps, leases and errors, from the journal.
local core = require "drover.core"
local journal = require "journal"
local units = require "units"

-- JSON that a torn write may have spoilt: what is left of a history is shown all the same.
local function decoded(text)
  local ok, value = core.pcall(json.decode, text)
  return ok and type(value) == "table" and value or {}
end

local units_of_numbers = { "_ms$", "_bytes$", "_bytes_s$" }

-- The data of an event, without nulls and without figures that are no numbers.
local function event_data(text)
  local data = decoded(text)
  for name, value in pairs(data) do
    local wrong = value == json.null() or type(name) ~= "string"
    for _, unit in ipairs(units_of_numbers) do
      wrong = wrong or name:find(unit) and type(value) ~= "number"
    end
    if wrong then data[name] = nil end
  end
  return data
end

local function field(value) return value ~= nil and tostring(value) or "?" end

return function(request)
  local store = journal.open()
  local one = request.run ~= "" and store:find_run(request.run) or request.run == "" and store:runs(1)[1]
  if not one then
    errors.raise { domain = "usage", code = "NO_RUN", where = false, hint = "'drover runs' lists them",
      message = request.run == "" and "there are no runs yet" or "there is no run " .. request.run }
  end
  local entries, events = store:entries(one.id), store:events(one.id)
  for _, event in ipairs(events) do event.data = event_data(event.data) end
  if request.html then
    io.write(require("report_html").page(one, entries, events, decoded(one.parameters),
      one.error ~= "" and decoded(one.error) or nil))
    return
  end
  if request.json then
    one.playbook_text = nil
    one.parameters, one.error = decoded(one.parameters), one.error ~= "" and decoded(one.error) or nil
    print(json.encode { run = one, entries = json.array(entries), events = json.array(events) })
    return
  end
  print(("run %s: %s, %s"):format(one.id, one.playbook, one.state))
  for _, event in ipairs(events) do
    if event.type == "step" then
      local elapsed_ms = event.data.elapsed_ms
      print(("  %s  %-50s %s"):format(event.data.ok == true and "ok" or "no", field(event.data.step),
        math.type(elapsed_ms) == "integer" and units.format_duration(elapsed_ms) or ""))
    elseif event.type == "summary" then
      for _, row in ipairs(event.data) do print(("      %s: %s"):format(row[1], row[2])) end
    elseif event.type == "warning" then
      print("  warning  " .. field(event.data.message))
    end
  end
  if #entries > 0 then print("leases and undo entries") end
  for _, entry in ipairs(entries) do
    print(("  %-6s  %-7s  %s%s"):format(entry.type, entry.state, entry.label,
      entry.error ~= "" and ": " .. entry.error or ""))
  end
  if one.error ~= "" then print("error: " .. field(decoded(one.error).message)) end
end
