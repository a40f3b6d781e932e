-- drover FILE.lua args...: runs a Lua file with its arguments in ... and in `arg`. Connections that it leaves open are
-- closed; an integer that it returns is the exit code.
-- Tested by tests/transcripts/eval.in and tests/stdlib/prelude_test.lua.
local core = require "drover.core"

local function read(path)
  local file, problem = io.open(path, "rb")
  local text
  if file then
    text, problem = file:read("a")
    file:close()
  end
  if text then return text end
  errors.raise { domain = "usage", code = "NO_FILE", message = "cannot read " .. tostring(problem), where = false }
end

return function(request)
  local ok, chunk = core.pcall(core.load_source, read(request.file), "@" .. request.file)
  if not ok then
    chunk.exit_code = 2  -- nothing was tried
    error(chunk, 0)
  end
  arg = { [0] = request.file, table.unpack(request.rest) }
  local code = core.closing(chunk, table.unpack(request.rest))
  if type(code) == "table" and require("playbook").is_playbook(code) then
    errors.raise { domain = "usage", code = "IS_PLAYBOOK", where = false,
      message = request.file .. " is a playbook, and a playbook is not run as a script",
      hint = "drover run " .. request.file }
  end
  return math.type(code) == "integer" and code or 0
end
