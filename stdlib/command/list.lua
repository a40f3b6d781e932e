-- drover list: the playbooks, where each comes from, and what it overrides. Tested by tests/transcripts/playbooks.in.
local core = require "drover.core"
local playbook = require "playbook"
local screen = require "screen"

return function(request)
  local rows = {}
  for _, entry in ipairs(playbook.list(request.playbooks)) do
    local ok, loaded = core.pcall(playbook.load_entry, entry)
    rows[#rows + 1] = { name = entry.name, origin = entry.origin, path = entry.path, overrides = entry.overrides,
      summary = ok and loaded.definition.summary or nil, error = not ok and errors.message(loaded) or nil,
      warning = ok and loaded.warning or nil }
  end
  if request.json then
    print(json.encode(json.array(rows)))
    return
  end
  local widest = 4
  for _, row in ipairs(rows) do widest = math.max(widest, #row.name) end
  for _, row in ipairs(rows) do
    screen.say(("%-" .. widest .. "s  %s"):format(row.name, row.summary or "cannot be loaded: " .. row.error))
    if row.warning then screen.say((" "):rep(widest) .. "  warning: " .. row.warning) end
    if row.origin ~= "stock" then
      screen.say((" "):rep(widest) .. ("  %s: %s%s"):format(row.origin, row.path,
        row.overrides and ", instead of " .. row.overrides or ""))
    end
  end
  if #rows == 0 then screen.say("no playbooks found") end
end
