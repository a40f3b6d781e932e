-- drover FILE.lua args...: runs a Lua file with its arguments in ... and in `arg`.
local core = require "drover.core"

return function(request)
  local file <close>, problem = io.open(request.file, "rb")
  if not file then
    errors.raise { domain = "usage", code = "NO_FILE", message = "cannot read " .. tostring(problem), where = false }
  end
  local chunk = core.load_source(file:read("a"), "@" .. request.file)
  arg = { [0] = request.file, table.unpack(request.rest) }
  local code = chunk(table.unpack(request.rest))
  return math.type(code) == "integer" and code or 0
end
