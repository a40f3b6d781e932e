--- The inventory: hosts by name, from one Lua file that returns a table. Loading it touches no host.
--
--   return {
--     kvm1 = { address = "10.0.0.11", user = "root", port = 22, host_key = "ssh-ed25519 AAAA...",
--              migrate_address = "10.1.0.11", identity_file = "/root/.ssh/kvm", uri = "qemu+tls://kvm1/system",
--              groups = { "rack1" }, fence = function(here, entry) ... end },
--   }
--
-- Every field may be left out. The file is searched as $DROVER_INVENTORY, ~/.config/drover/hosts.lua (or in
-- $XDG_CONFIG_HOME), /etc/drover/hosts.lua; the first one counts. It sees no globals: it is data. fence is for
-- playbooks that fail over, and gets what it needs; no command calls it.
-- Tested by tests/stdlib/inventory_test.lua.
local core = require "drover.core"
local errors = require "errors"
local native = require "native.host"

local inventory = {}

local loaded  -- { path = string or nil, entries = { name = entry } }

local function fail(code, message, hint)
  errors.raise { domain = "host", code = code, message = message, hint = hint, where = false, exit_code = 2 }
end

local function text(value) return type(value) == "string" and value ~= "" end

-- field = { check, what a person should have written }
local fields = {
  address = { text, "a string: an address or a name" },
  user = { text, "a string: whom to log in as" },
  port = { function(value) return math.type(value) == "integer" and value >= 1 and value <= 65535 end,
    "an integer from 1 to 65535" },
  host_key = { function(value) return text(value) and value:find("^[%w@.-]+ [%w+/=]+") ~= nil end,
    "a public key: \"ssh-ed25519 AAAA...\"" },
  migrate_address = { text, "a string: the address that carries migrations" },
  identity_file = { function(value) return text(value) and value:sub(1, 1) ~= "-" end, "a string: a path" },
  uri = { function(value) return text(value) and value:find("^[%w+]+://") ~= nil end, "a libvirt URI" },
  groups = { function(value)
    if type(value) ~= "table" then return false end
    for key, item in next, value do
      if math.type(key) ~= "integer" or not text(item) then return false end
    end
    return true
  end, "a list of strings" },
  fence = { function(value) return type(value) == "function" end, "a function" },
}

local field_names = {}
for name in pairs(fields) do field_names[#field_names + 1] = name end
table.sort(field_names)

local function shown(value)
  if type(value) == "string" then return "'" .. value .. "'" end
  if type(value) == "number" or type(value) == "boolean" then return type(value) .. " " .. tostring(value) end
  return "a " .. type(value)
end

local function check_entry(path, name, entry)
  local here = path .. ": " .. name
  if type(entry) ~= "table" then
    fail("BAD_INVENTORY", ("%s: expected a table of fields, got %s"):format(here, shown(entry)))
  end
  for field, value in next, entry do
    local rule = fields[field]
    if not rule then
      local near = type(field) == "string" and core.nearest(field, field_names)
      fail("BAD_INVENTORY", ("%s: unknown field %s"):format(here, shown(field)),
        near and "did you mean '" .. near .. "'?" or "it knows " .. table.concat(field_names, ", "))
    end
    if not rule[1](value) then
      fail("BAD_INVENTORY", ("%s: %s: expected %s, got %s"):format(here, field, rule[2], shown(value)))
    end
  end
end

local function check_all(path, hosts)
  if type(hosts) ~= "table" then
    fail("BAD_INVENTORY", ("%s: expected a table of hosts, got %s"):format(path, shown(hosts)),
      "the file must end in: return { NAME = { address = \"...\" } }")
  end
  local entries = {}
  for name, entry in next, hosts do
    -- A name is used in targets and file names; "localhost" is always the machine that drover runs on.
    if type(name) ~= "string" or not name:find("^%w[%w._-]*$") or name == "localhost" then
      fail("BAD_INVENTORY", ("%s: %s cannot be the name of a host"):format(path, shown(name)),
        "letters, digits, '.', '_' and '-', and not localhost")
    end
    check_entry(path, name, entry)
    local copy = { name = name }
    for field, value in next, entry do copy[field] = value end
    copy.groups = copy.groups or {}
    entries[name] = copy
  end
  return entries
end

local function read(path)
  local source = native.read_trusted_file(path)
  if not source then return nil end
  local read_well, chunk = core.pcall(core.load_source, source, "@" .. path, {})
  if not read_well then
    fail("BAD_INVENTORY", tostring(chunk), "it is a Lua file: return { NAME = { address = \"...\" } }")
  end
  local ok, hosts = core.xpcall(chunk, core.complete_error)
  if not ok then
    if core.is_cancellation(hosts) then error(hosts, 0) end
    fail("BAD_INVENTORY", tostring(hosts), "hosts.lua sees no globals: write values, not calls")
  end
  return { path = path, entries = check_all(path, hosts) }
end

--- Where a person's own hosts.lua and playbooks are: in $XDG_CONFIG_HOME or ~/.config. nil without a home.
function inventory.config_folder()
  local home, config = os.getenv "HOME", os.getenv "XDG_CONFIG_HOME"
  if not config or config == "" then config = home and home .. "/.config" end
  return config and config .. "/drover"
end

local function search()
  local chosen = os.getenv "DROVER_INVENTORY"
  if chosen and chosen ~= "" then
    return read(chosen) or fail("NO_FILE", "there is no inventory " .. chosen, "$DROVER_INVENTORY names it")
  end
  local config = inventory.config_folder()
  return config and read(config .. "/hosts.lua") or read "/etc/drover/hosts.lua" or { entries = {} }
end

local function current()
  loaded = loaded or search()
  return loaded
end

--- Reads the inventory again, from `path` or from where it is searched; gives the path, or nil when there is none.
function inventory.load(path)
  if path then
    loaded = read(path) or fail("NO_FILE", "there is no inventory " .. path)
  else
    loaded = search()
  end
  return loaded.path
end

--- Forgets what was read: the next use searches again.
function inventory.reset() loaded = nil end

--- The path of the inventory in use, or nil when there is none.
function inventory.path() return current().path end

--- The entry of a host: its fields, its name, and groups as a list. nil when the inventory does not have it.
function inventory.find(name) return current().entries[name] end

--- The names of all hosts, in order.
function inventory.names()
  local names = {}
  for name in next, current().entries do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- The names of the groups, in order.
function inventory.groups()
  local seen, names = {}, {}
  for _, entry in next, current().entries do
    for _, group in ipairs(entry.groups) do
      if not seen[group] then names[#names + 1] = group end
      seen[group] = true
    end
  end
  table.sort(names)
  return names
end

--- The names of the hosts of a group, in order. Raises NO_GROUP.
function inventory.group(group)
  local members = {}
  for _, name in ipairs(inventory.names()) do
    for _, one in ipairs(inventory.find(name).groups) do
      if one == group then members[#members + 1] = name end
    end
  end
  if #members == 0 then
    local near = core.nearest(tostring(group), inventory.groups())
    fail("NO_GROUP", ("no host of the inventory is in the group '%s'"):format(tostring(group)),
      near and "did you mean '" .. near .. "'?" or inventory.path() or "there is no inventory")
  end
  return members
end

return inventory
