-- drover recover [RUN]: finishes what dead runs left. Doing it again changes nothing more.
local journal = require "journal"
local recovery = require "recovery"
local screen = require "screen"

return function(request)
  local view = screen.new(request.json and "json" or nil)
  local store = journal.open()
  local problems, count = {}, 0
  for _, dead in ipairs(recovery.unfinished(store)) do
    local wanted = request.run == "" or dead.id:sub(1, #request.run) == request.run
    if wanted and (dead.state ~= "running" or store:adopt_run(dead.id)) then
      count = count + 1
      view:title("recovering run " .. dead.id, dead.playbook)
      for _, problem in ipairs(recovery.finish(store, dead, view)) do problems[#problems + 1] = problem end
    end
  end
  if request.run ~= "" and count == 0 then
    local known = store:find_run(request.run)
    if not known then
      errors.raise { domain = "usage", code = "NO_RUN", where = false, message = "there is no run " .. request.run,
        hint = "'drover runs' lists them" }
    end
  end
  view:summary(#problems == 0 and ("%d run(s) recovered, nothing is left."):format(count)
    or ("%d thing(s) need an operator, see above."):format(#problems), {}, #problems == 0 and "good" or "bad")
  return #problems == 0 and 0 or 3
end
