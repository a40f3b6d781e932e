--- Values as a person reads them: strings as they are, tables by their fields in order, bounded in depth and length.
-- Tested by tests/stdlib/display_test.lua.
local display = {}

local function key_order(left, right)
  if type(left) == type(right) and (type(left) == "number" or type(left) == "string") then return left < right end
  return type(left) < type(right)
end

local function quoted(text) return ("%q"):format(text):gsub("\\\n", "\\n") end

local function render(value, depth, seen)
  if type(value) == "string" then return (quoted(value)) end
  if type(value) ~= "table" then return tostring(value) end
  local meta = getmetatable(value)
  if type(meta) == "table" and meta.__tostring then return tostring(value) end
  if seen[value] then return "<cycle>" end
  if depth > 6 then return "{...}" end
  seen[value] = true
  local parts, keys = {}, {}
  local length = #value
  for index = 1, math.min(length, 200) do parts[#parts + 1] = render(rawget(value, index), depth + 1, seen) end
  for key in next, value do
    if not (math.type(key) == "integer" and key >= 1 and key <= length) then keys[#keys + 1] = key end
  end
  table.sort(keys, key_order)
  for _, key in ipairs(keys) do
    local is_name = type(key) == "string" and key:match("^[%a_][%w_]*$")
    local name = is_name and key or "[" .. render(key, depth + 1, seen) .. "]"
    parts[#parts + 1] = name .. " = " .. render(rawget(value, key), depth + 1, seen)
  end
  seen[value] = nil
  local line = "{ " .. table.concat(parts, ", ") .. " }"
  if #parts == 0 then return "{}" end
  if #line <= 100 then return line end
  local indent = ("  "):rep(depth + 1)
  return "{\n" .. indent .. table.concat(parts, ",\n" .. indent) .. "\n" .. ("  "):rep(depth) .. "}"
end

--- Text of any value; a string at the top is itself.
function display.value(value)
  if type(value) == "string" then return value end
  return render(value, 0, {})
end

return display
