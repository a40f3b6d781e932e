-- Shows the error that ended a command, and gives its exit code. Called by host/cli/session.cpp.
-- Tested by tests/transcripts/errors.in and tests/stdlib/run_test.lua.
local core = require "drover.core"
local errors = require "errors"

local exit_codes = { usage = 2 }

local function as_data(problem)
  local data = {}
  for _, name in ipairs { "domain", "code", "message", "native", "op", "host", "object", "hint", "where" } do
    data[name] = rawget(problem, name)
  end
  data.faults = rawget(problem, "faults")
  data.run = rawget(problem, "run")
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
  return rawget(problem, "exit_code") or exit_codes[problem.domain] or 1
end

local show = {}

-- Set by a command whose own words say -v or --json after a playbook's name.
local configured = {}

function show.configure(options) configured = { verbose = options.verbose, json = options.json } end

-- What failed, and what to do about it. Of Ctrl-C a person wants to know what became of the run, not in which call it
-- was heard.
local function first_lines(problem, verbose)
  local run = rawget(problem, "run")
  if not (run and core.is_cancellation(problem)) or rawget(problem, "needs_operator") then
    return { "drover: " .. tostring(problem), rawget(problem, "hint") and "  " .. problem.hint }
  end
  local step = rawget(problem, "step")
  return { ("drover: interrupted%s; %s"):format(step and (" in the step '%s'"):format(step) or "",
    rawget(problem, "stands") and "the work was complete already, and stands" or "what the run did is undone"),
    ("  drover report %s tells it again"):format(run), verbose and "  heard in: " .. tostring(problem) or nil }
end

local function show_error(_, problem, verbose, as_json)
  verbose, as_json = verbose or configured.verbose, as_json or configured.json
  if rawget(problem, "silent") then return exit_code(problem) end
  if as_json then
    io.stdout:write(require("native.json").encode { event = "error", error = as_data(problem) }, "\n")
    return exit_code(problem)
  end
  local lines = first_lines(problem, verbose)
  for _, fault in ipairs(rawget(problem, "faults") or {}) do
    lines[#lines + 1] = "  - " .. tostring(errors.new { message = fault.message, host = fault.host })
    if fault.hint then lines[#lines + 1] = "      " .. fault.hint end
  end
  for _, other in ipairs(rawget(problem, "suppressed") or {}) do
    lines[#lines + 1] = "  also: " .. tostring(other)
    if rawget(other, "hint") then lines[#lines + 1] = "      " .. other.hint end
  end
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
