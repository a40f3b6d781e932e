--- What a Lua file of stdlib offers: its public functions with the comment above each. Help and stubs are made of it.
-- Tested by tests/stdlib/help_test.lua.
local core = require "drover.core"
local files = require "files"

local lua_words = {}

--- The lines of a file; none when it is not there.
function lua_words.lines(path)
  local file <close> = io.open(path, "rb")
  local lines = {}
  for line in file and file:lines() or function() end do lines[#lines + 1] = line end
  return lines
end

--- The comment lines that end just above line number `last`, without their dashes.
function lua_words.comment_above(lines, last)
  local first = last
  while lines[first - 1] and lines[first - 1]:find("^%s*%-%-") do first = first - 1 end
  local text = {}
  for index = first, last - 1 do text[#text + 1] = (lines[index]:gsub("^%s*%-+ ?", "")) end
  return text
end

--- The comment at the top of a file, without where it is tested, which is for who reads the file. last is the number of
-- the first line after it.
function lua_words.about(lines)
  local last = 1
  while lines[last] and lines[last]:find("^%-%-") do last = last + 1 end
  return (table.concat(lua_words.comment_above(lines, last), "\n"):gsub("%s*Tested%s+by%s.-%.%f[%s%z]", "")), last
end

--- The file of a module of stdlib, or nil.
function lua_words.path(name)
  local path = core.stdlib .. "/" .. name:gsub("%.", "/") .. ".lua"
  local file <close> = io.open(path, "rb")
  return file and path
end

-- Names of a file's tables as playbooks call what they hold: a run's context is ctx, what host.connect gives is h.
local called = { context = "ctx", methods = "h" }

--- The public functions of a file: a list of { owner, separator, name, parameters = { names }, doc, line }, as they are
-- called: with ':' where a playbook writes one.
function lua_words.of(name, path)
  local lines, words = lua_words.lines(path), {}
  for number, line in ipairs(lines) do
    local owner, separator, word, list = line:match("^function ([%w_]+)([.:])([%w_]+)(%b())")
    if owner == name or owner == "methods" then
      local parameters = {}
      for parameter in list:gmatch("[%w_.]+") do parameters[#parameters + 1] = parameter end
      -- A method that has no use for its object is called as the others are.
      if parameters[1] == "_" then
        separator = ":"
        table.remove(parameters, 1)
      end
      words[#words + 1] = { owner = called[owner] or owner, separator = separator, name = word, parameters = parameters,
        doc = table.concat(lua_words.comment_above(lines, number), "\n"), line = number }
    end
  end
  return words
end

--- How a word is called: "ctx:step(label, body)".
function lua_words.head(word)
  return ("%s%s%s(%s)"):format(word.owner, word.separator, word.name, table.concat(word.parameters, ", "))
end

--- The stock kinds of leases, undo entries and follow-ups: a list of { name, path, doc }.
function lua_words.kinds()
  local list = {}
  for _, file in ipairs(files.list(core.stdlib .. "/kinds")) do
    local name, path = file:gsub("%.lua$", ""):gsub("_", "-"), core.stdlib .. "/kinds/" .. file
    list[#list + 1] = { name = name, path = path, doc = (lua_words.about(lua_words.lines(path))) }
  end
  return list
end

return lua_words
