--- The connected hosts of a run: one connection each, made on first use, closed together.
-- Tested by tests/stdlib/context_test.lua.
local core = require "drover.core"

local hosts = {}
hosts.__index = hosts

--- connect(name) makes a host; host.connect without it.
function hosts.new(connect) return setmetatable({ connected = {}, connect = connect or host.connect }, hosts) end

--- The host of that name.
function hosts:get(name)
  local known = self.connected[name]
  if not known then
    known = self.connect(name)
    self.connected[name] = known
  end
  return known
end

--- Closes all. A host that is gone already does not matter any more.
function hosts:close()
  for name, one in pairs(self.connected) do
    core.pcall(one.close, one)
    self.connected[name] = nil
  end
end

return hosts
