-- The end of a libvirtd that a test started with all its files in a folder. A test loads it with
-- test.load(..., "daemon").
local machine = require("native.host").local_machine()

local daemon = {}

--- Ends the daemon of the folder by its pid file, removes the folder, and raises what the test raised: finish(folder,
-- pcall(test)).
function daemon.finish(folder, ok, problem)
  if machine:stat(folder .. "/pid") then
    machine:query { "kill", machine:read_file(folder .. "/pid"):match("%d+"), check = false }
    async.poll("5s", 20, function() return not machine:stat(folder .. "/pid") end)
  end
  machine:remove_directory(folder, { recursive = true })
  if not ok then error(problem, 0) end
end

return daemon
