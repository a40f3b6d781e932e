--- Playbooks: what one is, where they are found, how one is loaded. Loading never touches a host.
--
--   return playbook {
--     name = "where-is", summary = "One line.",
--     description = "More, if needed.", examples = { "drover run ..." },
--     params = { { "domain", "name", doc = "Domain to look for." } },
--     check = function(ctx, p) end,  -- reads only; may be left out
--     run = function(ctx, p) end,    -- what ctx can do: drover help ctx
--   }
--
-- A parameter is { NAME, TYPE, doc = }. It may have default =, required = false, choices = { } (of a choice), of = TYPE
-- (of a list), least = and most = (of an integer), complete = "domains". What is named copy-disks is read as
-- p.copy_disks.
-- Types: text, name, host, uri, path, port, ports (first and last), size (in bytes), duration (in milliseconds),
-- percent, integer, boolean, choice, list, map.
-- Tested by tests/stdlib/playbook_test.lua.
local core = require "drover.core"
local errors = require "errors"
local files = require "files"
local params = require "params"

local playbook = {}

local marker = {}

local fields = { name = "string", summary = "string", description = "string", params = "table", examples = "table",
  check = "function", run = "function" }
local required = { "name", "summary", "params", "run" }

local function wrong(where, message, hint)
  errors.raise { code = "BAD_PLAYBOOK", message = where .. ": " .. message, hint = hint, where = false,
    exit_code = 2 }  -- nothing was tried
end

-- The file that loads now, for messages: a chunk that ends in `return playbook { ... }` leaves no frame of its own.
local loading

local function define(definition)
  local where = loading or "playbook"
  if type(definition) ~= "table" then wrong(where, "playbook { ... } takes a table, not a " .. type(definition)) end
  local names = {}
  for name in pairs(fields) do names[#names + 1] = name end
  for name, value in pairs(definition) do
    if not fields[name] then
      local near = core.nearest(tostring(name), names)
      wrong(where, ("unknown field '%s'"):format(tostring(name)), near and "did you mean '" .. near .. "'?" or nil)
    elseif type(value) ~= fields[name] then
      wrong(where, ("field '%s' must be a %s, not a %s"):format(name, fields[name], type(value)))
    end
  end
  for _, name in ipairs(required) do
    if definition[name] == nil then wrong(where, "field '" .. name .. "' is missing") end
  end
  params.check_declarations(definition.params, where)
  return setmetatable(definition, { __index = marker })
end

-- Folders of the environment that are missing, and that were told.
local told = {}

--- Set by completion, which says nothing besides.
playbook.is_quiet = false

--- Folders that hold playbooks, first wins: { path =, origin = }. One of the environment that is none is said on
-- standard error, once.
function playbook.search_path(first)
  local folders = {}
  local function add(path, origin)
    if path and path ~= "" then folders[#folders + 1] = { path = path, origin = origin } end
  end
  add(first, "--playbooks")
  for path in (os.getenv("DROVER_PLAYBOOKS") or ""):gmatch("[^:]+") do
    add(path, "$DROVER_PLAYBOOKS")
    if not playbook.is_quiet and not told[path] and not files.is_folder(path) then
      io.stderr:write("drover: $DROVER_PLAYBOOKS: there is no folder ", path, "\n")
      told[path] = true
    end
  end
  local config = require("inventory").config_folder()
  add(config and config .. "/playbooks", "yours")
  add("/etc/drover/playbooks", "this machine's")
  add(core.playbooks, "stock")
  return folders
end

--- Whether a value is what playbook { ... } gives.
function playbook.is_playbook(value)
  local meta = type(value) == "table" and getmetatable(value)
  return type(meta) == "table" and rawget(meta, "__index") == marker
end

--- Loads a file and gives its playbook with file = and text = added. As root, raises UNTRUSTED_FILE when others may
-- write the file or a folder above it.
function playbook.load_file(path)
  local ok, text = core.pcall(host.read_trusted_file, path)
  if not ok then
    text.exit_code, text.where = 2, nil  -- nothing was tried
    error(text, 0)
  end
  if not text then
    errors.raise { domain = "usage", code = "NO_PLAYBOOK", message = "there is no file " .. path, where = false }
  end
  return playbook.load_text(text, path)
end

--- Loads a playbook of its text, as recovery does with what the journal kept. Calls of a binding that waits or changes
-- something are refused while it loads: list, show and completion work without any host.
function playbook.load_text(text, path)
  local environment = setmetatable({}, { __index = _G })
  local read, chunk = core.pcall(core.load_source, text, "@" .. path, environment)
  if not read then
    chunk.exit_code = 2  -- nothing was tried
    error(chunk, 0)
  end
  local before, outer = core.set_loading("the playbook " .. path), loading
  loading = path
  local ok, loaded = core.xpcall(chunk, core.complete_error, path)
  loading = outer
  core.set_loading(before)
  if not ok then
    if not core.is_cancellation(loaded) then loaded.exit_code = 2 end
    error(loaded, 0)
  end
  if not playbook.is_playbook(loaded) then
    wrong(path, "it does not return a playbook", "the file must end in: return playbook { name = ..., ... }")
  end
  return { definition = loaded, file = path, text = text, name = loaded.name }
end

--- All playbooks of the search path: a list of { name, path, origin, overrides = path or nil }.
function playbook.list(first)
  if first and first ~= "" and not files.is_folder(first) then
    errors.raise { domain = "usage", code = "NO_FOLDER", where = false,
      message = ("--playbooks: %s is not a folder"):format(first) }
  end
  local found, by_name = {}, {}
  for _, folder in ipairs(playbook.search_path(first)) do
    for _, file in ipairs(files.list(folder.path)) do
      local name = file:match("^([%w][%w_-]*)%.lua$")
      if name then
        local entry = { name = name, path = folder.path .. "/" .. file, origin = folder.origin }
        if not by_name[name] then
          by_name[name] = entry
          found[#found + 1] = entry
        elseif not by_name[name].overrides then
          by_name[name].overrides = entry.path
        end
      end
    end
  end
  table.sort(found, function(left, right) return left.name < right.name end)
  return found
end

--- Loads one of the list. What calls itself otherwise than its file has a warning =: it is run under one name, and is
-- another in the list of the runs.
function playbook.load_entry(entry)
  local loaded = playbook.load_file(entry.path)
  if loaded.name ~= entry.name then
    loaded.warning = ("%s: its name is '%s', and its file says '%s': 'drover runs' lists it as %s"):format(entry.path,
      loaded.name, entry.name, loaded.name)
  end
  return loaded
end

--- The playbook of a name (from the search path) or of a path. Raises NO_PLAYBOOK with the nearest name.
function playbook.load(name, first)
  if name:find("/") or name:find("%.lua$") then return playbook.load_file(name) end
  local names = {}
  for _, entry in ipairs(playbook.list(first)) do
    if entry.name == name then return playbook.load_entry(entry) end
    names[#names + 1] = entry.name
  end
  local near = core.nearest(name, names)
  errors.raise { domain = "usage", code = "NO_PLAYBOOK", where = false,
    message = ("there is no playbook '%s'"):format(name),
    hint = near and ("did you mean '%s'?"):format(near) or "'drover list' lists them" }
end

return setmetatable(playbook, { __call = function(_, definition) return define(definition) end })
