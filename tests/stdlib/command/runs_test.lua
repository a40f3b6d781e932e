-- Shows the list of runs: what it says of each for a person, and the same as data.
local test = require "test"
local fakes = test.load((...):gsub("command/", ""), "fakes")
local machine = require("native.host").local_machine()
local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")

-- What `drover runs` says of the runs that fill(store) wrote.
local function runs(fill, ...)
  local folder <close> = fakes.folder()
  local store <close> = journal.open { path = folder.path .. "/journal.db" }
  fill(store)
  return machine:exec { drover, "runs", check = false, environment = { DROVER_STATE = folder.path }, ... }
end

local function begin(store, id, parameters)
  store:begin_run { id = id, playbook = "live-migrate", playbook_text = "return 1", parameters = parameters or "{}" }
  async.sleep(2)
end

test.case("a line a run, newest first: outcome in words, how long it took, what it was about", function()
  local result = runs(function(store)
    begin(store, "20261121-000001-aaaaaa", '{"domain":"web1","from":"kvm1","to":"kvm2"}')
    store:end_run("20261121-000001-aaaaaa", "done")
    begin(store, "20261121-000002-bbbbbb", '{"domain":"mail","to":"kvm2"}')
    store:end_run("20261121-000002-bbbbbb", "needs_operator", "{}")
    begin(store, "20261121-000003-cccccc")
  end)
  test.equal({ result.exit_code, result.errors }, { 0, "" })
  local lines = {}
  for line in result.output:gmatch("[^\n]+") do
    lines[#lines + 1] = line:gsub("%d+ ms", "N ms"):gsub(" +", " ")
  end
  test.equal(lines, { "RUN OUTCOME TOOK PLAYBOOK ABOUT", "20261121-000003-cccccc at work live-migrate",
    "20261121-000002-bbbbbb needs an operator N ms live-migrate mail kvm2",
    "20261121-000001-aaaaaa done N ms live-migrate web1 kvm1 -> kvm2",
    "needs an operator: once that is settled: drover recover 20261121-000002-bbbbbb" })
  local columns = {}
  for line in result.output:gmatch("[^\n]+") do
    columns[#columns + 1] = line:find("PLAYBOOK", 1, true) or line:find("live-migrate", 1, true)
  end
  test.equal(columns, { columns[1], columns[1], columns[1], columns[1] })
end)

test.case("as data: every run with its parameters and error, without the playbook's text", function()
  local result = runs(function(store)
    begin(store, "one", '{"domain":"web1"}')
    store:end_run("one", "failed", '{"message":"why"}')
    begin(store, "two", "torn")
  end, "--json")
  local list = json.decode(result.output)
  test.equal({ list[2].parameters, list[2].error, list[2].state, list[2].playbook_text },
    { { domain = "web1" }, { message = "why" }, "failed" })
  test.equal({ list[1].id, list[1].parameters, list[1].alive }, { "two", {}, true })
end)

test.case("no runs are none", function()
  test.equal(runs(function() end).output, "no runs yet\n")
  test.equal(runs(function() end, "--json").output, "[]\n")
end)
