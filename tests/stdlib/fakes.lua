-- Hosts of tables for tests of stdlib: what they hold is data, and each act on them is written to a list.
-- A test loads it with test.load(..., "fakes").
local errors = require "errors"

local fakes = {}

-- A domain on a fake host. record: state, reason, job (type or nil), persistent; fails = { method = code } raises,
-- hangs = { method = true } never answers.
local function domain_of(one, uuid)
  local methods = {}

  local function record() return one.domains[uuid] end

  local function checked(name)
    local now = record()
    if not now then errors.raise { domain = "virt", code = "NO_DOMAIN", message = "no domain " .. uuid } end
    if now.hangs and now.hangs[name] then async.sleep "1m" end
    local code = now.fails and now.fails[name]
    if code then errors.raise { domain = "virt", code = code, message = name .. " failed", host = one.name } end
    return now
  end

  local function acted(name) one.acts[#one.acts + 1] = name end

  function methods.uuid() return uuid end
  function methods.name() return checked("name").name or uuid end
  function methods.state()
    local now = checked "state"
    return { state = now.state, reason = now.reason }
  end
  function methods.job()
    local now = checked "job"
    return { type = now.job or "none" }
  end
  function methods.is_active() return checked("is_active").state ~= "shutoff" end
  function methods.is_persistent() return checked("is_persistent").persistent == true end
  function methods.destroy()
    local now = checked "destroy"
    acted "destroy"
    if now.stubborn then return end
    if now.persistent then now.state, now.reason = "shutoff", "destroyed" else one.domains[uuid] = nil end
  end
  function methods.resume()
    local now = checked "resume"
    acted "resume"
    if now.stubborn then return end
    now.state, now.reason = "running", "unpaused"
  end
  function methods.set_autostart(_, on)
    checked "set_autostart"
    acted(on and "autostart on" or "autostart off")
  end
  function methods.undefine()
    checked "undefine"
    acted "undefine"
    one.domains[uuid] = nil
  end
  return setmetatable(methods, { __index = function(_, name) error("the fake domain has no " .. name, 2) end })
end

--- A host with libvirt: domains = { [uuid] = { state, reason, ... } }. one.down = true makes it unreachable;
-- one.on_look(one, count) is called before each look, to change things between two looks.
function fakes.host(name, domains)
  local one = { name = name, domains = domains or {}, acts = {}, looks = 0, reopened = 0 }
  one.virt = {
    find_domain = function(_, wanted)
      one.looks = one.looks + 1
      if one.on_look then one.on_look(one, one.looks) end
      if one.down then
        errors.raise { domain = "virt", code = "CONNECTION_LOST", message = "the connection is gone", host = name }
      end
      for uuid, record in pairs(one.domains) do
        if uuid == wanted or record.name == wanted then return domain_of(one, uuid) end
      end
    end,
  }
  function one.virt:domain(uuid)
    return self:find_domain(uuid) or errors.raise { domain = "virt", code = "NO_DOMAIN", message = "no domain" }
  end
  function one:reopen_virt() self.reopened = self.reopened + 1 end
  function one:close() self.closed = true end
  return one
end

--- A screen that keeps what it was told.
function fakes.screen()
  local seen = { warnings = {}, notes = {}, events = {}, steps = {}, progress_calls = 0 }
  function seen:warning(message, hint) self.warnings[#self.warnings + 1] = { message = message, hint = hint } end
  function seen:note(text) self.notes[#self.notes + 1] = text end
  function seen:event(name, fields) self.events[#self.events + 1] = { name = name, fields = fields } end
  function seen.step_began() end
  function seen:step_ended(label, _, ok) self.steps[#self.steps + 1] = { label = label, ok = ok } end
  function seen:progress() self.progress_calls = self.progress_calls + 1 end
  function seen.title() end
  function seen.summary() end
  return seen
end

--- A folder of the test's own, and its removal: local folder <close> = fakes.folder(); folder.path.
function fakes.folder()
  local machine = require("native.host").local_machine()
  local path = machine:temp_directory { under = "/tmp" }
  return setmetatable({ path = path }, { __close = function()
    machine:remove_directory(path, { recursive = true })
  end })
end

--- Writes a text file; gives its path.
function fakes.write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
  return path
end

--- The text of a file, or nil.
function fakes.read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read("a")
end

--- From now on the pause between two looks at both hosts is short: fakes answer at once, and change when told.
function fakes.no_pauses()
  local sleep = async.sleep
  rawset(async, "sleep", function(duration) return sleep(duration == "150ms" and 1 or duration) end)
end

return fakes
