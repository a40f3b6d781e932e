--- The plan: every change that a run would make, per host and in order, and every connection. Nothing is changed.
-- Tested by tests/stdlib/plan_test.lua and the transcripts.
local change = require "change"
local core = require "drover.core"
local layout = require "layout"

local plan = {}
plan.__index = plan

--- An empty one.
function plan.new() return setmetatable({ changes = {}, connections = {}, step = nil }, plan) end

-- The step that the running task is in.
local function step_of(self)
  local scope = core.scope()
  return scope and scope.step or self.step
end

--- Adds a change: { host =, text =, lines = { what will be written } }.
function plan:add(one)
  self.changes[#self.changes + 1] = { host = one.host or "here", text = one.text, lines = one.lines,
    step = step_of(self), temporary = one.temporary }
end

--- Adds a connection: { from =, to =, port =, encrypted = boolean, purpose = }.
function plan:connection(connection)
  for _, known in ipairs(self.connections) do
    if known.from == connection.from and known.to == connection.to and known.purpose == connection.purpose
      and known.port == connection.port then return end
  end
  self.connections[#self.connections + 1] = connection
end

local libvirt_ports = { tls = 16514, tcp = 16509 }

-- Whom drover logged in as, and the port that answered.
local login = [[echo "$(id -un) ${SSH_CONNECTION##* }"]]

--- Adds the connection that drover itself has to a host; with a URI, that to its libvirt.
function plan:own_connection(one, uri)
  if uri then
    local transport = uri:match("^%w+%+(%w+)")
    self:connection { from = "here", to = one.name, encrypted = transport ~= "tcp",
      port = tonumber(uri:match("://[^/]*:(%d+)/")) or libvirt_ports[transport] or 22,
      purpose = "libvirt's control, " .. uri:gsub("%?.*$", "") }
    return
  end
  local ok, result = core.pcall(one.query, one, { "sh", "-c", login, check = false })
  local user, port = (ok and result.output or ""):match("^(%S+) (%d+)")
  self:connection { from = "here", to = one.name, port = tonumber(port) or 22, encrypted = true,
    purpose = ("ssh%s: drover's own programs, and libvirt's control"):format(user and " as " .. user or "") }
end

-- What a changing binding becomes while planning. Outside a step it refuses: such a change would have no undo.
function plan:recorder()
  return function(name, is_method, ...)
    if not step_of(self) then change.refuse_outside(name) end
    self:add(change.describe(name, is_method, ...))
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

-- Adds a change to lines: its number and text, and below it what will be written.
local function add_change(lines, number, one, width)
  local text = one.text .. (one.temporary and "  (taken away again)" or "")
  local head = ("    %3d. "):format(number)
  local is_short = #head + #text <= width
  local heading = is_short and { head .. text } or layout.wrap(text, width, head, "         ")
  table.move(heading, 1, #heading, #lines + 1, lines)
  for _, detail in ipairs(one.lines or {}) do
    local indent = "           "
    local wrapped = layout.wrap(detail, width, indent, indent .. "   ")
    table.move(wrapped, 1, #wrapped, #lines + 1, lines)
  end
end

--- The plan as text for a person, a list of lines: by host, and there by step. What will be written is broken at
-- `width` columns; whole without it.
function plan:text(width)
  local lines, hosts, by_host = {}, {}, {}
  for number, one in ipairs(self.changes) do
    if not by_host[one.host] then
      by_host[one.host] = {}
      hosts[#hosts + 1] = one.host
    end
    table.insert(by_host[one.host], number)
  end
  lines[#lines + 1] = "Changes, numbered in the order in which they happen:"
  for _, host_name in ipairs(hosts) do
    lines[#lines + 1] = ""
    lines[#lines + 1] = "  on " .. host_name
    local step
    for _, number in ipairs(by_host[host_name]) do
      local one = self.changes[number]
      if one.step and one.step ~= step then lines[#lines + 1] = "    " .. one.step .. ":" end
      step = one.step
      add_change(lines, number, one, width or math.huge)
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
