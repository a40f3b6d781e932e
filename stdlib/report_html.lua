--- One run as a self-contained page: its steps in time, the curve of the move, leases, errors. No script, no network.
-- Tested by tests/stdlib/report_html_test.lua.
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
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0 0 .75rem; }
.sub { color: var(--soft); margin: .25rem 0 1.5rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1.25rem;
  margin: 0 0 1rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; color: var(--soft); font-weight: 500; }
td, th { padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; } .right { text-align: right; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); } .soft { color: var(--soft); }
code { font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
]]

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local function escape(text) return (tostring(text):gsub("[&<>\"']", entities)) end

local function section(title, body) return "<section><h2>" .. escape(title) .. "</h2>" .. body .. "</section>" end

local function clock(at_ms) return os.date("!%Y-%m-%d %H:%M:%S UTC", at_ms // 1000) end

local state_class = { done = "good", recovered = "good", failed = "bad", needs_operator = "bad", interrupted = "warn",
  running = "warn" }

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
  local rows, height = {}, 26
  for index, step in ipairs(steps) do
    local elapsed_ms = step.data.elapsed_ms or 0
    local x = 300 + (step.at_ms - elapsed_ms - run.started_ms) / span_ms * 540
    local width = math.max(2, elapsed_ms / span_ms * 540)
    local y = (index - 1) * height
    rows[#rows + 1] = ('<text x="0" y="%d">%s</text>'
      .. '<rect x="%.1f" y="%d" width="%.1f" height="14" rx="3" fill="var(--%s)"/>'
      .. '<text x="%.1f" y="%d">%s</text>'):format(y + 15, escape(step.data.step), x, y + 4, width,
      step.data.ok and "blue" or "bad", math.min(x + width + 6, 850), y + 15, units.format_duration(elapsed_ms))
  end
  return ('<svg viewBox="0 0 920 %d" role="img" aria-label="Steps in time">%s</svg>'):format(#steps * height,
    table.concat(rows))
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
  local left, dirty = {}, {}
  for _, event in ipairs(progress) do
    local x = 70 + (event.at_ms - first_ms) / math.max(1, last_ms - first_ms) * 760
    left[#left + 1] = { x, 180 - (event.data.remaining_bytes or 0) / most_left * 160 }
    dirty[#dirty + 1] = { x, 180 - (event.data.dirty_bytes_s or 0) / math.max(1, most_dirty) * 160 }
  end
  local parts = {
    '<svg viewBox="0 0 920 210" role="img" aria-label="Left to send, and dirty rate">',
    '<path d="M70 20V180H830" fill="none" stroke="var(--line)"/>', polyline(left, "blue"),
    ('<text x="0" y="24">%s</text><text x="0" y="184">0</text><text x="70" y="200">0 s</text>'):format(
      units.format_size(most_left)),
    ('<text x="780" y="200">%s</text>'):format(units.format_duration(last_ms - first_ms)),
    '<text x="300" y="200" style="fill:var(--blue)">left to send</text>',
  }
  if most_dirty > 0 then
    parts[#parts + 1] = polyline(dirty, "orange")
    parts[#parts + 1] = ('<text x="836" y="24">%s/s</text>'):format(units.format_size(most_dirty))
    parts[#parts + 1] = '<text x="420" y="200" style="fill:var(--orange)">dirty rate</text>'
  end
  parts[#parts + 1] = "</svg>"
  return table.concat(parts)
end

local function rows_of(list, head, row)
  local out = { "<table><tr>" }
  for _, name in ipairs(head) do out[#out + 1] = "<th>" .. escape(name) .. "</th>" end
  out[#out + 1] = "</tr>"
  for _, one in ipairs(list) do out[#out + 1] = "<tr>" .. row(one) .. "</tr>" end
  out[#out + 1] = "</table>"
  return table.concat(out)
end

local entry_words = { ended = "taken back", done = "OUT", intent = "OUT (not confirmed)", failed = "NOT taken back" }

local function leases(entries)
  return rows_of(entries, { "what", "kind", "state" }, function(entry)
    local undone_class = entry.state == "ended" and "good" or "bad"
    local word = entry.type == "undo" and entry.state == "ended" and "void or undone" or entry_words[entry.state]
    return ('<td>%s</td><td class="soft">%s</td><td class="%s">%s%s</td>'):format(escape(entry.label),
      escape(entry.kind), undone_class, word or escape(entry.state),
      entry.error ~= "" and ": " .. escape(entry.error) or "")
  end)
end

local function definition_list(rows)
  local out = { "<dl>" }
  for _, row in ipairs(rows) do out[#out + 1] = "<dt>" .. escape(row[1]) .. "</dt><dd>" .. row[2] .. "</dd>" end
  out[#out + 1] = "</dl>"
  return table.concat(out)
end

local function facts(run, problem, summary)
  local rows = {
    { "playbook", escape(run.playbook) .. ' <span class="soft">' .. escape(run.playbook_file) .. "</span>" },
    { "state", ('<span class="%s">%s</span>'):format(state_class[run.state] or "", escape(run.state)) },
    { "began", clock(run.started_ms) },
  }
  if run.ended_ms > 0 then rows[#rows + 1] = { "took", units.format_duration(run.ended_ms - run.started_ms) } end
  if problem then
    rows[#rows + 1] = { "error", '<span class="bad">' .. escape(problem.message or "") .. "</span>"
      .. (problem.hint and "<br>" .. escape(problem.hint) or "") }
  end
  for _, row in ipairs(summary) do rows[#rows + 1] = { row[1], escape(row[2]) } end
  return definition_list(rows)
end

local function parameter_list(parameters)
  local rows = {}
  for name, value in pairs(parameters) do
    local shown = type(value) ~= "table" and value ~= ""
    if shown then rows[#rows + 1] = { name, "<code>" .. escape(value) .. "</code>" } end
  end
  table.sort(rows, function(left, right) return left[1] < right[1] end)
  return definition_list(rows)
end

--- The page. run, entries, events as the journal gives them, with decoded data; parameters and problem as tables.
function report_html.page(run, entries, events, parameters, problem)
  local steps, progress, warnings = of_type(events, "step"), of_type(events, "progress"), of_type(events, "warning")
  local summary = of_type(events, "summary")[1]
  while progress[1] and (progress[1].data.total_bytes or 0) == 0 do table.remove(progress, 1) end
  local parts = { section("Run", facts(run, problem, summary and summary.data or {})) }
  if #steps > 0 then parts[#parts + 1] = section("Steps", timeline(run, steps)) end
  if #progress > 1 then parts[#parts + 1] = section("The move", curve(progress)) end
  if #warnings > 0 then
    parts[#parts + 1] = section("Warnings", rows_of(warnings, { "", "" }, function(event)
      return ('<td class="warn">%s</td><td class="soft">%s</td>'):format(escape(event.data.message),
        escape(event.data.hint or ""))
    end))
  end
  if #entries > 0 then parts[#parts + 1] = section("Granted, and taken back", leases(entries)) end
  parts[#parts + 1] = section("Parameters", parameter_list(parameters))
  return '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    .. '<meta name="viewport" content="width=device-width">'
    .. "<title>drover run " .. escape(run.id) .. "</title><style>" .. style .. "</style></head><body><main><h1>Run "
    .. escape(run.id) .. '</h1><p class="sub">' .. escape(run.playbook) .. ", " .. escape(run.state) .. "</p>"
    .. table.concat(parts) .. "</main></body></html>\n"
end

return report_html
