-- drover undo RUN: takes back what a run kept on purpose (run --keep-on-failure).
-- Tested by tests/stdlib/recovery_test.lua.
local history = require "history"
local recovery = require "recovery"
local screen = require "screen"

local function refuse(code, one, message, hint)
  errors.raise { domain = "usage", code = code, where = false, object = one and one.id, message = message, hint = hint }
end

return function(request)
  local view = screen.new(request.json and "json" or nil)
  local store <close> = history.existing_journal()
  local one = store and store:find_run(request.run)
  if not one then refuse("NO_RUN", nil, "there is no run " .. request.run, "'drover runs' lists them") end
  if one.alive then refuse("RUN_ALIVE", one, ("run %s is at work"):format(one.id), "wait for it, or stop it") end
  if not one.kept then
    refuse("NOT_KEPT", one, ("run %s (%s) kept nothing"):format(one.id, one.state),
      (recovery.is_dead(one) or one.state == "needs_operator") and "finish it with: drover recover " .. one.id
        or "'drover report " .. one.id .. "' shows what it took back")
  end
  local problems, left = recovery.finish(store, one, view, { state = "undone" })
  if not problems then refuse("RUN_ALIVE", one, "another drover is at work on run " .. one.id, "wait for it") end
  if #problems == 0 then store:set_run_kept(one.id, false) end
  if #problems > 0 then
    view:summary(recovery.left_over(#problems), {}, "bad")
  else
    local sentence, class = recovery.ended_well(("run %s is undone"):format(one.id), left)
    view:summary(sentence, {}, class)
  end
  return #problems == 0 and 0 or 3
end
