--- The connected hosts of a run: one connection each, made on first use, closed together.
-- Tested by tests/stdlib/context_test.lua.
local async = require "async"
local core = require "drover.core"

local hosts = {}
hosts.__index = hosts

--- An empty set of them. connect(name) makes a host; host.connect without it.
function hosts.new(connect)
  return setmetatable({ connected = {}, connecting = {}, connect = connect or host.connect }, hosts)
end

--- The host of that name. Two tasks that ask at once get the same one: the second waits for the first.
function hosts:get(name)
  while not self.connected[name] do
    if self.connecting[name] then
      async.sleep(5)
    else
      self.connecting[name] = true
      local ok, result = core.pcall(self.connect, name)
      self.connecting[name] = nil
      if not ok then error(result, 0) end
      self.connected[name] = result
    end
  end
  return self.connected[name]
end

--- Lets go of libvirt connections that broke; the next use opens new ones. A daemon that was restarted is well again.
-- Asks nobody.
function hosts:revive()
  for _, one in pairs(self.connected) do
    local virt = rawget(one, "virt")
    if virt and not virt:is_alive() then core.pcall(one.reopen_virt, one) end
  end
end

--- Closes all. A host that is gone already does not matter any more.
function hosts:close()
  for name, one in pairs(self.connected) do
    core.pcall(one.close, one)
    self.connected[name] = nil
  end
end

return hosts
