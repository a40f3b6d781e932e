--- The plan: every change that a run would make, per host and in order, and every connection. Nothing is changed.
-- Tested by tests/stdlib/plan_test.lua and the transcripts.
local core = require "drover.core"
local display = require "display"
local errors = require "errors"
local layout = require "layout"

local plan = {}
plan.__index = plan

function plan.new() return setmetatable({ changes = {}, connections = {}, step = nil }, plan) end

--- Adds a change: { host =, text =, lines = { what will be written } }.
function plan:add(change)
  self.changes[#self.changes + 1] = { host = change.host or "here", text = change.text, lines = change.lines,
    step = self.step, temporary = change.temporary }
end

--- Adds a connection: { from =, to =, port =, encrypted = boolean, purpose = }.
function plan:connection(connection) self.connections[#self.connections + 1] = connection end

-- Which object is changed, and on which host: "virt.Domain web1 on kvm2" is "web1: " on kvm2.
local function whose(object)
  local machine = object:match("^host%.Machine (%S+)$")
  if machine then return "", machine end
  local what, where = object:match("^%S+ (.*) on (%S+)$")
  if what then return what .. ": ", where end
  return "", object ~= "" and object or nil
end

-- What a changing binding becomes while planning. Outside a step it refuses: such a change would have no undo.
function plan:recorder()
  return function(name, is_method, ...)
    if not self.step then
      errors.raise { code = "OUTSIDE_STEP",
        message = name .. " changes a host, and stands outside of a step, a lease or an undo",
        hint = 'put it into a step: ctx:step("what it does", function() ... end)' }
    end
    local arguments = table.pack(...)
    local words = {}
    for index = is_method and 2 or 1, arguments.n do words[#words + 1] = display.value(arguments[index]) end
    local what, where = whose(is_method and tostring(arguments[1]) or "")
    self:add { host = where, text = what .. name .. "(" .. table.concat(words, ", ") .. ")" }
  end
end

--- Runs body with changes recorded instead of made.
function plan:record(body)
  local before = core.set_recorder(self:recorder())
  local results = table.pack(core.pcall(body))
  core.set_recorder(before)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- The plan as plain data.
function plan:data() return { changes = json.array(self.changes), connections = json.array(self.connections) } end

--- The plan as text for a person, a list of lines. What will be written is broken at `width` columns; whole without it.
function plan:text(width)
  local lines, hosts, by_host = {}, {}, {}
  for number, change in ipairs(self.changes) do
    if not by_host[change.host] then
      by_host[change.host] = {}
      hosts[#hosts + 1] = change.host
    end
    table.insert(by_host[change.host], { number = number, change = change })
  end
  lines[#lines + 1] = "Changes, numbered in the order in which they happen:"
  for _, host_name in ipairs(hosts) do
    lines[#lines + 1] = ""
    lines[#lines + 1] = "  on " .. host_name
    for _, item in ipairs(by_host[host_name]) do
      local tail = item.change.temporary and "  (taken away again)" or ""
      local number, text = ("  %3d. "):format(item.number), item.change.text .. tail
      local is_short = #number + #text <= (width or math.huge)
      local heading = is_short and { number .. text } or layout.wrap(text, width, number, "       ")
      table.move(heading, 1, #heading, #lines + 1, lines)
      for _, detail in ipairs(item.change.lines or {}) do
        local indent = "         "
        local wrapped = layout.wrap(detail, width or math.huge, indent, indent .. "   ")
        table.move(wrapped, 1, #wrapped, #lines + 1, lines)
      end
    end
  end
  if #self.changes == 0 then lines[#lines + 1] = "  none" end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "Connections:"
  for _, one in ipairs(self.connections) do
    lines[#lines + 1] = ("  %s -> %s port %s, %s: %s"):format(one.from, one.to, tostring(one.port),
      one.encrypted and "encrypted" or "NOT encrypted", one.purpose)
  end
  if #self.connections == 0 then lines[#lines + 1] = "  none" end
  return lines
end

return plan
