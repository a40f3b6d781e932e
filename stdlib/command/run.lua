-- drover run PLAYBOOK --param value ... [--plan] [--keep-on-failure] [--json] [-v]
-- Tested by tests/transcripts/run.in.
local params = require "params"
local playbook = require "playbook"
local run = require "run"
local screen = require "screen"
local units = require "units"

-- Options of the command itself that may stand among the playbook's parameters.
local own_flags = { ["--plan"] = "plan", ["--json"] = "json", ["-v"] = "verbose", ["--verbose"] = "verbose",
  ["--help"] = "help", ["-h"] = "help", ["--keep-on-failure"] = "keep_on_failure" }

local only_of_run = { plan = true, keep_on_failure = true }

local function split(request)
  local options, words = {}, {}
  for _, name in ipairs { "json", "verbose", "playbooks", "plan", "keep_on_failure" } do
    options[name] = request[name]
  end
  local index = 1
  while index <= #request.rest do
    local word = request.rest[index]
    if own_flags[word] then
      options[own_flags[word]] = true
      if request.only_check and only_of_run[own_flags[word]] then
        errors.raise { domain = "usage", code = "UNKNOWN_PARAMETER", where = false,
          message = ("check has no '%s': it changes nothing"):format(word),
          hint = ("drover run %s %s"):format(request.playbook, word) }
      end
    elseif word == "--playbooks" or word:find("^%-%-playbooks=") then
      if word == "--playbooks" then index = index + 1 end
      options.playbooks = word:match("=(.*)$") or request.rest[index]
      if not options.playbooks then
        errors.raise { domain = "usage", code = "MISSING_VALUE", where = false, message = "--playbooks needs a folder" }
      end
    else
      words[#words + 1] = word
    end
    index = index + 1
  end
  return options, words
end

local function takes_hosts(declarations)
  for _, declaration in ipairs(declarations) do
    if declaration[2] == "host" or declaration.of == "host" then return true end
  end
  return false
end

local function show_plan(plan, warnings, options)
  if options.json then
    local data = plan:data()
    data.event, data.warnings = "plan", json.array(warnings)
    print(json.encode(data))
  else
    screen.say(table.concat(plan:text(terminal.width()), "\n"))
  end
end

return function(request)
  local options, words = split(request)
  local loaded = playbook.load(request.playbook, options.playbooks)
  if options.help then return require("command.show") { playbook = request.playbook, playbooks = options.playbooks } end
  local values = params.parse(loaded.definition.params, words, loaded.name)
  -- What is wrong with the inventory is told before there is a run.
  if takes_hosts(loaded.definition.params) then inventory.path() end
  require("show_error").configure(options)
  options.screen = screen.new(options.json and "json" or nil)
  -- For a program the plan is one document, its warnings inside.
  if options.plan and options.json then options.screen.event = function() end end
  if loaded.warning then options.screen:warning(loaded.warning) end
  if request.only_check then
    run.check(loaded, values, options)
    if loaded.definition.check then
      options.screen:summary("Nothing stands in the way.", {})
    else
      options.screen:summary(loaded.name .. " has no checks: nothing was looked at.", {}, "warn")
    end
    return 0
  end
  if options.plan then
    local plan, warnings = run.plan(loaded, values, options)
    if loaded.warning then table.insert(warnings, 1, { message = loaded.warning }) end
    show_plan(plan, warnings, options)
    return 0
  end
  require("recovery").finish_dead_runs(options.screen)
  local started_ms = async.monotonic_ms()
  local ctx = run.execute(loaded, values, options)
  ctx:report("run", ctx.run_id)
  options.screen:summary(("%s: done in %s."):format(loaded.name,
    units.format_duration(async.monotonic_ms() - started_ms)), ctx.rows)
  return 0
end
