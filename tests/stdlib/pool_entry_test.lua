-- Shows that no pool keeps an entry of a file of drover's, whenever the pool was read.
local test = require "test"
local fakes = test.load(..., "fakes")
local lease = require "lease"
local native = require "native.host"
local pool_entry = require "pool_entry"

local kind = lease.find "probe-file"

-- Two hosts that see one folder. read() is what a daemon does at its start: it lists what is there.
local function world()
  local folder = fakes.folder()
  local w = { path = folder.path .. "/.drover-r", hosts = {}, deleted = {} }
  for _, name in ipairs { "a", "b" } do
    local one = host.wrap(native.local_machine(), { name = name })
    local listed = {}
    local virt = { close = function() end }
    function virt.volume_of_path(_, path)
      if one.silent then async.sleep "1m" end
      if one.lost then errors.raise { code = "NO_CONNECTION", message = "no libvirt here" } end
      return listed[path] and { delete = function()
        listed[path] = nil
        w.deleted[#w.deleted + 1] = name
        os.remove(path)
      end }
    end
    function one.read() listed = { [w.path] = fakes.read(w.path) } end
    function one.lists() return listed[w.path] ~= nil end
    rawset(one, "virt", virt)
    w.hosts[name] = one
  end
  w.a, w.b = w.hosts.a, w.hosts.b
  w.env = { host = function(_, name) return w.hosts[name] end }
  w.arguments = { host = "a", path = w.path, other_host = "b" }
  return setmetatable(w, { __close = getmetatable(folder).__close })
end

test.case("the file of the experiment leaves no entry on either host, whichever read it", function()
  for _, readers in ipairs { {}, { "a" }, { "b" }, { "a", "b" } } do
    local w <close> = world()
    kind.grant(w.arguments, w.env)
    for _, name in ipairs(readers) do w.hosts[name].read() end
    kind.revoke(w.arguments, w.env)
    test.equal({ fakes.read(w.path), w.a.lists(), w.b.lists() }, { nil, false, false })
    table.sort(w.deleted)
    test.equal(w.deleted, readers, "nothing else was touched")
  end
end)

test.case("a journal of before names no other host", function()
  local w <close> = world()
  w.arguments.other_host = nil
  kind.grant(w.arguments, w.env)
  w.a.read()
  kind.revoke(w.arguments, w.env)
  test.equal(w.a.lists(), false)
end)

test.case("a host that does not answer is named, in bounded time, and the other one is cleaned", function()
  local _ <close> = test.replace(pool_entry, { patience = "30ms" })
  for _, how in ipairs { "silent", "lost" } do
    local w <close> = world()
    kind.grant(w.arguments, w.env)
    w.b.read()
    rawset(w.a, how, true)
    local problem = test.raises("POOL_UNKNOWN", kind.revoke, w.arguments, w.env)
    test.equal({ problem.host, fakes.read(w.path), w.b.lists() }, { "a", nil, false })
    test.matches(problem.message, "is gone; whether a pool there still lists it is not known")
    rawset(w.a, how, nil)
    kind.revoke(w.arguments, w.env)  -- recovery comes again
  end
end)
