-- info.lua COUNT: the loop of info.cpp, in drover.
local count = math.tointeger(tonumber((...)))
local connection <close> = virt.connect "test:///default"
local domain = connection:domain "test"
local running = 0
local started_s = os.clock()
for _ = 1, count do
  if domain:info().state == "running" then running = running + 1 end
end
local elapsed_s = os.clock() - started_s
assert(running == count)
print(("%.1f"):format(elapsed_s * 1e9 / count))
