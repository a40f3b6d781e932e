-- A move of tables for tests of preflight: two hosts that answer scripts by a part of their text, and what was said.
-- A test loads it with test.load(..., "preflight_fakes").
local xml = require "xml"

local world = {}

world.defaults = { storage = "auto", copy_disks = {}, channel = "ssh", mode = "p2p", key = "ed25519", network = {},
  cdrom = "keep", parallel = 1, compression = "none", persistent = true, policy = "none", timeout_action = "abort",
  undefine_source = false, post_copy = false, unsafe = false, autostart = "carry" }

-- A host: answers = { [part of a script] = { output =, exit_code =, errors = } or function(request) }.
local function host_of(name)
  return { name = name, facts_of = {}, answers = {}, domains = {},
    facts = function(self) return self.facts_of end,
    query = function(self, request)
      for pattern, answer in pairs(self.answers) do
        if request[3]:find(pattern, 1, true) then
          if type(answer) == "function" then answer = { output = answer(request) } end
          return { exit_code = answer.exit_code or 0, output = answer.output or "", errors = answer.errors or "" }
        end
      end
      return { exit_code = 0, output = "", errors = "" }
    end }
end

--- A move with these parameters; fields: xml (the live definition), and any field of a move.
function world.a_move(p, fields)
  local ctx = {}
  ctx.faults, ctx.warned = {}, {}
  function ctx:fault(message, hint, host_name)
    self.faults[#self.faults + 1] = { message = message, hint = hint, host = host_name }
  end
  function ctx:warn(message) self.warned[#self.warned + 1] = message end
  ctx.screen = ctx
  local move = { ctx = ctx, run_id = "RUN", name = "web1", new_name = "web1", uuid = "uuid-1", disks = {},
    state = { state = "running", reason = "booted" }, source = host_of "kvm1", destination = host_of "kvm2",
    from_address = "10.0.0.1", to_address = "10.0.0.2", p = setmetatable(p or {}, { __index = world.defaults }),
    live = xml.parse(fields and fields.xml or "<domain><devices/></domain>") }
  for name, value in pairs(fields or {}) do if name ~= "xml" then move[name] = value end end
  return move
end

--- Runs the check of that name alone; gives the faults as "host: message", and the warnings.
function world.check(part, name, move)
  for _, one in ipairs(require("preflight." .. part)) do
    if one[1] == name then
      one[2](move)
      local lines = {}
      for _, fault in ipairs(move.ctx.faults) do
        lines[#lines + 1] = (fault.host and fault.host .. ": " or "") .. fault.message
      end
      return lines, move.ctx.warned, move.ctx.faults
    end
  end
  error("no check '" .. name .. "' in preflight." .. part)
end

return world
