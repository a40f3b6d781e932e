-- drover complete WORDS...: candidates for the last of the words (those after "drover"), one a line. ":files" and
-- ":folders" ask the shell for its own. Never an error, never a host touched but this machine's libvirt, within 0.4 s.
-- Tested by tests/transcripts/completion_test.
local core = require "drover.core"

local libvirt_limit = "400ms"

local function add(list, ...) for _, one in ipairs { ... } do list[#list + 1] = one end end

-- ---- what there is to offer ----

local function playbooks(request)
  local names = {}
  for _, entry in ipairs(require("playbook").list(request.playbooks)) do add(names, entry.name) end
  add(names, ":files")
  return names
end

-- The Host entries of ~/.ssh/config that are names and no patterns.
local function ssh_aliases()
  local names, home = {}, os.getenv("HOME")
  local file <close> = home and io.open(home .. "/.ssh/config", "rb") or nil
  for line in file and file:lines() or function() end do
    local rest = line:match("^%s*[Hh][Oo][Ss][Tt][%s=]+(.+)$")
    for name in (rest or ""):gmatch("[^%s\"]+") do
      if not name:find("[*?!]") then add(names, name) end
    end
  end
  return names
end

local function hosts()
  local names = { "localhost" }
  local ok, known = core.pcall(function() return require("inventory").names() end)
  if ok then add(names, table.unpack(known)) end
  add(names, table.unpack(ssh_aliases()))
  return names
end

-- Of this machine, when its libvirt answers at once.
local function domains()
  local ok, names = core.pcall(function()
    return async.timeout(libvirt_limit, function()
      local connection <close> = virt.connect("qemu:///system", { readonly = true })
      local found = {}
      for index, domain in ipairs(connection:domains()) do found[index] = domain:name() end
      return found
    end)
  end)
  return ok and names or {}
end

-- Of undo only those that it can undo.
local function runs(_, command)
  local ids = {}
  local ok, list = core.pcall(function() return require("history").existing_journal():runs(20) end)
  for _, one in ipairs(ok and list or {}) do
    if command ~= "undo" or one.kept then add(ids, one.id) end
  end
  return ids
end

-- "kvm1,kv": the first host stays in front of each candidate for the second.
local function two_hosts(request)
  local first = request.rest[#request.rest]:match("^[^,]*,") or ""
  local found = {}
  for _, name in ipairs(hosts()) do
    if name .. "," ~= first then add(found, first .. name) end
  end
  return found
end

local function commands(request)
  local names = {}
  for name in pairs(request.program.commands) do add(names, name) end
  return names
end

-- Commands, and what scripts call; the words of a module once its name and the dot are there. A name with a colon would
-- be two words to the shell.
local function topics(request)
  local names = commands(request)
  local is_inside = request.rest[#request.rest]:find(".", 1, true)
  for _, name in ipairs(require("help").topics()) do
    if not name:find(":", 1, true) and (is_inside or not name:find(".", 1, true)) then add(names, name) end
  end
  return names
end

local by_value = { TOPIC = topics, ["A,B"] = two_hosts,
  PLAYBOOK = playbooks, HOST = hosts, RUN = runs, FILE = function() return { ":files" } end,
  DIR = function() return { ":folders" } end, SHELL = function() return { "bash" } end }

-- ---- where the cursor stands ----

local function find_option(options, word)
  for _, option in ipairs(options) do
    for _, name in ipairs(option.names) do
      if name == word then return option end
    end
  end
end

local function option_names(options, into)
  for _, option in ipairs(options) do add(into, table.unpack(option.names)) end
  return into
end

-- The place of the first word that is no option, and of nothing when the cursor comes before.
local function first_plain(words, from, options)
  local index = from
  while index < #words do
    local option = find_option(options, words[index])
    if not words[index]:find("^%-") then return index end
    index = index + (option and option.value ~= "" and 2 or 1)
  end
end

local only_of_run = { ["--plan"] = true, ["--keep-on-failure"] = true }

local own_words = { "--plan", "--keep-on-failure", "--json", "--verbose", "--help" }

local function values_of(declaration)
  if declaration.complete == "domains" then return domains() end
  local kind = declaration[2] == "list" and declaration.of or declaration[2]
  if kind == "choice" or declaration.choices then return declaration.choices end
  if kind == "host" then return hosts() end
  if kind == "path" then return { ":files" } end
  return {}
end

local function find_declaration(declarations, name)
  for _, declaration in ipairs(declarations) do
    if declaration[1] == name then return declaration end
  end
end

-- The parameters of a playbook, and the values of the one before the cursor.
local function playbook_words(request, name, before, command)
  local declarations = require("playbook").load(name, request.playbooks).definition.params
  local last, current = before[#before - 1], before[#before]
  local joined, begun = current:match("^%-%-([%w-]+)=(.*)$")
  if joined then
    local found = {}
    local declaration = find_declaration(declarations, joined)
    for _, value in ipairs(declaration and values_of(declaration) or {}) do
      if value:sub(1, 1) ~= ":" then add(found, "--" .. joined .. "=" .. value) end
    end
    return begun and found
  end
  local waiting = last and find_declaration(declarations, last:match("^%-%-([%w-]+)$"))
  if waiting and waiting[2] ~= "boolean" then return values_of(waiting) end
  local given = {}
  for index = 1, #before - 1 do given[before[index]] = true end
  local found = {}
  for _, declaration in ipairs(declarations) do
    local repeats = declaration[2] == "list" or declaration[2] == "map"
    local word = "--" .. declaration[1]
    if declaration[2] == "boolean" and declaration.default == true then word = "--no-" .. declaration[1] end
    if repeats or not given[word] then add(found, word) end
  end
  for _, word in ipairs(own_words) do
    if not given[word] and (command == "run" or not only_of_run[word]) then add(found, word) end
  end
  return found
end

local function candidates(request)
  local words, program = request.rest, request.program
  local before = words[#words - 1]
  local general = program.options
  for index = 1, #words - 2 do
    if words[index] == "--playbooks" then request.playbooks = words[index + 1] end
  end
  local option = before and find_option(general, before)
  if option and option.value ~= "" then return by_value[option.value] and by_value[option.value]() or {} end
  local place = first_plain(words, 1, general)
  if not place then
    local found = {}
    for name in pairs(program.commands) do add(found, name) end
    add(found, ":files")
    return words[#words]:find("^%-") and option_names(general, {}) or found
  end
  local name = words[place]
  local command = program.commands[name]
  if not command then return { ":files" } end  -- drover FILE.lua args...
  local all = {}
  for _, one in ipairs(general) do add(all, one) end
  for _, one in ipairs(command.options) do add(all, one) end
  option = before and place < #words - 1 and find_option(command.options, before)
  if option and option.value ~= "" then return by_value[option.value] and by_value[option.value](request) or {} end
  local positional = first_plain(words, place + 1, all)
  if (name == "run" or name == "check") and positional then
    return playbook_words(request, words[positional], table.move(words, positional + 1, #words, 1, {}),
      name)
  end
  if words[#words]:find("^%-") then return option_names(all, {}) end
  -- The positional that the cursor is at; the last one of a command may be given several times.
  local kinds, seen = {}, 0
  for _, one in ipairs(command.options) do
    if #one.names == 0 then add(kinds, one.value) end
  end
  while positional do
    seen = seen + 1
    positional = first_plain(words, positional + 1, all)
  end
  local kind = (kinds[math.min(seen + 1, #kinds)] or ""):gsub("%W.*$", "")
  return by_value[kind] and by_value[kind](request, name) or {}
end

return function(request)
  if #request.rest == 0 then request.rest = { "" } end
  require("playbook").is_quiet = true
  local ok, found = core.pcall(candidates, request)
  if not ok then return 0 end
  local current, shown = request.rest[#request.rest], {}
  table.sort(found)
  for _, word in ipairs(found) do
    -- The shell lists them on the terminal as they are: a name that would command it is not offered.
    local fits = (word:sub(1, 1) == ":" or word:sub(1, #current) == current) and terminal.visible(word) == word
    if fits and not shown[word] then print(word) end
    shown[word] = true
  end
  return 0
end
