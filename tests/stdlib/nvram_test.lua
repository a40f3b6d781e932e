-- Shows that a guest's NVRAM is made at the destination as the source has it, and goes again when the guest stayed.
local test = require "test"
local fakes = test.load(..., "fakes")
local lease = require "lease"
local native = require "native.host"
local nvram = require "migrate.nvram"
local xml = require "xml"

-- Two hosts that are this machine; the source sees its file under another name than the destination.
local function world(definition)
  local folder = fakes.folder()
  local path = folder.path .. "/web1_VARS.fd"
  local destination = host.wrap(native.local_machine(), { name = "b" })
  rawset(destination, "virt", { close = function() end, domains = function() return {} end,
    volume_of_path = function() end, pool_of_path = function() end })
  local source = { name = "a", contents = "set\0by the guest\n", query = function() return { output = "" } end }
  function source:read_file(asked)
    test.equal(asked, path)
    return self.contents
  end
  local w = { path = path, plan = {}, undo = {}, destination = destination, source = source }
  local ctx = { plan = { add = function(_, entry) w.plan[#w.plan + 1] = entry.host .. ": " .. entry.text end } }
  function ctx.undo(_, kind, arguments)
    w.undo[#w.undo + 1] = { kind = kind, arguments = arguments, was_there = fakes.read(path) }
    return #w.undo
  end
  function ctx.made(_, sequence, made) w.undo[sequence].made, w.undo[sequence].size = made, #fakes.read(path) end
  w.move = { ctx = ctx, source = source, destination = destination, run_id = "RUN", uuid = "uuid-1",
    live = xml.parse("<domain><os>" .. (definition or "<nvram>PATH</nvram>"):gsub("PATH", path) .. "</os></domain>") }
  function w.undone()
    local entry = w.undo[1]
    local env = { host = function(_, name) return name == "b" and destination or source end }
    return (lease.find(entry.kind).undo(entry.arguments, env, entry.made))
  end
  return setmetatable(w, { __close = getmetatable(folder).__close })
end

test.case("it is made as the source has it, known by its inode before anything is in it, for root alone", function()
  local w <close> = world()
  nvram.prepare(w.move)
  test.equal({ fakes.read(w.path), #w.undo, w.undo[1].was_there, w.undo[1].size }, { w.source.contents, 1, nil, 0 })
  local now = lease.find("created-volume").identity(w.destination, w.path)
  test.equal({ w.destination:stat(w.path).mode & 511, now.inode }, { 384, w.undo[1].made.inode })
end)

test.case("the undo deletes it, whatever QEMU wrote to it", function()
  local w <close> = world()
  nvram.prepare(w.move)
  w.destination:exec { "sh", "-c", "echo other >> \"$1\"", "-", w.path }
  test.equal({ w.undone(), fakes.read(w.path) }, { "deleted " .. w.path .. " on b", nil })
end)

test.case("the undo keeps one that a domain's definition names", function()
  local w <close> = world()
  nvram.prepare(w.move)
  w.destination.virt.domains = function()
    return { { name = function() return "web2" end, uuid = function() return "uuid-2" end,
      xml = function() return ("<domain><os><nvram>%s</nvram></os></domain>"):format(w.path) end } }
  end
  test.raises("IN_USE", w.undone)
  test.equal(fakes.read(w.path), w.source.contents)
end)

test.case("one that is there already is not touched, also when it is a link to nowhere", function()
  local w <close> = world()
  fakes.write(w.path, "older")
  nvram.prepare(w.move)
  test.equal({ fakes.read(w.path), #w.undo }, { "older", 0 })
  os.remove(w.path)
  w.destination:exec { "ln", "-s", "/nowhere", w.path }
  nvram.prepare(w.move)
  test.equal(#w.undo, 0)
end)

test.case("the plan says it and makes nothing", function()
  local w <close> = world()
  w.move.ctx.planning = true
  nvram.prepare(w.move)
  test.equal({ w.plan, #w.undo, fakes.read(w.path) },
    { { "b: make " .. w.path .. ", the guest's NVRAM, as on a" }, 0, nil })
end)

for _, definition in ipairs { "", "<nvram type='block'><source dev='PATH'/></nvram>",
  "<nvram type='network'><source protocol='nbd' name='x'/></nvram>" } do
  test.case("nothing is made for " .. (definition == "" and "a guest without" or definition), function()
    local w <close> = world(definition)
    nvram.prepare(w.move)
    test.equal({ #w.undo, fakes.read(w.path) }, { 0, nil })
  end)
end

test.case("a file as a source is found as well", function()
  local w <close> = world("<nvram type='file'><source file='PATH'/></nvram>")
  nvram.prepare(w.move)
  test.equal(fakes.read(w.path), w.source.contents)
end)
