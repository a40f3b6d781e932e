-- live-migrate, stopped at one boundary of the journal: before or after an intent, an effect, a mark, an end.
-- FAULT_AT is the boundary's number, a Lua pattern of its name, or "=" and the whole name. FAULT_PIPE is a file that
-- gets the name once the process stands there: it does until it is killed, or until somebody writes to the named pipe
-- FAULT_PIPE.answer, so nothing else of Lua happens at that boundary. FAULT_LOG gets a line for each boundary.
--
-- Names are the same in every run: a run's id, addresses, ports and the domain are replaced by words, the hosts
-- FAULT_FROM and FAULT_TO by SOURCE and DESTINATION; a name that comes again gets a number.
-- Without FAULT_AT and FAULT_LOG, as in a recovery that loads this text from the journal, it is live-migrate.
local entries = require "entries"

local wanted = os.getenv "FAULT_AT"
local log_path = os.getenv "FAULT_LOG"
local domain = os.getenv "FAULT_DOMAIN"
local sides = { [os.getenv "FAULT_FROM" or ""] = "SOURCE", [os.getenv "FAULT_TO" or ""] = "DESTINATION" }
local count, times = 0, {}

local function append(path, text)
  local file = assert(io.open(path, "a"))
  file:write(text, "\n")
  file:close()
end

local function plain_name(name, label)
  local text = (label or "the run"):gsub("%d%d%d%d%d%d%d%d%-%d%d%d%d%d%d%-%x%x%x%x%x%x", "RUN")
    :gsub("%d+%.%d+%.%d+%.%d+", "ADDRESS"):gsub("%d+%-%d+/tcp", "PORTS/tcp")
    :gsub(" on (%S+)$", function(host) return sides[host] and " on " .. sides[host] end)
    :gsub("^ask (%S+) and (%S+) ", function(one, other)
      return sides[one] and sides[other] and ("ask %s and %s "):format(sides[one], sides[other])
    end)
  if domain then text = text:gsub("/" .. domain:gsub("%p", "%%%0") .. "%.", "/DOMAIN.") end
  text = name .. ": " .. text
  times[text] = (times[text] or 0) + 1
  return times[text] == 1 and text or ("%s (%d)"):format(text, times[text])
end

local function is_wanted(text)
  if not wanted then return false end
  if wanted:sub(1, 1) == "=" then return text == wanted:sub(2) end
  return tonumber(wanted) == count or not tonumber(wanted) and text:find(wanted) ~= nil
end

if wanted or log_path then
  function entries.boundary(name, label)
    count = count + 1
    local text = plain_name(name, label)
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
