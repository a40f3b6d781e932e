--- The parameters of a playbook: one list is the source of parsing, validation, help and completion.
-- A declaration is { "name", "type", doc = , default = , choices = , of = , complete = , required = }.
-- Tested by tests/stdlib/params_test.lua.
local core = require "drover.core"
local errors = require "errors"
local json = require "json"
local layout = require "layout"
local units = require "units"

local params = {}

local function bad(declaration, value, expected, hint)
  errors.raise { domain = "usage", code = "BAD_PARAMETER", where = false, hint = hint,
    message = ("--%s: '%s' is not %s"):format(declaration[1], tostring(value), expected) }
end

local function integer_in(declaration, text, least, most, what)
  local number = type(text) == "number" and text or (tostring(text):match("^%-?%d+$") and tonumber(text))
  number = number and math.tointeger(number)
  if not number or number < least or number > most then
    local range = most == math.maxinteger and (least == math.mininteger and "" or " of at least " .. least)
      or (" from %d to %d"):format(least, most)
    bad(declaration, text, what .. range)
  end
  return number
end

local function unit(declaration, text, convert, what, example)
  local ok, value = core.pcall(convert, text)
  if not ok then bad(declaration, text, what, "write it like " .. example) end
  return value
end

-- Each type: article and noun for messages, the word in help, and how text becomes a value.
local types = {}

-- Words of `drover run` itself, which a playbook would never see.
local reserved = { plan = true, json = true, verbose = true, help = true, playbooks = true, ["keep-on-failure"] = true }

local function define(name, word, parse) types[name] = { word = word, parse = parse } end

define("text", "TEXT", function(_, text) return tostring(text) end)

define("name", "NAME", function(declaration, text)
  text = tostring(text)
  if text == "" or text:find("[%c/]") then bad(declaration, text, "a name") end
  return text
end)

define("host", "HOST", function(declaration, text)
  -- A host that looks like an option would become one of ssh's.
  local ok, problem = core.pcall(function() return require("host").parse_target(text) end)
  if not ok then
    local port = problem.message:match("('[^']*' is no port)$")
    bad(declaration, text, port and "a host: " .. port or "a host",
      port and problem.hint or "write it as name, user@name:port, or an entry of hosts.lua")
  end
  return text
end)

define("uri", "URI", function(declaration, text)
  if not text:find("^[%a][%w+.-]*:") then bad(declaration, text, "a URI") end
  return text
end)

define("path", "PATH", function(declaration, text)
  if text == "" or text:find("%z") then bad(declaration, text, "a path") end
  return text
end)

define("port", "PORT", function(declaration, text) return integer_in(declaration, text, 1, 65535, "a port") end)

define("ports", "FIRST-LAST", function(declaration, text)
  local first, last = tostring(text):match("^(%d+)%-(%d+)$")
  if not first then first, last = text, text end
  local range = { first = integer_in(declaration, first, 1, 65535, "a port"),
    last = integer_in(declaration, last, 1, 65535, "a port") }
  if range.first > range.last then bad(declaration, text, "a range of ports", "the first is above the last") end
  return range
end)

define("size", "SIZE", function(declaration, text)
  return unit(declaration, text, units.size_bytes, "a size", "12GiB or 500MiB")
end)

define("duration", "DURATION", function(declaration, text)
  return unit(declaration, text, units.duration_ms, "a duration", "30s, 5m or 1h30m")
end)

define("percent", "PERCENT", function(declaration, text)
  return integer_in(declaration, (tostring(text):gsub("%%$", "")), 0, 100, "a percentage")
end)

define("integer", "NUMBER", function(declaration, text)
  return integer_in(declaration, text, declaration.least or math.mininteger, declaration.most or math.maxinteger,
    "a whole number")
end)

local booleans = { ["true"] = true, yes = true, on = true, ["1"] = true,
  ["false"] = false, no = false, off = false, ["0"] = false }

define("boolean", "", function(declaration, text)
  local value = booleans[tostring(text)]
  if value == nil then bad(declaration, text, "yes or no") end
  return value
end)

define("choice", "CHOICE", function(declaration, text)
  for _, choice in ipairs(declaration.choices) do
    if choice == text then return text end
  end
  local near = core.nearest(text, declaration.choices)
  bad(declaration, text, "one of " .. table.concat(declaration.choices, ", "),
    near and "did you mean '" .. near .. "'?" or nil)
end)

define("list", "A,B,...", function(declaration, text)
  local values = json.array {}
  for item in tostring(text):gmatch("[^,]+") do
    values[#values + 1] = types[declaration.of or "text"].parse(declaration, item)
  end
  return values
end)

define("map", "OLD=NEW,...", function(declaration, text)
  local values = {}
  for item in tostring(text):gmatch("[^,]+") do
    local old, new = item:match("^([^=]+)=([^=]+)$")
    if not old then bad(declaration, item, "a pair", "write it as old=new") end
    values[old] = new
  end
  return values
end)

local keys = { "doc", "default", "required", "choices", "of", "least", "most", "complete" }
local is_key = { [1] = true, [2] = true }
for _, key in ipairs(keys) do is_key[key] = true end

--- Checks a list of declarations; raises BAD_PLAYBOOK and names what is wrong.
function params.check_declarations(declarations, where)
  local seen = {}
  for index, declaration in ipairs(declarations) do
    local is_table = type(declaration) == "table"
    local name, kind = is_table and declaration[1], is_table and declaration[2]
    local function wrong(text)
      errors.raise { code = "BAD_PLAYBOOK", where = false, exit_code = 2,
        message = ("%s: parameter %s: %s"):format(where, name or index, text) }
    end
    if not is_table then wrong("it is written { \"name\", \"type\", doc = \"...\" }") end
    if type(name) ~= "string" or not name:match("^%l[%l%d-]*$") then wrong("its name must be like 'max-memory'") end
    if not types[kind] then
      local names = {}
      for known in pairs(types) do names[#names + 1] = known end
      table.sort(names)
      local near = core.nearest(tostring(kind), names)
      wrong(("unknown type '%s'%s"):format(tostring(kind), near and "; did you mean '" .. near .. "'?" or
        "; it knows " .. table.concat(names, ", ")))
    end
    for key in pairs(declaration) do
      if not is_key[key] then
        local near = core.nearest(tostring(key), keys)
        wrong(("unknown key '%s'%s"):format(tostring(key), near and "; did you mean '" .. near .. "'?" or
          "; it knows " .. table.concat(keys, ", ")))
      end
    end
    if reserved[name] then wrong("the name belongs to 'drover run' itself") end
    if kind == "choice" and type(declaration.choices) ~= "table" then wrong("a choice needs choices = { ... }") end
    if declaration.of and not types[declaration.of] then
      wrong(("unknown type of items '%s'"):format(tostring(declaration.of)))
    end
    if type(declaration.doc) ~= "string" or declaration.doc == "" then wrong("it has no doc") end
    if seen[name] then wrong("declared twice") end
    seen[name] = true
    local default = declaration.default
    local is_many = kind == "list" or kind == "map"
    if type(default) == "table" and not is_many or default ~= nil and is_many and type(default) ~= "table"
      and type(default) ~= "string" then
      wrong(("its default is a %s"):format(type(default)))
    end
    if default ~= nil and type(default) ~= "table" then
      local ok, problem = core.pcall(types[kind].parse, declaration, default)
      if not ok then wrong("its default: " .. errors.message(problem)) end
    end
  end
end

--- The name that a playbook reads: "copy-disks" is p.copy_disks.
function params.field(name) return (name:gsub("-", "_")) end

local function find(declarations, name)
  for _, declaration in ipairs(declarations) do
    if declaration[1] == name then return declaration end
  end
end

local function unknown(declarations, name, playbook_name)
  local names = {}
  for _, declaration in ipairs(declarations) do names[#names + 1] = declaration[1] end
  local near = core.nearest(name, names)
  errors.raise { domain = "usage", code = "UNKNOWN_PARAMETER", where = false,
    message = ("%s has no parameter '--%s'"):format(playbook_name, name),
    hint = near and ("did you mean '--%s'?"):format(near) or ("'drover show %s' lists them"):format(playbook_name) }
end

local function missing_value(declaration)
  errors.raise { domain = "usage", code = "MISSING_VALUE", where = false,
    message = ("--%s needs a value (%s)"):format(declaration[1], types[declaration[2]].word) }
end

-- A list or a map that is given twice adds up; anything else takes the last.
local function set(values, declaration, value)
  local field, kind = params.field(declaration[1]), declaration[2]
  local before = values[field]
  if kind == "list" and before then
    table.move(value, 1, #value, #before + 1, before)
  elseif kind == "map" and before then
    for old, new in pairs(value) do before[old] = new end
  else
    values[field] = value
  end
end

--- Values of command line words: --name value, --name=value, --flag, --no-flag.
-- Defaults are filled in; what is missing, unknown or malformed raises an error of domain "usage".
function params.parse(declarations, words, playbook_name)
  local values, index = {}, 1
  while index <= #words do
    local word = words[index]
    local name, value = word:match("^%-%-([^=]+)=(.*)$")
    name = name or word:match("^%-%-(.+)$")
    if not name then
      local switch = index > 1 and find(declarations, words[index - 1]:match("^%-%-(.+)$") or "")
      errors.raise { domain = "usage", code = "UNEXPECTED_ARGUMENT", where = false,
        message = ("'%s' stands alone; parameters are written --name value"):format(word),
        hint = switch and switch[2] == "boolean" and ("a switch is written --%s, --%s=no or --no-%s"):format(switch[1],
          switch[1], switch[1]) or ("'drover show %s' lists them"):format(playbook_name) }
    end
    local declaration = find(declarations, name)
    local negated = not declaration and name:match("^no%-(.+)$")
    local switched_off = negated and find(declarations, negated)
    if switched_off and switched_off[2] == "boolean" and not value then
      set(values, switched_off, false)
    elseif not declaration then
      unknown(declarations, name, playbook_name)
    elseif declaration[2] == "boolean" and not value then
      set(values, declaration, true)
    else
      if not value then
        index = index + 1
        value = words[index]
        local is_next = value and find(declarations, value:match("^%-%-([^=]+)") or "")
        if value == nil or is_next then missing_value(declaration) end
      end
      set(values, declaration, types[declaration[2]].parse(declaration, value))
    end
    index = index + 1
  end
  return params.complete(declarations, values, playbook_name)
end

--- Fills in defaults and names every required parameter that is missing, in one error.
function params.complete(declarations, values, playbook_name)
  local missing = {}
  for _, declaration in ipairs(declarations) do
    local field = params.field(declaration[1])
    if values[field] == nil then
      local default = declaration.default
      if default == nil and declaration.required ~= false then
        missing[#missing + 1] = "--" .. declaration[1]
      elseif type(default) == "table" then
        -- A copy: what a run does with it must not change the declaration.
        values[field] = declaration[2] == "list" and json.array {} or {}
        for key, value in pairs(default) do values[field][key] = value end
      elseif default ~= nil then
        values[field] = types[declaration[2]].parse(declaration, default)
      end
    end
  end
  if #missing > 0 then
    errors.raise { domain = "usage", code = "MISSING_PARAMETER", where = false,
      message = ("%s needs %s"):format(playbook_name, table.concat(missing, " and ")),
      hint = ("'drover show %s' says what they mean"):format(playbook_name) }
  end
  return params.strict(declarations, values, playbook_name)
end

--- Makes reading a parameter that is not declared an error with the nearest name. Not for stdlib: its words serve
-- playbooks that have fewer parameters.
function params.strict(declarations, values, playbook_name)
  local names, declared = {}, {}
  for index, declaration in ipairs(declarations) do
    names[index] = params.field(declaration[1])
    declared[names[index]] = true
  end
  return setmetatable(values, { __index = function(_, name)
    local reader = debug.getinfo(2, "S")
    if declared[name] or reader and reader.source:find("^@stdlib/") then return nil end
    local near = core.nearest(tostring(name), names)
    errors.raise { code = "UNKNOWN_PARAMETER",
      message = ("%s has no parameter '%s'"):format(playbook_name, tostring(name)),
      hint = near and ("did you mean p.%s?"):format(near) or "declare it in params" }
  end })
end

-- A parameter as it is written on the command line.
local function head_of(declaration)
  if declaration[2] == "boolean" and declaration.default == true then return "--[no-]" .. declaration[1] end
  local word = declaration[2] == "choice" and table.concat(declaration.choices, "|") or types[declaration[2]].word
  return "--" .. declaration[1] .. (word ~= "" and " " .. word or "")
end

local function doc_of(declaration)
  local default = declaration.default
  if default == nil then return declaration.doc .. (declaration.required ~= false and " Required." or "") end
  if default == true then default = "yes" elseif default == false then default = "no" end
  if type(default) == "table" or default == "" then return declaration.doc end
  return declaration.doc .. " [" .. tostring(default) .. "]"
end

--- Lines of help for a list of declarations, for a terminal of that width.
function params.help(declarations, width)
  local lines, heads, widest = {}, {}, 0
  for index, declaration in ipairs(declarations) do
    heads[index] = head_of(declaration)
    widest = math.max(widest, #heads[index])
  end
  widest = math.min(widest, 30)
  local rest = (" "):rep(widest + 4)
  for index, declaration in ipairs(declarations) do
    local head = heads[index]
    local first = ("  %-" .. widest .. "s  "):format(head)
    if #head > widest then
      lines[#lines + 1] = "  " .. head
      first = rest
    end
    local wrapped = layout.wrap(doc_of(declaration), math.max(#rest + 30, width or 100), first, rest)
    table.move(wrapped, 1, #wrapped, #lines + 1, lines)
  end
  return lines
end

--- Whether the parameter takes a value on the command line, and the words to offer for it.
function params.takes_value(declaration) return declaration[2] ~= "boolean" end

return params
