-- drover runs: the runs in the journal, newest first. Tested by tests/stdlib/command/runs_test.lua.
local history = require "history"
local layout = require "layout"
local screen = require "screen"
local units = require "units"

local most = 100

return function(request)
  local store <close> = history.existing_journal()
  local list = store and store:runs(most) or {}
  if request.json then
    for _, one in ipairs(list) do
      one.playbook_text = nil
      one.parameters, one.error = history.decoded(one.parameters), one.error ~= "" and history.decoded(one.error) or nil
    end
    print(json.encode(json.array(list)))
    return
  end
  if #list == 0 then
    screen.say("no runs yet")
    return
  end
  local view, rows, classes = screen.new(), { { "RUN", "OUTCOME", "TOOK", "PLAYBOOK", "ABOUT" } }, {}
  for index, one in ipairs(list) do
    local outcome, class = history.outcome(one)
    rows[index + 1] = { one.id, outcome,
      one.ended_ms > 0 and units.format_duration(one.ended_ms - one.started_ms) or "", one.playbook,
      history.about(history.decoded(one.parameters)) }
    classes[index + 1] = { word = outcome, class = class }
  end
  for index, line in ipairs(layout.columns(rows)) do
    local painted = classes[index]
    if not painted then
      io.write(view:paint("dim", line), "\n")
    else
      -- Coloured afterwards: a colour has no width.
      local from, to = line:find(painted.word, #rows[index][1] + 1, true)
      io.write(terminal.visible(line:sub(1, from - 1)), view:paint(painted.class, painted.word),
        terminal.visible(line:sub(to + 1)), "\n")
    end
  end
  local told = {}
  for _, one in ipairs(list) do
    local step = history.next_step(one, store:entries(one.id))
    local line = step and ("%s: %s"):format((history.outcome(one)), step)
    if line then told[#told + 1] = table.concat(layout.wrap(line, terminal.width(), "", "  "), "\n") end
  end
  if #told > 0 then screen.say("\n" .. table.concat(told, "\n")) end
  if #list == most then screen.say(("These are the newest %d."):format(most)) end
end
