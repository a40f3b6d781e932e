--- What a function, a module or a class is for: help(virt.connect), help "virt", help "virt.Domain", help(domain.xml).
-- Bindings are described by their registration tables, Lua functions by the comment above them.
-- Tested by tests/stdlib/help_test.lua.
local core = require "drover.core"
local errors = require "errors"
local files = require "files"
local layout = require "layout"

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

local function read_lines(path)
  local file <close> = io.open(path, "rb")
  local lines = {}
  for line in file and file:lines() or function() end do lines[#lines + 1] = line end
  return lines
end

-- The comment lines that end just above line number `last`, without their dashes.
local function comment_above(lines, last)
  local first = last
  while lines[first - 1] and lines[first - 1]:find("^%s*%-%-") do first = first - 1 end
  local text = {}
  for index = first, last - 1 do text[#text + 1] = (lines[index]:gsub("^%s*%-+ ?", "")) end
  return text
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
  local lines = read_lines(path)
  local head = (lines[info.linedefined] or ""):gsub("^%s*local%s+", ""):gsub("^function%s+", ""):match("^[^)]*%)")
  local text = { head and as_called(head) or info.short_src, "" }
  local above = layout.flow(table.concat(comment_above(lines, info.linedefined), "\n"), math.huge)
  table.move(above, 1, #above, #text + 1, text)
  if #text == 2 then text[3] = "There is no comment above it." end
  text[#text + 1] = ("Read it: %s:%d"):format(path, info.linedefined)
  return text
end

-- The comment at the top of a file of stdlib, and its public functions with the first sentence of each.
local function lua_module(name, path)
  local source = read_lines(path)
  local last = 1
  while source[last] and source[last]:find("^%-%-") do last = last + 1 end
  local lines = { name, "" }
  -- Where it is tested is for who reads the file.
  local about = table.concat(comment_above(source, last), "\n"):gsub("%s*Tested%s+by%s.-%.%f[%s%z]", "")
  local flowed = layout.flow(about, math.huge)
  table.move(flowed, 1, #flowed, #lines + 1, lines)
  for number, line in ipairs(source) do
    local head = line:match("^function (" .. name:gsub("%W", "%%%0") .. "[.:][%w_]+%b())")
    -- The sentence may go on in the next line of the comment.
    local text = head and table.concat(comment_above(source, number), " ")
    if head then
      lines[#lines + 1] = ("  %s  %s"):format(as_called(head), first_sentence(text))
    end
  end
  return lines
end

local function add_functions(lines, owner, separator, functions)
  for _, one in ipairs(functions) do
    lines[#lines + 1] = ("  %s  %s"):format(signature(owner, separator, one), first_sentence(one.doc))
  end
end

local function bound_class(class)
  local lines = { class.name, "", class.doc }
  add_functions(lines, class.name, ":", class.methods)
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

local function stdlib_path(name)
  local path = core.stdlib .. "/" .. name:gsub("%.", "/") .. ".lua"
  local file <close> = io.open(path, "rb")
  return file and path
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
    if name then add(name) end
  end
  table.sort(names)
  return names
end

--- The same, for completion.
function help.topics() return topics() end

local function overview()
  local lines = { "help \"NAME\" or help(FUNCTION) says more. Modules:" }
  local modules = modules_by_name()
  for _, name in ipairs(topics()) do
    if not name:find("[.:]") then
      local path = not modules[name] and stdlib_path(name)
      local text = modules[name] and modules[name].doc or comment_above(read_lines(path), 2)[1] or ""
      lines[#lines + 1] = ("  %-12s %s"):format(name, first_sentence(text))
    end
  end
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
  local path = plain and stdlib_path(name)
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
  local owner, member = name:match("^([%w_]+)%.([%w_]+)$")
  local known = owner and stdlib_path(owner) and require(owner)[member]
  if type(known) == "function" then return lua_function(known) end
end

-- What playbooks call ctx is stdlib's context: it is asked for, and shown, as they write it.
local function topic_of_playbooks(name)
  local rest = name:match("^ctx%f[:.%z](.*)$")
  if not rest then return topic(name) end
  local lines = topic("context" .. rest:gsub(":", "."))
  for index, line in ipairs(lines or {}) do
    lines[index] = line:gsub("^(%s*)context%f[:.%z]", "%1ctx")
  end
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
