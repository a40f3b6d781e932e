-- Shows the journal as scripts see it: names of fields, what is refused before the database, waiting, closing. What the
-- database keeps through crashes and damage is shown by store_test.cpp.
local test = require "test"
local fakes = test.load((...):gsub("bindings/journal/", "stdlib/"), "fakes")

-- Runs body(store, path) on a journal of its own.
local function with_journal(body)
  local folder <close> = fakes.folder()
  local path = folder.path .. "/state/journal.db"
  local store <close> = journal.open { path = path }
  body(store, path)
end

local function begin(store, id, more)
  local fields = { id = id, playbook = "toy", playbook_file = "/toy.lua", playbook_text = "return 1",
    parameters = json.encode { a = 1 } }
  for name, value in pairs(more or {}) do fields[name] = value end
  store:begin_run(fields)
end

test.case("a run has the names that scripts use, and is alive while this process is", function()
  with_journal(function(store, path)
    test.equal(store:path(), path)
    begin(store, "20261121-000000-aaaa", { object = "uuid" })
    local one = store:find_run "20261121-000000-aaaa"
    test.equal({ one.playbook, one.playbook_file, one.playbook_text, one.parameters, one.object, one.state, one.error,
      one.kept, one.alive, one.here, one.ended_ms }, { "toy", "/toy.lua", "return 1", '{"a":1}', "uuid", "running", "",
      false, true, true, 0 })
    test.is_true(math.abs(one.started_ms - async.wall_ms()) < 60000, "milliseconds since 1970")
    store:end_run("20261121-000000-aaaa", "failed", '{"message":"m"}')
    one = store:find_run "2026"
    test.equal({ one.state, one.error, one.alive }, { "failed", '{"message":"m"}', false })
    test.is_true(one.ended_ms >= one.started_ms, "its end")
  end)
end)

test.case("the newest run comes first, as many as asked for", function()
  with_journal(function(store)
    for index = 1, 5 do
      begin(store, "run-" .. index)
      async.sleep(2)  -- what began in the same millisecond has no order
    end
    local ids = {}
    for index, one in ipairs(store:runs(3)) do ids[index] = one.id end
    test.equal(ids, { "run-5", "run-4", "run-3" })
    test.equal(#store:runs(), 5)
    test.raises("BAD_ARGUMENT", store.runs, store, 0)
  end)
end)

test.case("find_run is nil for what is not there, and an error for what could be several", function()
  with_journal(function(store)
    begin(store, "run-1")
    begin(store, "run-2")
    test.is_nil(store:find_run "other")
    test.equal(store:find_run("run-2").id, "run-2")
    local problem = test.raises("AMBIGUOUS_RUN", store.find_run, store, "run-")
    test.matches(problem.message, "run%-")
  end)
end)

test.case("entries are numbered in order and keep their state, result and error", function()
  with_journal(function(store)
    begin(store, "one")
    test.equal(store:add_intent("one", { type = "lease", kind = "toy", label = "first", arguments = '{"x":1}' }), 1)
    test.equal(store:add_intent("one", { type = "undo", kind = "toy", label = "second", arguments = "{}" }), 2)
    store:mark_entry("one", 1, "done", '{"r":1}')
    store:mark_entry("one", 1, "failed", nil, "why")
    local list = store:entries "one"
    test.equal({ list[1].sequence, list[1].type, list[1].kind, list[1].label, list[1].arguments, list[1].result,
      list[1].state, list[1].error }, { 1, "lease", "toy", "first", '{"x":1}', '{"r":1}', "failed", "why" })
    test.is_true(list[1].updated_ms >= list[1].created_ms and list[1].created_ms > 0)
    store:commit_run "one"
    list = store:entries "one"
    test.equal({ list[1].state, list[2].state }, { "failed", "ended" })
    test.equal(store:entries "none", {})
  end)
end)

test.case("events come back in order, with their time", function()
  with_journal(function(store)
    begin(store, "one")
    for _, name in ipairs { "a", "b", "c" } do store:add_event("one", "step", json.encode { step = name }) end
    local seen = {}
    for index, event in ipairs(store:events "one") do
      seen[index] = event.type .. json.decode(event.data).step
      test.is_true(event.at_ms > 1700000000000)
    end
    test.equal(seen, { "stepa", "stepb", "stepc" })
  end)
end)

test.case("an object belongs to one unfinished run", function()
  with_journal(function(store)
    begin(store, "one")
    begin(store, "two")
    test.is_nil(store:claim_object("one", "uuid"))
    test.equal(store:claim_object("two", "uuid"), "one")
    test.equal({ store:find_holder "uuid", store:find_holder "another" }, { "one", nil })
    store:end_run("one", "done")
    test.is_nil(store:claim_object("two", "uuid"))
  end)
end)

test.case("a run that needs an operator or was kept is adopted, one that is over is not", function()
  with_journal(function(store)
    begin(store, "one")
    store:end_run("one", "needs_operator")
    store:set_run_kept("one", true)
    test.equal(store:find_run("one").kept, true)
    test.equal(store:adopt_run "one", true)
    store:end_run("one", "done")
    test.equal(store:adopt_run "one", true)
    store:set_run_kept("one", false)
    test.equal(store:adopt_run "one", false)
  end)
end)

test.case("what has no meaning is refused before it reaches the database", function()
  with_journal(function(store)
    test.raises("BAD_ARGUMENT", store.begin_run, store, {})
    test.raises("UNKNOWN_OPTION", store.begin_run, store, { id = "one", playbok = "toy" })
    begin(store, "one")
    test.raises("BAD_ARGUMENT", store.end_run, store, "one", "finished")
    test.raises("BAD_ARGUMENT", store.add_intent, store, "one", { type = "leese" })
    test.raises("BAD_ARGUMENT", store.mark_entry, store, "one", 0, "done")
    test.raises("BAD_ARGUMENT", store.mark_entry, store, "one", 1, "over")
    test.equal({ store:find_run("one").state, #store:entries "one" }, { "running", 0 })
  end)
end)

test.case("tasks write at once and wait only for their own", function()
  with_journal(function(store)
    begin(store, "one")
    local list = {}
    for index = 1, 20 do list[index] = index end
    async.parallel(list, 20, function(index) store:add_event("one", "step", tostring(index)) end)
    test.equal(#store:events "one", 20)
  end)
end)

test.case("a closed journal says so, and what cannot be opened is JOURNAL_UNUSABLE with its place", function()
  with_journal(function(store)
    store:close()
    test.equal(test.raises("CLOSED", store.runs, store).domain, "journal")
    test.raises("CLOSED", store.path, store)
    store:close()
  end)
  local folder <close> = fakes.folder()
  fakes.write(folder.path .. "/journal.db", ("no database "):rep(1000))
  local problem = test.raises("JOURNAL_UNUSABLE", journal.open, { path = folder.path .. "/journal.db" })
  test.matches(tostring(problem), "journal%.db")
end)

test.case("its folder is DROVER_STATE, then root's or the person's", function()
  local machine = require("native.host").local_machine()
  local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")
  local function folder(...)
    return (machine:query({ "env", "-u", "DROVER_STATE", "-u", "XDG_STATE_HOME", ..., drover, "eval",
      "journal.folder()" }).output:gsub("\n", ""))
  end
  test.equal(folder "DROVER_STATE=/some/where", "/some/where")
  local is_root = machine:query({ "id", "-u" }).output == "0\n"
  test.equal(folder "HOME=/home/me", is_root and "/var/lib/drover" or "/home/me/.local/state/drover")
end)
