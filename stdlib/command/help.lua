-- drover help TOPIC: what help(TOPIC) says in a script. Help for commands comes from host/cli/program.cpp.
-- Tested by tests/transcripts/help.in.
local core = require "drover.core"
local errors = require "errors"
local help = require "help"

return function(request)
  if request.json then
    errors.raise { domain = "usage", code = "NO_JSON", where = false, message = "help is for people: it has no --json" }
  end
  local ok, problem = core.pcall(help.show, request.topic)
  if ok then return 0 end
  if errors.is(problem, "NO_HELP") then
    problem.exit_code = 2  -- nothing was tried
    if problem.hint:find("help()", 1, true) then problem.hint = "all modules: drover eval 'help()'" end
  end
  error(problem, 0)
end
