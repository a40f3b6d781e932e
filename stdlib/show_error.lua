-- Shows the error that ended a command, and gives its exit code. Called by host/cli/session.cpp.
-- Tested by tests/transcripts/errors.in and tests/stdlib/run_test.lua.
local core = require "drover.core"
local errors = require "errors"

local exit_codes = { usage = 2 }

-- Wrong use that a binding found.
local usage_codes = { AMBIGUOUS_RUN = true }

local function as_data(problem)
  local data = {}
  for _, name in ipairs { "domain", "code", "message", "native", "op", "host", "object", "hint", "where" } do
    data[name] = rawget(problem, name)
  end
  data.faults = rawget(problem, "faults")
  data.run, data.changed, data.settled = rawget(problem, "run"), rawget(problem, "changed"), rawget(problem, "settled")
  if rawget(problem, "cause") then data.cause = as_data(problem.cause) end
  data.step = rawget(problem, "step")
  for index, other in ipairs(rawget(problem, "suppressed") or {}) do
    data.suppressed = data.suppressed or {}
    data.suppressed[index] = as_data(other)
  end
  return data
end

local function exit_code(problem)
  if rawget(problem, "needs_operator") then return 3 end
  if core.is_cancellation(problem) then return 130 end
  if usage_codes[rawget(problem, "code")] then return 2 end
  return rawget(problem, "exit_code") or exit_codes[problem.domain] or 1
end

local show = {}

-- Set by a command whose own words say -v or --json after a playbook's name.
local configured = {}

function show.configure(options) configured = { verbose = options.verbose, json = options.json } end

-- What became of what the run did; nil where other lines tell it: what is kept, and what needs an operator.
local function what_became(problem)
  local settled = rawget(problem, "settled")
  if rawget(problem, "needs_operator") or rawget(problem, "kept") then return settled end
  local words = "what the run did is undone"
  if rawget(problem, "stands") then
    words = "the work was complete already, and stands"
  elseif rawget(problem, "did_nothing") then
    words = "nothing was changed"
  elseif rawget(problem, "changed") then
    words = "its leases and undo entries, if any, are taken back"
  end
  return settled and settled .. "; " .. words or words
end

local function add_changes(lines, problem)
  for _, text in ipairs(rawget(problem, "changed") or {}) do
    lines[#lines + 1] = "  changed and not undone: " .. text
  end
end

-- What failed, and what to do about it. Of Ctrl-C a person wants to know what became of the run, not in which call it
-- was heard.
local function first_lines(problem, verbose)
  local run, step = rawget(problem, "run"), rawget(problem, "step")
  if not (run and core.is_cancellation(problem)) or rawget(problem, "needs_operator") then
    return { "drover: " .. tostring(problem), rawget(problem, "hint") and "  " .. problem.hint }
  end
  local became = what_became(problem)
  return { ("drover: interrupted%s%s"):format(step and (" in the step '%s'"):format(step) or "",
    became and "; " .. became or ""), verbose and "  heard in: " .. tostring(problem) or nil }
end

-- The lines that end the tale of a run: what became of it, and where it can be read again.
local function add_last_lines(lines, problem)
  local run = rawget(problem, "run")
  if not run then return end
  add_changes(lines, problem)
  local became = not core.is_cancellation(problem) and what_became(problem)
  -- All that stood in the way says it already.
  if rawget(problem, "did_nothing") and rawget(problem, "faults") and not rawget(problem, "broke_off") then
    became = nil
  end
  lines[#lines + 1] = ("  %sdrover report %s tells it again"):format(became and became .. "; " or "", run)
end

local function show_error(_, problem, verbose, as_json)
  verbose, as_json = verbose or configured.verbose, as_json or configured.json
  if rawget(problem, "silent") then return exit_code(problem) end
  if as_json then
    io.stdout:write(require("native.json").encode { event = "error", error = as_data(problem) }, "\n")
    return exit_code(problem)
  end
  local lines = first_lines(problem, verbose)
  if rawget(problem, "broke_off") then lines[#lines + 1] = "  found before that:" end
  for _, fault in ipairs(rawget(problem, "faults") or {}) do
    lines[#lines + 1] = "  - " .. tostring(errors.new { message = fault.message, host = fault.host })
    if fault.hint then lines[#lines + 1] = "      " .. fault.hint end
  end
  for _, other in ipairs(rawget(problem, "suppressed") or {}) do
    lines[#lines + 1] = "  also: " .. tostring(other)
    if rawget(other, "hint") then lines[#lines + 1] = "      " .. other.hint end
  end
  add_last_lines(lines, problem)
  if verbose then
    if rawget(problem, "native") then lines[#lines + 1] = "  native: " .. problem.native end
    if rawget(problem, "op") then lines[#lines + 1] = "  in: " .. problem.op end
    local cause = rawget(problem, "cause")
    while cause do
      lines[#lines + 1] = "  because: " .. tostring(cause)
      cause = rawget(cause, "cause")
    end
    if rawget(problem, "traceback") then lines[#lines + 1] = (problem.traceback:gsub("^\n", "")) end
  end
  io.stderr:write(require("native.terminal").visible(table.concat(lines, "\n")), "\n")
  return exit_code(problem)
end

return setmetatable(show, { __call = show_error })
