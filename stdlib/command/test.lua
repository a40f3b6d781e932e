-- drover test FILE...: runs Lua test files (stdlib/test.lua), prints failures and one summary.
-- Tested by tests/stdlib/test_test.lua.
local core = require "drover.core"
local test = require "test"

return function(request)
  local passed, failed = 0, 0
  for _, path in ipairs(request.files) do
    local file <close>, reason = io.open(path, "rb")
    if not file then
      errors.raise { domain = "usage", code = "NO_FILE", where = false, message = "cannot read " .. reason }
    end
    core.load_source(file:read("a"), "@" .. path)(path)
    local more_passed, more_failed = test.run(function(name, ok, problem, elapsed_ms)
      if not ok then
        print(("FAILED %s: %s\n  %s"):format(path, name, tostring(problem)))
        if request.verbose then print(problem.traceback) end
      elseif request.verbose then
        print(("ok %6d ms  %s"):format(elapsed_ms, name))
      end
    end, request.filter ~= "" and request.filter or nil)
    passed, failed = passed + more_passed, failed + more_failed
  end
  if request.json then
    print(json.encode { passed = passed, failed = failed })
  else
    print(("%d passed, %d failed"):format(passed, failed))
  end
  return (failed > 0 or passed == 0) and 1 or 0
end
