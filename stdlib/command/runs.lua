-- drover runs: the runs in the journal, newest first.
local journal = require "journal"
local units = require "units"

return function(request)
  local store = journal.open()
  local list = store:runs(100)
  if request.json then
    for _, one in ipairs(list) do
      one.playbook_text = nil
      one.parameters = json.decode(one.parameters)
      one.error = one.error ~= "" and json.decode(one.error) or nil
    end
    print(json.encode(json.array(list)))
    return
  end
  if #list == 0 then print("no runs yet") end
  for _, one in ipairs(list) do
    local state = one.state == "running" and not one.alive and "dead" or one.state
    local took = one.ended_ms > 0 and units.format_duration(one.ended_ms - one.started_ms) or ""
    print(("%s  %-14s  %-20s  %s"):format(one.id, state, one.playbook, took))
  end
end
