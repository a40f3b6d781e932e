--- A call of a binding that changes something, in the words of a person: "run: touch /tmp/x" on kvm2. For the plan, and
-- for what a run did that nothing undoes.
-- Tested by tests/stdlib/plan_test.lua and tests/stdlib/run_test.lua.
local display = require "display"
local errors = require "errors"

local change = {}

--- Raises what a changing call meets that stands in no step: nobody would see it, and nothing could undo it.
function change.refuse_outside(name)
  errors.raise { code = "OUTSIDE_STEP",
    message = name .. " changes a host, and stands outside of a step, a lease or an undo",
    hint = 'put it into a step: ctx:step("what it does", function() ... end)' }
end

local longest_word, longest_text = 60, 160

-- Which object is changed, and on which host: "virt.Domain web1 on kvm2" is "web1" on kvm2.
local function whose(object)
  local machine = object:match("^host%.Machine (%S+)$")
  if machine then return "", machine end
  local class, what, where = object:match("^(%S+) (.*) on (%S+)$")
  -- What is asked of a connection or of a firewall says enough without it.
  if class == "virt.Connection" or class == "firewall.Firewall" then what = "" end
  if class then return what, where end
  return "", object ~= "" and not object:find(": 0x", 1, true) and object or nil
end

local function shortened(text, length) return #text > length and text:sub(1, length - 3) .. "..." or text end

-- A word as a shell would take it; a script that stands in one word by its first line.
local function shell_word(text)
  local first, more = tostring(text):match("^%s*([^\n]*)(.*)$")
  local word = shortened(first, longest_word) .. (more:find("%S") and not first:find("%.%.%.$") and "..." or "")
  if word:find("^[%w%-_./:=@%%+,]+$") then return word end
  return "'" .. word:gsub("'", [['\'']]) .. "'"
end

-- The words of { "touch", "/tmp/x", timeout_ms = 5 }, as they are typed.
local function command_line(request)
  if type(request) ~= "table" then return display.value(request) end
  local words = {}
  for _, word in ipairs(request) do words[#words + 1] = shell_word(word) end
  return shortened(table.concat(words, " "), longest_text)
end

-- Arguments that fit into the line, and the lines of those that do not. A password is nobody's to read.
local function shown(method, arguments)
  local words, lines = {}, {}
  for index = 1, arguments.n do
    local value = arguments[index]
    local text = method:find("password") and index > 1 and "***" or display.value(value)
    if #text > longest_word or text:find("\n") then
      for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
    elseif value ~= nil and text ~= "{}" then
      words[#words + 1] = text
    end
  end
  return words, #lines > 0 and lines or nil
end

--- What a call of the changing binding `name` does: { host = or nil, text =, lines = what will be written, or nil }.
-- Its arguments follow, for a method with the object first.
function change.describe(name, is_method, ...)
  local method = name:match("[^.]+$")
  local what, where = whose(is_method and tostring((...)) or "")
  local arguments = is_method and table.pack(select(2, ...)) or table.pack(...)
  if name == "host.Machine.exec" then return { host = where, text = "run: " .. command_line(arguments[1]) } end
  local words, lines = shown(method, arguments)
  local verb = method:gsub("_", " ")
  if what ~= "" then verb = verb .. (verb:find(" ") and " of " or " ") .. what end
  if #words > 0 then verb = verb .. (what ~= "" and ": " or " ") .. table.concat(words, ", ") end
  return { host = where, text = verb, lines = lines }
end

--- The same as one line, without what is written: that may be a secret.
function change.sentence(name, is_method, ...)
  local first = name == "host.Machine.exec" and 2 or is_method and 1 or 0
  local path = is_method and select("#", ...) > 1 and select(2, ...)
  if type(path) == "string" and name:find("^host%.") then first = 2 end
  local arguments = table.pack(...)
  local one = change.describe(name, is_method, table.unpack(arguments, 1, math.min(first, arguments.n)))
  return one.text .. (one.host and " on " .. one.host or "")
end

return change
