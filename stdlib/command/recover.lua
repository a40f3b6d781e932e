-- drover recover [RUN [--fenced HOST]... [--guest-on HOST]]: finishes what dead runs left. Doing it again changes
-- nothing more. With the options a person settles what no host will tell.
-- Tested by tests/stdlib/recovery_test.lua, tests/stdlib/recovery_operator_test.lua and tests/transcripts/run.in.
local core = require "drover.core"
local history = require "history"
local recovery = require "recovery"
local screen = require "screen"

-- The one run that was asked for; raises when there is nothing to recover of it.
local function asked_for(store, id)
  local one = store and store:find_run(id)
  if not one then
    errors.raise { domain = "usage", code = "NO_RUN", where = false, message = "there is no run " .. id,
      hint = "'drover runs' lists them" }
  end
  if one.alive then
    errors.raise { code = "RUN_ALIVE", where = false, object = one.id,
      message = one.here and ("run %s is at work (process %d)"):format(one.id, one.pid)
        or ("run %s belongs to another machine"):format(one.id),
      hint = one.here and ("kill %d stops it, and it takes back what it did"):format(one.pid)
        or "recover it there" }
  end
  if one.kept then
    errors.raise { domain = "usage", code = "RUN_KEPT", where = false, object = one.id,
      message = ("run %s was kept on purpose"):format(one.id), hint = "take it back with: drover undo " .. one.id }
  end
  return (recovery.is_dead(one) or one.state == "needs_operator") and { one } or {}
end

local function wrong_use(message, hint)
  errors.raise { domain = "usage", code = "BAD_OPTION", where = false, message = message, hint = hint }
end

-- What the operator vouches for, as recovery.finish wants it. Of one run: who has a domain, and what may be given up,
-- is a thing to look up for each.
local function word_of(request, store, list)
  if #request.fenced == 0 and request.guest_on == "" then return {} end
  local option = request.guest_on ~= "" and "--guest-on" or "--fenced"
  if request.run == "" then wrong_use(option .. " is about one run", "name it: 'drover runs' lists them") end
  if #list == 0 then return {} end
  local names = recovery.hosts_of(store, list[1])
  local function known(name, of)
    for _, one in ipairs(names) do
      if one == name then return name end
    end
    local near = core.nearest(name, names)
    wrong_use(("%s: the run has nothing to do with '%s'"):format(of, name),
      near and ("did you mean '%s'?"):format(near) or "its hosts are: " .. table.concat(names, ", "))
  end
  local fenced = {}
  for _, name in ipairs(request.fenced) do fenced[known(name, "--fenced")] = true end
  return { fenced = fenced, guest_on = request.guest_on ~= "" and known(request.guest_on, "--guest-on") or nil }
end

return function(request)
  local view = screen.new(request.json and "json" or nil)
  local store <close> = history.existing_journal()
  local list = request.run ~= "" and asked_for(store, request.run) or store and recovery.unfinished(store)
  local count, problems, left = recovery.finish_each(store, list or {}, view,
    word_of(request, store, list or {}))
  if #problems > 0 then
    view:summary(recovery.left_over(#problems), {}, "bad")
  elseif count == 0 then
    view:summary("There is nothing to recover.", {})
  else
    local sentence, class = recovery.ended_well(count == 1 and "1 run recovered" or count .. " runs recovered", left)
    view:summary(sentence, {}, class)
  end
  return #problems == 0 and 0 or 3
end
