-- drover show PLAYBOOK (and run PLAYBOOK --help): purpose, parameters, examples. Touches no host.
-- Tested by tests/transcripts/playbooks.in.
local layout = require "layout"
local params = require "params"
local playbook = require "playbook"

return function(request)
  local loaded = playbook.load(request.playbook, request.playbooks)
  local definition = loaded.definition
  if request.json then
    local list = {}
    for index, declaration in ipairs(definition.params) do
      list[index] = { name = declaration[1], type = declaration[2], doc = declaration.doc,
        default = declaration.default, choices = declaration.choices,
        required = declaration.default == nil and declaration.required ~= false }
    end
    print(json.encode { name = loaded.name, summary = definition.summary, file = loaded.file,
      description = definition.description, examples = definition.examples, params = json.array(list) })
    return
  end
  print(loaded.name .. ": " .. definition.summary)
  if definition.description then
    print("\n" .. table.concat(layout.flow(definition.description, terminal.width()), "\n"))
  end
  print("\nParameters:")
  print(table.concat(params.help(definition.params, terminal.width()), "\n"))
  if definition.examples then
    print("\nExamples:")
    for _, example in ipairs(definition.examples) do print("  " .. example) end
  end
  print("\nRead it: " .. loaded.file)
end
