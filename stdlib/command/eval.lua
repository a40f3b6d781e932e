-- drover eval 'CODE' args...: runs Lua code and prints what it returns, one value a line.
-- Tested by tests/transcripts/eval.in and tests/stdlib/prelude_test.lua.
local core = require "drover.core"
local display = require "display"

-- An expression is code too: `drover eval '1 + 1'`.
local function load(code)
  -- Not "return CODE": the line of a tail call is lost to its errors.
  local expressions = code:match("^%s*return%s(.*)$") or code
  local text = "return (function(...) return ... end)(" .. expressions .. "\n)"
  local ok, chunk = core.pcall(core.load_source, text, "=eval")
  if ok then return chunk end
  local problem
  ok, problem = core.pcall(core.load_source, code, "=eval")
  if ok then return problem end
  problem.exit_code = 2  -- nothing was tried
  error(problem, 0)
end

return function(request)
  local chunk = load(request.code)
  core.closing(function()
    local results = table.pack(chunk(table.unpack(request.arguments)))
    for index = 1, results.n do
      print(request.json and json.encode(results[index]) or display.value(results[index]))
    end
  end)
end
