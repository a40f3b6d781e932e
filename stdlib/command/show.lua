-- drover show PLAYBOOK (and run PLAYBOOK --help): purpose, parameters, examples. Touches no host.
-- Tested by tests/transcripts/playbooks.in.
local layout = require "layout"
local params = require "params"
local playbook = require "playbook"
local screen = require "screen"

return function(request)
  local loaded = playbook.load(request.playbook, request.playbooks)
  local definition = loaded.definition
  if request.json then
    local list = {}
    for index, declaration in ipairs(definition.params) do
      local default = declaration.default
      if declaration[2] == "list" and type(default) == "table" then default = json.array { table.unpack(default) } end
      list[index] = { name = declaration[1], type = declaration[2], doc = declaration.doc,
        default = default, choices = declaration.choices,
        required = declaration.default == nil and declaration.required ~= false }
    end
    print(json.encode { name = loaded.name, summary = definition.summary, file = loaded.file,
      description = definition.description, examples = definition.examples, params = json.array(list) })
    return
  end
  screen.say(loaded.name .. ": " .. definition.summary)
  if definition.description then
    screen.say("\n" .. table.concat(layout.flow(definition.description, terminal.width()), "\n"))
  end
  screen.say("\nParameters:")
  screen.say(table.concat(params.help(definition.params, terminal.width()), "\n"))
  if definition.examples then
    screen.say("\nExamples:")
    for _, example in ipairs(definition.examples) do screen.say("  " .. example) end
  end
  screen.say("\nRead it: " .. loaded.file)
end
