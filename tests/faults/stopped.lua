-- live-migrate, stopped at one boundary of the journal: before or after an intent, an effect, a mark, an end.
-- FAULT_AT is the boundary's number, or a Lua pattern of its name; FAULT_PIPE a pipe that tests/faults/stop-at reads.
-- The process stands still from writing there until it is killed or let go on, so nothing else of Lua happens at that
-- boundary. FAULT_LOG gets a line for each boundary. Without these, as in a recovery that loads this text from the
-- journal, it is live-migrate.
local entries = require "entries"

local wanted = os.getenv "FAULT_AT"
local log_path = os.getenv "FAULT_LOG"
local count = 0

local function append(path, text)
  local file = assert(io.open(path, "a"))
  file:write(text, "\n")
  file:close()
end

local function is_wanted(text)
  if not wanted then return false end
  return tonumber(wanted) == count or not tonumber(wanted) and text:find(wanted) ~= nil
end

if wanted or log_path then
  function entries.boundary(name, label)
    count = count + 1
    local text = ("%d %s: %s"):format(count, name, label or "the run")
    if log_path then append(log_path, text) end
    if not is_wanted(text) then return end
    wanted = nil
    local pipe = os.getenv "FAULT_PIPE"
    append(pipe, text)
    local answer <close> = assert(io.open(pipe .. ".answer"))
    answer:read()
  end
end

return require("playbook").load("live-migrate").definition
