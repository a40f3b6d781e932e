-- drover recover [RUN]: finishes what dead runs left. Doing it again changes nothing more.
-- Tested by tests/stdlib/recovery_test.lua and tests/transcripts/run.in.
local journal = require "journal"
local recovery = require "recovery"
local screen = require "screen"

-- The one run that was asked for; raises when there is nothing to recover of it.
local function asked_for(store, id)
  local one = store:find_run(id)
  if not one then
    errors.raise { domain = "usage", code = "NO_RUN", where = false, message = "there is no run " .. id,
      hint = "'drover runs' lists them" }
  end
  if one.alive then
    errors.raise { code = "RUN_ALIVE", where = false, object = one.id,
      message = one.here and ("run %s is at work (process %d)"):format(one.id, one.pid)
        or ("run %s belongs to another machine"):format(one.id),
      hint = one.here and ("kill -INT %d stops it, and it undoes what it did"):format(one.pid)
        or "recover it there" }
  end
  if one.kept then
    errors.raise { domain = "usage", code = "RUN_KEPT", where = false, object = one.id,
      message = ("run %s was kept on purpose"):format(one.id), hint = "take it back with: drover undo " .. one.id }
  end
  return (recovery.is_dead(one) or one.state == "needs_operator") and { one } or {}
end

return function(request)
  local view = screen.new(request.json and "json" or nil)
  local store <close> = journal.open()
  local list = request.run ~= "" and asked_for(store, request.run) or request.run == "" and recovery.unfinished(store)
  local count, problems, not_done = recovery.finish_each(store, list or {}, view)
  view:summary(#problems > 0 and recovery.left_over(#problems)
    or count == 0 and "There is nothing to recover."
    or recovery.ended_well(count == 1 and "1 run recovered" or ("%d runs recovered"):format(count), not_done),
    {}, #problems > 0 and "bad" or not_done > 0 and "warn" or "good")
  return #problems == 0 and 0 or 3
end
