--- Sizes and durations as people write them. Sizes are bytes, durations are milliseconds, both integers.
-- Tested by tests/stdlib/units_test.lua.
local units = {}

local size_factors = {
  [""] = 1, B = 1, K = 1 << 10, M = 1 << 20, G = 1 << 30, T = 1 << 40,
  KiB = 1 << 10, MiB = 1 << 20, GiB = 1 << 30, TiB = 1 << 40,
  kB = 1000, KB = 1000, MB = 1000000, GB = 1000000000, TB = 1000000000000,
}

local duration_factors = { ms = 1, s = 1000, m = 60000, min = 60000, h = 3600000, d = 86400000 }

-- A thousand years: more is a slip of the keyboard, and would wrap around somewhere.
local longest_ms = 1000 * 366 * 86400000

local function fail(what, text, example)
  require("errors").raise { domain = "lua", code = "BAD_ARGUMENT",
    message = ("'%s' is not a %s"):format(tostring(text), what), hint = "write it like " .. example }
end

-- The nearest integer; nil when it is above all integers. Integers are not multiplied: they would wrap around.
local function scaled(number, factor)
  local value = tonumber(number) * (factor + 0.0)
  if value < 2^53 then return math.floor(value + 0.5) end
  return math.tointeger(value)
end

--- Bytes of "12GiB", "500M", "1.5GB" or of an integer.
function units.size_bytes(text)
  if math.type(text) == "integer" and text >= 0 then return text end
  local number, unit = tostring(text):match("^(%d+%.?%d*)%s*(%a*)$")
  local factor = unit and size_factors[unit]
  local bytes = factor and scaled(number, factor)
  if type(text) ~= "string" or not bytes then fail("size", text, "12GiB, 500MiB or 1048576") end
  return bytes
end

--- Milliseconds of "30m", "1h30m", "500ms" or of an integer of milliseconds.
function units.duration_ms(text)
  if math.type(text) == "integer" and text >= 0 then return text end
  if type(text) ~= "string" or text == "" then fail("duration", text, "30s, 5m or 1h30m") end
  local total, rest = 0, text
  while rest ~= "" do
    local number, unit, after = rest:match("^(%d+%.?%d*)(%a+)(.*)$")
    local factor = unit and duration_factors[unit]
    local part_ms = factor and scaled(number, factor)
    if not part_ms or part_ms > longest_ms - total then fail("duration", text, "30s, 5m or 1h30m") end
    total = total + part_ms
    rest = after
  end
  return total
end

--- A size as a person reads it: "1.7 GiB".
function units.format_size(bytes)
  local names = { "B", "KiB", "MiB", "GiB", "TiB" }
  local value, index = bytes, 1
  while value >= 1024 and index < #names do
    value = value / 1024
    index = index + 1
  end
  local digits = (index == 1 or value >= 100) and "%.0f %s" or "%.1f %s"
  return digits:format(value, names[index])
end

--- A duration as a person reads it: "850 ms", "1.7 s", "2m05s", "3h10m".
function units.format_duration(duration_ms)
  if duration_ms < 1000 then return ("%d ms"):format(duration_ms) end
  if duration_ms < 59950 then return ("%.1f s"):format(duration_ms / 1000) end
  local seconds = math.max(60, duration_ms // 1000)
  if seconds < 3600 then return ("%dm%02ds"):format(seconds // 60, seconds % 60) end
  return ("%dh%02dm"):format(seconds // 3600, seconds % 3600 // 60)
end

return units
