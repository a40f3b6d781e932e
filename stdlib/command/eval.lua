-- drover eval 'CODE' args...: runs Lua code and prints what it returns, one value a line.
local core = require "drover.core"

return function(request)
  -- An expression is code too: `drover eval '1 + 1'`.
  local ok, chunk = core.pcall(core.load_source, "return " .. request.code, "=eval")
  if not ok then chunk = core.load_source(request.code, "=eval") end
  local results = table.pack(chunk(table.unpack(request.arguments)))
  for index = 1, results.n do
    if request.json then
      print(json.encode(results[index]))
    else
      print(require("display").value(results[index]))
    end
  end
end
