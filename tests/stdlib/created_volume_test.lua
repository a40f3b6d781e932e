-- Shows the three conditions under which the undo of a made volume deletes a file, and that it keeps it otherwise.
local test = require "test"
local fakes = test.load(..., "fakes")
local lease = require "lease"
local native = require "native.host"

local kind = lease.find "created-volume"

-- A host of this machine's files; its libvirt has every file as a volume, and the domains of a list:
-- { xml =, uuid =, active = }.
local function host_with(name, domains)
  local one = host.wrap(native.local_machine(), { name = name })
  local virt = { close = function() end }
  function virt.volume_of_path(_, path)
    if not one:stat(path) then return nil end
    return { delete = function() os.remove(path) end }
  end
  function virt.domains()
    local list = {}
    for index, one_domain in ipairs(domains or {}) do
      list[index] = { name = function() return "web" .. index end, xml = function() return one_domain.xml end,
        uuid = function() return one_domain.uuid end,
        is_active = function() return one_domain.active end }
    end
    return list
  end
  function virt.find_domain(_, uuid)
    for _, domain in ipairs(virt.domains()) do
      if domain:uuid() == uuid then return domain end
    end
  end
  rawset(one, "virt", virt)
  return one
end

-- A folder for each of two hosts; a.path is the destination's disk, a.source_path the source's.
local function world(domains)
  local folder = fakes.folder()
  native.local_machine():make_directory(folder.path .. "/source")
  native.local_machine():make_directory(folder.path .. "/destination")
  local hosts = { b = host_with("b", domains), a = host_with("a") }
  local w = { env = { host = function(_, name) return hosts[name] end }, a = hosts.a, b = hosts.b,
    folder = folder.path }
  w.arguments = { host = "b", other_host = "a", path = folder.path .. "/destination/web.raw",
    source_path = folder.path .. "/source/web.raw", run = "r", free_at_s = os.time() }
  fakes.write(w.arguments.source_path, "the source's disk, which is longer")
  function w.undo(made) return (kind.undo(w.arguments, w.env, made)) end
  function w.identity() return kind.identity(w.b, w.arguments.path) end
  function w.text() return fakes.read(w.arguments.path) end
  return setmetatable(w, { __close = getmetatable(folder).__close })
end

test.case("the volume that this run made is deleted, with the data in it", function()
  local w <close> = world()
  fakes.write(w.arguments.path, "")
  local made = w.identity()
  fakes.write(w.arguments.path, ("x"):rep(2000000))
  test.equal({ w.undo(made), w.text() }, { "deleted " .. w.arguments.path .. " on b", nil })
  test.equal(w.undo(made), "absent")
end)

test.case("a volume that libvirt does not list is deleted too: its daemon died while it made it", function()
  for _, listed_after_refresh in ipairs { true, false } do
    local w <close> = world()
    fakes.write(w.arguments.path, "")
    local listed, refreshed = w.b.virt.volume_of_path, false
    function w.b.virt.volume_of_path(virt, path)
      return listed_after_refresh and refreshed and listed(virt, path) or nil
    end
    function w.b.virt.pool_of_path() return { refresh = function() refreshed = true end } end
    test.equal({ w.undo(nil), w.text(), refreshed }, { "deleted " .. w.arguments.path .. " on b", nil, true })
  end
  local w <close> = world()
  fakes.write(w.arguments.path, "")
  function w.b.virt.volume_of_path() end
  function w.b.virt.pool_of_path() end  -- the pool is gone
  test.equal({ w.undo(nil), w.text() }, { "deleted " .. w.arguments.path .. " on b", nil })
end)

test.case("whether a domain refers to it is asked of many at once: a far host may have hundreds", function()
  local w <close> = world()
  fakes.write(w.arguments.path, "")
  local made, slow = w.identity(), {}
  for index = 1, 100 do
    slow[index] = { uuid = function() return "other " .. index end, xml = function()
      async.sleep(10)
      return "<domain/>"
    end }
  end
  function w.b.virt.domains() return slow end
  local started_ms = async.monotonic_ms()
  test.matches(w.undo(made), "^deleted")
  local took_ms = async.monotonic_ms() - started_ms
  test.is_true(took_ms < 1000, ("one after the other: %d ms"):format(took_ms))
end)

test.case("condition 1: another file of that name is kept, though it is empty", function()
  local w <close> = world()
  fakes.write(w.arguments.path, "")
  local made = w.identity()
  fakes.write(w.arguments.path .. ".other", "")
  os.rename(w.arguments.path .. ".other", w.arguments.path)
  test.matches(w.undo(made), "^kept .+ on b: it is not the file that this run made")
  test.equal(w.text(), "")
end)

test.case("condition 1: died before it was written down, and the file is empty and new: it is this run's", function()
  local w <close> = world()
  fakes.write(w.arguments.path, "")
  test.equal({ w.undo(nil), w.text() }, { "deleted " .. w.arguments.path .. " on b", nil })
end)

test.case("condition 1: died before it was written down: what no new image is was not made by this run", function()
  local function undone(arguments, text)
    local w <close> = world()
    for name, value in pairs(arguments) do w.arguments[name] = value end
    fakes.write(w.arguments.path, text)
    return (w.undo(nil):match "^%a+")
  end
  test.equal({ undone({ capacity_bytes = 4096 }, "precious\n"), undone({}, "precious\n"),
    undone({ format = "qcow2" }, "precious\n"), undone({ format = "qcow2" }, "QFI\xfb\0\0\0\3"),
    undone({ format = "qcow2" }, "") }, { "kept", "kept", "kept", "deleted", "deleted" })
  local w <close> = world()
  w.arguments.capacity_bytes = 4096
  native.local_machine():exec { "truncate", "--size", "4096", w.arguments.path }
  test.matches(w.undo(nil), "^deleted")
  native.local_machine():exec { "truncate", "--size", "8192", w.arguments.path }
  test.matches(w.undo(nil), "^kept")
end)

test.case("condition 1: what libvirt found there when it was to make it is somebody else's", function()
  local w <close> = world()
  fakes.write(w.arguments.path, "")
  test.matches(w.undo { foreign = true }, "^kept .+ on b: somebody else made it")
  test.equal(w.text(), "")
end)

test.case("condition 1: died before it was written down, and the file has data: it may be somebody else's", function()
  local w <close> = world()
  fakes.write(w.arguments.path, ("x"):rep(2000000))
  test.matches(w.undo(nil), "^kept .+ on b: it appeared when")
  test.equal(#w.text(), 2000000)
end)

test.case("condition 1: died before it was written down, and the file is older than the intent", function()
  local w <close> = world()
  fakes.write(w.arguments.path, "")
  w.arguments.free_at_s = os.time() + 60
  test.matches(w.undo(nil), "^kept ")
  test.equal(w.text(), "")
end)

local function with_disk(path)
  return ("<domain><devices><disk><source file='%s'/></disk></devices></domain>"):format(path)
end

test.case("condition 2: a volume that a domain refers to is kept, and the entry stays open", function()
  local w <close> = world()
  fakes.write(w.arguments.path, "")
  local made = w.identity()
  w.b.virt.domains = host_with("b", { { xml = with_disk(w.arguments.path), uuid = "other" } }).virt.domains
  local problem = test.raises("IN_USE", w.undo, made)
  test.matches(problem.message, "domain 'web1' refers to it")
  test.equal(w.text(), "")
end)

test.case("condition 2: a definition of the run's own domain counts unless it is active on the source", function()
  for _, active_at_source in ipairs { true, false } do
    local w <close> = world()
    fakes.write(w.arguments.path, "")
    local made = w.identity()
    w.arguments.uuid = "own"
    local older = { xml = with_disk(w.arguments.path), uuid = "own", active = false }
    w.b.virt.domains = host_with("b", { older }).virt.domains
    w.a.virt.find_domain = host_with("a", { { xml = "<domain/>", uuid = "own", active = active_at_source } })
      .virt.find_domain
    if active_at_source then
      test.matches(w.undo(made), "^deleted")
    else
      test.raises("IN_USE", w.undo, made)
    end
  end
end)

test.case("condition 3: the same storage as the source's is kept", function()
  local w <close> = world()
  os.remove(w.arguments.source_path)
  fakes.write(w.arguments.path, "")
  local made = w.identity()
  -- Both hosts see one folder: the same file by two names of the folder.
  os.remove(w.folder .. "/source")
  native.local_machine():exec { "ln", "-sfn", w.folder .. "/destination", w.folder .. "/source" }
  test.matches(w.undo(made), "^kept .+: it is the source's own storage")
  test.equal(w.text(), "")
end)
