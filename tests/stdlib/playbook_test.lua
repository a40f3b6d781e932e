-- Shows where playbooks are found, what one must have, and that loading one touches nothing.
local test = require "test"
local playbook = require "playbook"
local fakes = test.load(..., "fakes")
local machine = require("native.host").local_machine()

local good = [[return playbook { name = "toy", summary = "A toy.", params = {}, run = function() end }]]

local function load(text) return playbook.load_text(text, "toy.lua") end

test.case("a good one gives its definition, text and name", function()
  local loaded = load(good)
  test.equal({ loaded.name, loaded.file, loaded.text, loaded.definition.summary }, { "toy", "toy.lua", good, "A toy." })
end)

for text, expected in pairs {
  ["return playbook { summary = 's', params = {}, run = print }"] = "toy.lua: field 'name' is missing",
  ["return playbook { name = 'x', summary = 's', params = {} }"] = "field 'run' is missing",
  ["return playbook { name = 'x', sumary = 's', params = {}, run = print }"] = "unknown field 'sumary'",
  ["return playbook { name = 5, summary = 's', params = {}, run = print }"] =
    "field 'name' must be a string, not a number",
  ["return playbook 'x'"] = "takes a table, not a string",
  ["return { name = 'x' }"] = "it does not return a playbook",
  ["return nil"] = "it does not return a playbook",
  ["return playbook { name = 'x', summary = 's', params = { { 'a' } }, run = print }"] =
    "parameter a: unknown type 'nil'",
} do
  test.case("refused: " .. text, function()
    local problem = test.raises("BAD_PLAYBOOK", load, text)
    test.is_true(problem.message:find(expected, 1, true), problem.message)
    test.is_true(problem.message:find("toy.lua", 1, true), problem.message)
  end)
end

test.case("a slip in a field's name has a hint", function()
  local problem = test.raises("BAD_PLAYBOOK", load, "return playbook { sumary = 's' }")
  test.equal(problem.hint, "did you mean 'summary'?")
end)

test.case("a syntax error and an error in the file name the line", function()
  test.matches(test.raises("SYNTAX", load, "return (").message, "toy.lua:1:")
  test.matches(tostring(test.raises("LUA_ERROR", load, "\nlocal x = nil + 1")), "toy.lua:2:")
end)

test.case("a playbook touches no host while it loads", function()
  for _, code in ipairs { "virt.connect 'test:///default'", "host.local_machine():exec { 'true' }", "async.sleep(1)",
    "journal.open()" } do
    local problem = test.raises("LUA_ERROR", load, code .. " " .. good)
    test.matches(problem.message, "the playbook toy.lua calls .* while it loads")
  end
  async.sleep(1)  -- and afterwards all is as before
end)

test.case("what a file sets globally stays its own", function()
  load("own_thing = 5 " .. good)
  test.is_nil(rawget(_G, "own_thing"))
end)

test.case("first found wins, what it overrides is told, and the nearest name is offered", function()
  local first <close> = fakes.folder()
  local second <close> = fakes.folder()
  local _ <close> = test.replace(playbook, { search_path = function(given)
    local folders = { { path = first.path, origin = "one" }, { path = second.path, origin = "two" } }
    if given then table.insert(folders, 1, { path = given, origin = "--playbooks" }) end
    return folders
  end })
  fakes.write(first.path .. "/toy.lua", good)
  fakes.write(second.path .. "/toy.lua", (good:gsub("A toy", "Another")))
  fakes.write(second.path .. "/other-thing.lua", (good:gsub('"toy"', '"thing"')))
  fakes.write(second.path .. "/.hidden.lua", good)
  fakes.write(second.path .. "/notes.txt", "no playbook")
  local list = playbook.list()
  test.equal(#list, 2)
  test.equal({ list[2].name, list[2].path, list[2].overrides },
    { "toy", first.path .. "/toy.lua", second.path .. "/toy.lua" })
  test.equal(playbook.load("toy").definition.summary, "A toy.")
  test.equal(playbook.load("toy", second.path).definition.summary, "Another.")
  test.equal(test.raises("NO_PLAYBOOK", playbook.load, "other-thng").hint, "did you mean 'other-thing'?")
  test.equal(test.raises("NO_PLAYBOOK", playbook.load, "other-thng").domain, "usage")
  test.raises("NO_PLAYBOOK", playbook.load, "./toy.lua")
  -- It would be run under one name, and be another in the list of the runs.
  test.matches(playbook.load("other-thing").warning, "other%-thing.lua: its name is 'thing', and its file says")
  test.equal({ playbook.load("toy").warning, playbook.load(second.path .. "/other-thing.lua").warning }, {})
end)

test.case("the search path: --playbooks, $DROVER_PLAYBOOKS, yours, this machine's, stock", function()
  local origins = {}
  for _, folder in ipairs(playbook.search_path("/tmp")) do origins[#origins + 1] = folder.origin end
  test.equal({ origins[1], origins[#origins - 1], origins[#origins] }, { "--playbooks", "this machine's", "stock" })
end)

test.case("as root, a file that others may write is refused", function()
  if machine:facts().user_id ~= 0 then return end
  local folder <close> = fakes.folder()
  local path = fakes.write(folder.path .. "/toy.lua", good)
  test.equal(playbook.load(path).name, "toy")
  machine:exec { "chmod", "666", path }
  test.raises("UNTRUSTED_FILE", playbook.load, path)
  machine:exec { "chmod", "644", path }
  machine:exec { "chmod", "777", folder.path }
  test.raises("UNTRUSTED_FILE", playbook.load, path)
end)
