--- Constant shell scripts on a host, for what must happen in one step there. Values are positional arguments or input,
-- never part of the text. Tested by tests/stdlib/script_test.lua.
local script = {}

local function argv(text, arguments)
  local words = { "sh", "-c", text, "drover" }
  for _, value in ipairs(arguments) do words[#words + 1] = tostring(value) end
  return words
end

--- Runs a script that changes something. options: check = false to get a failure as a result, timeout_ms, input.
function script.run(one_host, text, arguments, options)
  local request = argv(text, arguments or {})
  for name, value in pairs(options or {}) do request[name] = value end
  return one_host:exec(request)
end

--- Runs a script that only reads; it also runs while planning.
function script.read(one_host, text, arguments, options)
  local request = argv(text, arguments or {})
  for name, value in pairs(options or {}) do request[name] = value end
  return one_host:query(request)
end

return script
