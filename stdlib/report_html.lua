--- One run as a self-contained page: its steps in time, the curve of the move, leases, errors. No script, no network.
-- Tested by tests/stdlib/report_html_test.lua.
local history = require "history"
local units = require "units"

local report_html = {}

local style = [[
:root { color-scheme: light dark; --ink: #1d2733; --soft: #66748a; --line: #d9dfe7; --card: #fff; --page: #f4f6f9;
  --good: #1f8a55; --bad: #c0392b; --warn: #b9770e; --blue: #2b6cb0; --orange: #c05621; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf2; --soft: #9aa7b8; --line: #334155; --card: #1e293b;
  --page: #0f172a; --good: #4ade80; --bad: #f87171; --warn: #fbbf24; --blue: #63b3ed; --orange: #f6ad55; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; }
h1 { font-size: 1.5rem; margin: 0; display: flex; gap: 1rem; align-items: center; flex-wrap: wrap; }
h2 { font-size: 1.05rem; margin: 0 0 .75rem; }
.sub { color: var(--soft); margin: .25rem 0 1.5rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1.25rem;
  margin: 0 0 1rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; color: var(--soft); font-weight: 500; }
th:first-child { width: 55%; } th:nth-child(2) { width: 18%; }
td, th { padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; } .right { text-align: right; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); } .soft { color: var(--soft); }
code { font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.steps { display: grid; grid-template-columns: auto minmax(12rem, 2fr) 3fr auto; gap: .3rem .75rem;
  align-items: center; }
.steps span { overflow-wrap: anywhere; } .track { position: relative; height: .8rem; background: var(--page);
  border-radius: 3px; } .track i { position: absolute; top: 0; bottom: 0; min-width: 3px; border-radius: 3px;
  background: var(--blue); } .track .broken { background: var(--bad); }
.badge { border: 1px solid; border-radius: 999px; padding: .05rem .7rem; font-size: .9rem; white-space: nowrap; }
.legend { display: flex; gap: 1.5rem; font-size: .85rem; } .legend .left { color: var(--blue); }
.legend .dirty { color: var(--orange); }
]]

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local function escape(text) return (tostring(text):gsub("[&<>\"']", entities)) end

local function section(title, body) return "<section><h2>" .. escape(title) .. "</h2>" .. body .. "</section>" end

local function clock(at_ms) return os.date("!%Y-%m-%d %H:%M:%S UTC", at_ms // 1000) end

local function of_type(events, kind)
  local found = {}
  for _, event in ipairs(events) do
    if event.type == kind then found[#found + 1] = event end
  end
  return found
end

-- A bar per step, from when it began to when it ended, over the whole run.
local function timeline(run, steps)
  local end_ms = run.ended_ms > 0 and run.ended_ms or steps[#steps].at_ms
  local span_ms = math.max(1, end_ms - run.started_ms)
  local rows = {}
  for _, step in ipairs(steps) do
    local elapsed_ms = step.data.elapsed_ms or 0
    local ok = step.data.ok == true
    local from = math.max(0, math.min(1, (step.at_ms - elapsed_ms - run.started_ms) / span_ms))
    local width = math.max(0.004, math.min(1 - from, elapsed_ms / span_ms))
    rows[#rows + 1] = ('<span class="%s">%s</span><span>%s</span><span class="track"><i class="%s" style="left:%.1f%%;'
      .. 'width:%.1f%%"></i></span><span class="right soft">%s</span>'):format(ok and "good" or "bad",
      ok and "ok" or "no", escape(step.data.step or "?"), ok and "" or "broken", from * 100, width * 100,
      units.format_duration(elapsed_ms))
  end
  return '<div class="steps">' .. table.concat(rows) .. "</div>"
end

local function polyline(points, colour)
  local text = {}
  for _, point in ipairs(points) do text[#text + 1] = ("%.1f,%.1f"):format(point[1], point[2]) end
  local shape = '<polyline points="%s" fill="none" stroke="var(--%s)" stroke-width="2"/>'
  return shape:format(table.concat(text, " "), colour)
end

-- Bytes left and, where the guest's writes were measured, their rate; each on its own scale, named at its end.
local function curve(progress)
  local first_ms, last_ms = progress[1].at_ms, progress[#progress].at_ms
  local most_left, most_dirty = 1, 0
  for _, event in ipairs(progress) do
    most_left = math.max(most_left, event.data.remaining_bytes or 0)
    most_dirty = math.max(most_dirty, event.data.dirty_bytes_s or 0)
  end
  -- Disks and memory are counted one after the other: each has a line of its own.
  local lines, left, dirty, phase = {}, {}, {}, progress[1].data.phase
  for _, event in ipairs(progress) do
    local x = 70 + (event.at_ms - first_ms) / math.max(1, last_ms - first_ms) * 760
    if event.data.phase ~= phase then
      lines[#lines + 1] = polyline(left, "blue")
      left, phase = {}, event.data.phase
    end
    left[#left + 1] = { x, 180 - (event.data.remaining_bytes or 0) / most_left * 160 }
    dirty[#dirty + 1] = { x, 180 - (event.data.dirty_bytes_s or 0) / math.max(1, most_dirty) * 160 }
  end
  local parts = {
    '<svg viewBox="0 0 920 210" role="img" aria-label="Left to send, and dirty rate">',
    '<path d="M70 20V180H830" fill="none" stroke="var(--line)"/>', table.concat(lines) .. polyline(left, "blue"),
    ('<text x="0" y="24">%s</text><text x="0" y="184">0</text><text x="70" y="200">0 s</text>'):format(
      units.format_size(most_left)),
    ('<text x="830" y="200" text-anchor="end">%s</text>'):format(units.format_duration(last_ms - first_ms)),
  }
  local legend = ('<span class="left">left to send%s</span>'):format(#lines > 0 and ": first disks, then memory" or "")
  if most_dirty > 0 then
    parts[#parts + 1] = polyline(dirty, "orange")
    parts[#parts + 1] = ('<text x="836" y="24">%s/s</text>'):format(units.format_size(most_dirty))
    legend = legend .. '<span class="dirty">written by the guest</span>'
  end
  parts[#parts + 1] = '</svg><div class="legend">' .. legend .. "</div>"
  return table.concat(parts)
end

local function rows_of(list, head, row)
  local out = { "<table>" }
  if #head > 0 then
    out[#out + 1] = "<tr>"
    for _, name in ipairs(head) do out[#out + 1] = "<th>" .. escape(name) .. "</th>" end
    out[#out + 1] = "</tr>"
  end
  for _, one in ipairs(list) do out[#out + 1] = "<tr>" .. row(one) .. "</tr>" end
  out[#out + 1] = "</table>"
  return table.concat(out)
end

local function entry_table(rows)
  return rows_of(rows, { "what", "kind", "state" }, function(row)
    local entry = row.entry
    return ('<td>%s</td><td class="soft">%s</td><td class="%s">%s%s</td>'):format(escape(row.text),
      escape(entry.kind), row.class, escape(row.word), entry.error ~= "" and ": " .. escape(entry.error) or "")
  end)
end

local function add_entries(parts, rows, type, title)
  local found = {}
  for _, row in ipairs(rows) do
    if row.entry.type == type then found[#found + 1] = row end
  end
  if #found > 0 then parts[#parts + 1] = section(title, entry_table(found)) end
end

local function definition_list(rows)
  local out = { "<dl>" }
  for _, row in ipairs(rows) do out[#out + 1] = "<dt>" .. escape(row[1]) .. "</dt><dd>" .. row[2] .. "</dd>" end
  out[#out + 1] = "</dl>"
  return table.concat(out)
end

local function facts(run, entries, problem, summary)
  local rows = {
    { "playbook", escape(run.playbook) .. ' <span class="soft">' .. escape(run.playbook_file) .. "</span>" },
    { "began", clock(run.started_ms) },
  }
  if run.ended_ms > 0 then rows[#rows + 1] = { "took", units.format_duration(run.ended_ms - run.started_ms) } end
  if problem then
    for index, line in ipairs(history.problem(problem)) do
      rows[#rows + 1] = { index == 1 and "error" or "", '<span class="bad">' .. escape(line[1]) .. "</span>"
        .. (line.hint and "<br/>" .. escape(line.hint) or "") }
    end
  end
  local next_step = history.next_step(run, entries)
  if next_step then rows[#rows + 1] = { "what now", escape(next_step) } end
  for _, row in ipairs(summary) do
    if type(row) == "table" then rows[#rows + 1] = { row[1], escape(row[2]) } end
  end
  return definition_list(rows)
end

local function parameter_list(parameters)
  local rows = {}
  for name, value in pairs(parameters) do
    if type(value) == "table" then value = next(value) and json.encode(value) or "" end
    if value ~= "" and value ~= json.null() then
      rows[#rows + 1] = { name, "<code>" .. escape(value) .. "</code>" }
    end
  end
  table.sort(rows, function(left, right) return left[1] < right[1] end)
  return definition_list(rows)
end

--- The page. run, entries, events as the journal gives them, with decoded data; parameters and problem as tables.
function report_html.page(run, entries, events, parameters, problem)
  local steps, progress, warnings = of_type(events, "step"), of_type(events, "progress"), of_type(events, "warning")
  local summary = of_type(events, "summary")[1]
  while progress[1] and (progress[1].data.total_bytes or 0) == 0 do table.remove(progress, 1) end
  local parts = { section("Run", facts(run, entries, problem, summary and summary.data or {})) }
  if #steps > 0 then parts[#parts + 1] = section("Steps", timeline(run, steps)) end
  if #progress > 1 then parts[#parts + 1] = section("The move", curve(progress)) end
  if #warnings > 0 then
    parts[#parts + 1] = section("Warnings", rows_of(warnings, {}, function(event)
      return ('<td class="warn">%s</td><td class="soft">%s</td>'):format(escape(event.data.message),
        escape(event.data.hint or ""))
    end))
  end
  local said = of_type(events, "log")
  if #said > 0 then
    parts[#parts + 1] = section("Said", rows_of(said, {}, function(event)
      return "<td>" .. escape(event.data.message) .. "</td>"
    end))
  end
  local changed = run.state ~= "done" and history.changed(events) or {}
  if #changed > 0 then
    parts[#parts + 1] = section("Changed and not undone", rows_of(changed, {}, function(text)
      return ('<td class="warn">%s</td>'):format(escape(text))
    end))
  end
  local entry_rows = history.entries(run, entries, events)
  for _, title in ipairs(history.titles) do add_entries(parts, entry_rows, title[1], title[2]) end
  if next(parameters) then parts[#parts + 1] = section("Parameters", parameter_list(parameters)) end
  local outcome, class = history.outcome(run)
  local about = history.about(parameters)
  local title = run.playbook .. (about ~= "" and ": " .. about or "")
  return '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    .. '<meta name="viewport" content="width=device-width, initial-scale=1">'
    .. "<title>" .. escape(title) .. ", " .. escape(outcome) .. "</title><style>" .. style .. "</style></head>"
    .. "<body><main><h1>" .. escape(title) .. ' <span class="badge ' .. class .. '">' .. escape(outcome)
    .. "</span></h1>"
    .. '<p class="sub">run ' .. escape(run.id) .. "</p>" .. table.concat(parts) .. "</main></body></html>\n"
end

return report_html
