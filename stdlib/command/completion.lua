-- drover completion bash: prints the completion script of a shell, for eval or for a file of its own.
-- Installed systems have it as share/bash-completion/completions/drover. Tested by tests/transcripts/completion_test.
local core = require "drover.core"

local shells = { "bash" }

return function(request)
  local path = core.stdlib .. "/command/completion." .. request.shell
  local file <close> = request.shell:match("^%l+$") and io.open(path, "rb") or nil
  if not file then
    errors.raise { domain = "usage", code = "NO_SHELL", where = false,
      message = ("there is no completion for the shell '%s'"):format(request.shell),
      hint = "there is one for " .. table.concat(shells, ", ") }
  end
  io.stdout:write(file:read("a"))
end
