-- Runs inside/backend.lua in network, mount and process namespaces of its own for each kind of firewall, and shows
-- what the module refuses. Needs root; nothing of the machine that runs it is touched.
local test = require "test"

local machine = require("native.host").local_machine()
local folder = (...):match "^(.*)/" or "."

local function run_inside(backend)
  local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")
  local result = machine:exec { "unshare", "-m", "-n", "-p", "--fork", "--kill-child", "--mount-proc",
    drover, "test", folder .. "/inside/backend.lua",
    environment = { DROVER_TEST_BACKEND = backend }, check = false, timeout_ms = 120000 }
  if result.exit_code ~= 0 then error(backend .. ":\n" .. result.output .. result.errors, 0) end
  return result.output
end

test.case("every kind of firewall does what the interface says, with real packets", function()
  -- At once, because most of the time is waiting for packets that do not come.
  local outputs = async.parallel({ "none", "nftables", "iptables", "firewalld" }, run_inside)
  for _, output in ipairs(outputs) do test.matches(output, "%d+ passed, 0 failed") end
end)

test.case("open wants a machine", function()
  test.raises("BAD_ARGUMENT", firewall.open, "localhost")
  test.raises("BAD_ARGUMENT", firewall.open, nil)
end)
