-- Real drover processes that run a toy playbook, whose kinds are files of one folder. A test loads it with
-- test.load(..., "toy_run").
local test = require "test"
local fakes = test.load(..., "fakes")
local machine = require("native.host").local_machine()

local toy_run = {}

local own_process = fakes.read("/proc/self/stat"):match("^%d+")
--- The program that runs this test.
toy_run.program = machine:query({ "readlink", "/proc/" .. own_process .. "/exe" }).output:gsub("\n", "")

-- One lease and one undo before the commit, one lease after it. WORK/made is the work of the run.
local toy = [[
local entries = require "entries"
local work = os.getenv "TOY_WORK"

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end
local function log(text)
  local file = assert(io.open(work .. ".log", "a"))
  file:write(text, "\n")
  file:close()
end
local function make(name) assert(io.open(work .. "/" .. name, "w")):close() end
local function pid()
  local file = assert(io.open "/proc/self/stat")
  local number = file:read "n"
  file:close()
  return number
end

local count = 0
function entries.boundary(name)
  count = count + 1
  log(count .. " " .. name)
  if count == tonumber(os.getenv "TOY_KILL_AT" or "") then
    log "killed"
    host.local_machine():query { "kill", "-KILL", tostring(pid()) }  -- no act of the run's
    async.sleep "10s"
  end
end

lease.kind {
  name = "toy-file",
  describe = function(a) return { host = "here", text = "make the file " .. a.name } end,
  probe = function(a) return exists(work .. "/" .. a.name) and "ours" or "absent" end,
  grant = function(a) make(a.name) end,
  revoke = function(a)
    if os.getenv "TOY_BLOCKED" then error "blocked" end
    log("revoke " .. a.name)
    local entry = inventory.find "kvm9"
    if entry then log("kvm9 is " .. entry.address) end
    async.sleep(20)  -- so that two recoverers would meet here
    assert(os.remove(work .. "/" .. a.name))
  end,
}
lease.kind {
  name = "toy-stuck",
  describe = function() return { host = "here", text = "something that does not go away" } end,
  probe = function() return exists(work .. "/stuck") and "ours" or "absent" end,
  grant = function() make "stuck" end,
  revoke = function()
    local stuck_for = os.getenv "TOY_STUCK"
    if stuck_for then
      log "revoking"
      async.sleep(stuck_for)
    end
    assert(os.remove(work .. "/stuck"))
  end,
}
lease.undo_kind {
  name = "toy-made",
  describe = function() return { host = "here", text = "remove the work" } end,
  undo = function()
    if not exists(work .. "/made") then return "absent" end
    log "undo made"
    assert(os.remove(work .. "/made"))
    return "removed"
  end,
}

return playbook {
  name = "toy",
  summary = "Files in a folder.",
  params = { { "fail", "choice", choices = { "no", "yes", "wait", "stuck", "late" }, default = "no",
    doc = "How it ends." } },
  run = function(ctx, p)
    ctx:step("first lease", function() ctx:lease("toy-file", { name = "first" }) end)
    ctx:undo("toy-made", {})
    make "made"
    ctx:lease("toy-file", { name = "second" })
    if p.fail == "stuck" or p.fail == "late" then ctx:lease("toy-stuck", {}) end
    if p.fail ~= "no" and p.fail ~= "yes" then
      local file = assert(io.open(work .. ".pid", "w"))
      file:write(pid())
      file:close()
      if p.fail ~= "late" then async.sleep "20s" end
    end
    ctx:ensure(p.fail ~= "yes", "it was to fail")
    ctx:commit()
    ctx:lease("toy-file", { name = "third" })
  end,
}
]]

--- A folder with the playbook toy.lua, and a drover of its own: local toy <close> = toy_run.start(). toy.drover(words,
-- environment) runs one; toy.left() names the files that are there, toy.log() is what the kinds did, toy.newest() the
-- newest run.
function toy_run.start()
  local folder = fakes.folder()
  local one = { path = folder.path, work = folder.path .. "/work", file = folder.path .. "/toy.lua" }
  fakes.write(one.file, toy)
  machine:make_directory(one.work)

  function one.drover(words, environment)
    local request = { toy_run.program, table.unpack(words) }
    request.environment = { DROVER_STATE = one.path .. "/state", TOY_WORK = one.work }
    for name, value in pairs(environment or {}) do request.environment[name] = value end
    request.check = false
    request.timeout_ms = 30000
    return machine:exec(request)
  end
  function one.left() return table.concat(require("files").list(one.work), " ") end
  -- The number of the process that waits, once it has written it.
  function one.process() return (fakes.read(one.work .. ".pid") or ""):match "%d+" end
  function one.log() return fakes.read(one.work .. ".log") or "" end
  function one.newest() return json.decode(one.drover({ "--json", "runs" }).output)[1] end
  return setmetatable(one, { __close = getmetatable(folder).__close })
end

return toy_run
