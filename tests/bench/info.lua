-- info.lua COUNT: the loop of info.cpp, in drover.
local count = math.tointeger(tonumber((...)))
local connection <close> = virt.connect "test:///default"
local domain = connection:domain "test"
local info
local started_s = os.clock()
for _ = 1, count do info = domain:info() end
local elapsed_s = os.clock() - started_s
assert(info.state == "running")
print(("%.1f"):format(elapsed_s * 1e9 / count))
