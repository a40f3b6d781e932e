--- What a function, a module or a class is for: help(virt.connect), help "virt", help "virt.Domain", help(domain.xml).
-- Bindings are described by their registration tables, Lua functions by the comment above them.
-- Tested by tests/stdlib/help_test.lua.
local core = require "drover.core"
local errors = require "errors"
local files = require "files"
local layout = require "layout"
local lua_words = require "lua_words"

local help = {}

local function first_sentence(text) return text:match("^(.-%.)%s") or text end

local function name_of(value) return (value.name:gsub("%?$", "")) end

local function signature(owner, separator, one)
  local params, returns = {}, {}
  for index, value in ipairs(one.params) do
    params[index] = value.name:sub(-1) == "?" and "[" .. name_of(value) .. "]" or value.name
  end
  for index, value in ipairs(one.returns) do returns[index] = value.type end
  local text = ("%s%s%s(%s)"):format(owner, separator, one.name, table.concat(params, ", "))
  return #returns > 0 and text .. " -> " .. table.concat(returns, ", ") or text
end

local function add_values(lines, title, values)
  if #values == 0 then return end
  lines[#lines + 1] = title
  for _, value in ipairs(values) do
    lines[#lines + 1] = ("  %s  %s%s%s"):format(name_of(value), value.type,
      value.name:sub(-1) == "?" and ", may be left out" or "", value.doc ~= "" and ": " .. value.doc or "")
  end
end

local function bound_function(one)
  local lines = { signature(one.owner, one.is_method and ":" or ".", one), "", one.doc }
  add_values(lines, "Takes", one.params)
  add_values(lines, "Gives", one.returns)
  if one.errors ~= "" then lines[#lines + 1] = "Raises " .. one.errors end
  return lines
end

local function path_of(source)
  local inside = source:match("^@stdlib/(.+)$")
  return inside and core.stdlib .. "/" .. inside or source:match("^@(.+)$")
end

-- A method that has no use for its object is called as the others are.
local function as_called(head) return (head:gsub("%.([%w_]+)%(_,%s*", ":%1(")) end

local function lua_function(f)
  local info = debug.getinfo(f, "S")
  local path = info.what ~= "C" and path_of(info.source)
  if not path then return { "a function that is not documented" } end
  local lines = lua_words.lines(path)
  local head = (lines[info.linedefined] or ""):gsub("^%s*local%s+", ""):gsub("^function%s+", ""):match("^[^)]*%)")
  local text = { head and as_called(head) or info.short_src, "" }
  local above = layout.flow(table.concat(lua_words.comment_above(lines, info.linedefined), "\n"), math.huge)
  table.move(above, 1, #above, #text + 1, text)
  if #text == 2 then text[3] = "There is no comment above it." end
  text[#text + 1] = ("Read it: %s:%d"):format(path, info.linedefined)
  return text
end

local function add_text(lines, text)
  local flowed = layout.flow(text, math.huge)
  table.move(flowed, 1, #flowed, #lines + 1, lines)
end

local function first_sentence_of(doc) return first_sentence((doc:gsub("\n", " "))) end

local function add_words(lines, words)
  for _, word in ipairs(words) do
    lines[#lines + 1] = ("  %s  %s"):format(lua_words.head(word), first_sentence_of(word.doc))
  end
end

-- One public function of stdlib, as playbooks call it.
local function lua_word(word, path)
  local lines = { lua_words.head(word), "" }
  add_text(lines, word.doc)
  lines[#lines + 1] = ("Read it: %s:%d"):format(path, word.line)
  return lines
end

-- The comment at the top of a file of stdlib, and its public functions with the first sentence of each.
local function lua_module(name, path)
  local lines = { name, "" }
  add_text(lines, (lua_words.about(lua_words.lines(path))))
  add_words(lines, lua_words.of(name, path))
  if name == "lease" then
    lines[#lines + 1] = ""
    lines[#lines + 1] = "Stock kinds; drover help KIND has the arguments of each:"
    for _, kind in ipairs(lua_words.kinds()) do
      lines[#lines + 1] = ("  %s  %s"):format(kind.name, first_sentence_of(kind.doc))
    end
  end
  return lines
end

local function kind_of_lease(name)
  for _, kind in ipairs(lua_words.kinds()) do
    if kind.name == name then
      local lines = { name, "" }
      add_text(lines, kind.doc)
      lines[#lines + 1] = "Read it: " .. kind.path
      return lines
    end
  end
end

local function add_functions(lines, owner, separator, functions)
  for _, one in ipairs(functions) do
    lines[#lines + 1] = ("  %s  %s"):format(signature(owner, separator, one), first_sentence(one.doc))
  end
end

local function bound_class(class)
  local lines, methods, shown = { class.name, "", class.doc }, {}, nil
  for _, one in ipairs(class.methods) do
    if one.name == "tostring" then shown = one else methods[#methods + 1] = one end
  end
  add_functions(lines, class.name, ":", methods)
  -- Not every class has it as a method; Lua's own function works on all.
  if shown then lines[#lines + 1] = ("  tostring(%s)  %s"):format(class.name:match("%w+$"):lower(), shown.doc) end
  return lines
end

local function bound_module(module)
  local lines = { module.name, "", module.doc }
  add_functions(lines, module.name, ".", module.functions)
  for _, class in ipairs(module.classes) do
    lines[#lines + 1] = ("  %s  %s"):format(class.name, first_sentence(class.doc))
  end
  return lines
end

local function modules_by_name()
  local by_name = {}
  for _, module in ipairs(core.modules()) do by_name[module.name] = module end
  return by_name
end

-- The names of all that help knows as text, for suggestions and for the overview.
local function topics()
  local names, seen = {}, {}
  local function add(name)
    if not seen[name] then names[#names + 1] = name end
    seen[name] = true
  end
  for name, module in pairs(modules_by_name()) do
    add(name)
    for _, one in ipairs(module.functions) do add(name .. "." .. one.name) end
    for _, class in ipairs(module.classes) do
      add(class.name)
      for _, one in ipairs(class.methods) do add(class.name .. ":" .. one.name) end
    end
  end
  for _, file in ipairs(files.list(core.stdlib)) do
    local name = file:match("^([%w_]+)%.lua$")
    if name then
      add(name)
      for _, word in ipairs(lua_words.of(name, core.stdlib .. "/" .. file)) do
        add(word.owner .. word.separator .. word.name)
      end
    end
  end
  for _, kind in ipairs(lua_words.kinds()) do add(kind.name) end
  table.sort(names)
  return names
end

--- The same, for completion.
function help.topics() return topics() end

local function overview()
  local lines = { "help \"NAME\" or help(FUNCTION) says more. Modules:" }
  local modules = modules_by_name()
  for _, name in ipairs(topics()) do
    local path = not modules[name] and not name:find("[.:-]") and lua_words.path(name)
    if modules[name] or path then
      local text = modules[name] and modules[name].doc or lua_words.comment_above(lua_words.lines(path), 2)[1] or ""
      lines[#lines + 1] = ("  %-12s %s"):format(name, first_sentence(text))
    end
  end
  lines[#lines + 1] = "What a playbook gets: ctx (the run) and h (a host, from ctx:host or host.connect)."
  return lines
end

local function find_named(list, name)
  for _, one in ipairs(list) do
    if one.name == name then return one end
  end
end

-- A module, with what stdlib adds to it; a class; or a function by its full name.
local function topic(name)
  local modules = modules_by_name()
  local plain = name:match("^[%w_]+$")
  local path = plain and lua_words.path(name)
  if modules[name] then
    local lines = bound_module(modules[name])
    if path then table.move(lua_module(name, path), 2, 1000, #lines + 1, lines) end
    return lines
  end
  if path then return lua_module(name, path) end
  local module = modules[name:match("^[%w_]+") or ""]
  for _, class in ipairs(module and module.classes or {}) do
    if class.name == name then return bound_class(class) end
    local method = name:sub(1, #class.name) == class.name and name:match("[.:]([%w_]+)$", #class.name)
    local one = method and find_named(class.methods, method)
    if one then
      one.owner, one.is_method = class.name, true
      return bound_function(one)
    end
  end
  local one = module and find_named(module.functions, name:match("%.([%w_]+)$") or "")
  if one then
    one.owner = module.name
    return bound_function(one)
  end
  local owner, member = name:match("^([%w_]+)[.:]([%w_]+)$")
  local file = owner and lua_words.path(owner)
  for _, word in ipairs(file and lua_words.of(owner, file) or {}) do
    if word.name == member then return lua_word(word, file) end
  end
  return kind_of_lease(name)
end

-- What host.connect gives: its own methods, and those of the machine that it passes on.
local function host_object(member)
  local path = lua_words.path "host"
  local own, machine = {}, nil
  for _, word in ipairs(lua_words.of("host", path)) do
    if word.owner == "h" then own[#own + 1] = word end
    if word.owner == "h" and word.name == member then return lua_word(word, path) end
  end
  for _, class in ipairs(modules_by_name().host.classes) do
    if class.name == "host.Machine" then machine = class end
  end
  local passed_on = {}
  for _, name in ipairs(require("host").passed_on) do passed_on[#passed_on + 1] = find_named(machine.methods, name) end
  if member then
    local one = find_named(passed_on, member)
    if not one then return nil end
    one.owner, one.is_method = "h", true
    return bound_function(one)
  end
  local lines = { "h", "", "A host, from ctx:host \"kvm2\" or host.connect \"kvm2\". h.virt is its libvirt (help "
    .. "virt.Connection), h.firewall its firewall (help firewall.Firewall), h.name its name." }
  add_words(lines, own)
  add_functions(lines, "h", ":", passed_on)
  return lines
end

-- A playbook has help of its own kind.
local function stock_playbook(name)
  for _, one in ipairs(require("playbook").list()) do
    if one.name == name then
      return { name, "", "A playbook. What it does and its parameters: drover show " .. name,
        "Read it: " .. one.path }
    end
  end
end

-- What playbooks call ctx is stdlib's context, and h what host.connect gives: each is asked for, and shown, as they
-- write it.
local function topic_of_playbooks(name)
  if name == "h" then return host_object() end
  local member = name:match("^h[.:]([%w_]+)$")
  if member then return host_object(member) end
  local rest = name:match("^ctx%f[:.%z](.*)$")
  if not rest then return topic(name) or stock_playbook(name) end
  local lines = topic("context" .. rest)
  if lines and rest == "" then lines[1] = "ctx" end
  return lines
end

-- What is broken off a line begins further to the right than the line: below the text beside a short name.
local function broken(lines, width)
  local found = {}
  for _, line in ipairs(lines) do
    if #line <= width then
      found[#found + 1] = line
    else
      local head = line:match("^%s+%S.-%s%s+") or line:match("^%s*")
      -- The second column of a table may stand further to the right than the text beside a function's name.
      local widest = head:find("^%s+[%w_]+[.:]") and 20 or 36
      local hanging = head:find("%S") and (#head <= widest and #head or 6) or #head
      local rest, first = (" "):rep(hanging), head
      if #head + 20 > width and head:find("%S") then
        found[#found + 1], first = head:gsub("%s+$", ""), rest
      end
      local wrapped = layout.wrap(line:sub(#head + 1), width, first, rest)
      table.move(wrapped, 1, #wrapped, #found + 1, found)
    end
  end
  return found
end

--- The text of help for a function, or for the name of a module, class or function; the overview without it. Lines are
-- broken at `width` columns; whole without it. Raises NO_HELP.
function help.text(what, width)
  local lines
  if what == nil then
    lines = overview()
  elseif type(what) == "function" then
    local one = core.documentation(what)
    lines = one and bound_function(one) or lua_function(what)
  elseif type(what) == "string" then
    lines = topic_of_playbooks(what)
  else
    local class = getmetatable(what)
    lines = type(class) == "string" and topic(class) or nil
  end
  if lines then return table.concat(broken(lines, width or math.huge), "\n") end
  local near = type(what) == "string" and core.nearest(what, topics())
  errors.raise { domain = "help", code = "NO_HELP", message = ("there is no help for '%s'"):format(tostring(what)),
    hint = near and ("did you mean '%s'?"):format(near) or "help() lists the modules" }
end

--- Prints it, broken at the width of the terminal.
function help.show(what) print(help.text(what, terminal.width())) end

return setmetatable(help, { __call = function(_, what) help.show(what) end })
