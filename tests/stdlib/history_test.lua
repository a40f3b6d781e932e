-- Shows the words for how a run ended, what it was about, and what became of each of its entries.
local test = require "test"
local history = require "history"

test.case("each way to end has a word, and a run that is not over is at work or died", function()
  local words = {}
  for index, state in ipairs { "done", "failed", "interrupted", "needs_operator", "recovered", "undone" } do
    words[index] = history.outcome { state = state }
  end
  test.equal(words, { "done", "failed", "interrupted", "needs an operator", "recovered", "undone" })
  test.equal(table.pack(history.outcome { state = "running", alive = true }), { "at work", "warn", n = 2 })
  test.equal(table.pack(history.outcome { state = "running", alive = false }), { "died", "bad", n = 2 })
  test.equal(table.pack(history.outcome { state = "failed", kept = true }), { "failed, kept", "warn", n = 2 })
  test.equal(table.pack(history.outcome { state = "a later version's" }), { "a later version's", "warn", n = 2 })
end)

test.case("what is not settled says what to do about it", function()
  test.equal({ history.next_step { id = "R", state = "needs_operator" },
    history.next_step { id = "R", state = "running", alive = false } },
    { "once that is settled: drover recover R", "finish it with: drover recover R" })
  test.matches(history.next_step { id = "R", state = "failed", kept = true }, "drover undo R$")
  for _, state in ipairs { "done", "failed", "recovered" } do test.is_nil(history.next_step { state = state }) end
  test.is_nil(history.next_step { state = "running", alive = true })
  -- A guest that drover was to start: whoever reads of the dead run must know that it stands still.
  local function dead(state, arguments)
    return history.next_step({ id = "R", state = "running", alive = false }, { { kind = "tunnel", state = "done" },
      { kind = "settle-domain", state = state, arguments = arguments } })
  end
  test.equal(dead("intent", '{"held":true}'),
    "finish it with: drover recover R; until then the guest may wait, paused, at the destination")
  for _, other in ipairs { dead("ended", '{"held":true}'), dead("intent", '{"before":"paused"}'),
    dead("intent", "torn") } do
    test.equal(other, "finish it with: drover recover R")
  end
end)

test.case("what a run was about comes from its parameters, as far as they tell", function()
  for _, row in ipairs {
    { { domain = "web1", from = "kvm1", to = "kvm2", port = 5 }, "web1 kvm1 -> kvm2" },
    { { domain = "web1", to = "kvm2" }, "web1 kvm2" },
    { { domains = { "a", "b" }, hosts = { "kvm1", "kvm2" } }, "a,b kvm1,kvm2" },
    { { domain = "web1", host = "kvm1" }, "web1 kvm1" },
    { { domain = "", from = 5, who = "x" }, "" },
    { {}, "" },
  } do test.equal(history.about(row[1]), row[2]) end
end)

test.case("an error is told with its host and its hint, and with all that stood in the way", function()
  test.equal(history.problem { message = "2 things", faults = {
    { message = "no pool", host = "kvm2", hint = "make it" }, { message = "kvm1 swaps", host = "kvm1" } } },
    { { "2 things" }, { "kvm2: no pool", hint = "make it" }, { "kvm1 swaps" } })
  test.equal(history.problem { host = 5, faults = { "torn" } }, { { "?" } })
end)

test.case("what is no JSON is nothing, not an error", function()
  test.equal({ history.decoded '{"a":1}', history.decoded "torn", history.decoded "", history.decoded "5" },
    { { a = 1 }, {}, {}, {} })
end)

local function lease(label, state, result)
  return { type = "lease", kind = "toy", label = label, state = state, result = result or "{}", error = "" }
end

local function undo(label, state)
  return { type = "undo", kind = "toy-undo", label = label, state = state, result = "" }
end

local function ended(kind, label, outcome)
  return { type = "ended", data = { kind = kind, label = label, outcome = outcome } }
end

local function words(run, entries, ...)
  local found = {}
  for index, row in ipairs(history.entries(run, entries, { ... })) do
    found[index] = row.word .. (row.text ~= row.entry.label and ": " .. row.text or "")
  end
  return found
end

local over, at_work = { state = "done" }, { state = "running", alive = true }

test.case("a lease was taken back, was gone already, or is still out", function()
  test.equal(words(over, { lease("a", "ended"), lease("b", "ended"), lease("c", "ended"), lease("d", "ended", ""),
    lease("e", "failed"), lease("f", "done"), lease("g", "intent", "") },
    ended("toy", "b", "absent"), ended("toy", "a", "revoked")),
    { "taken back", "gone already", "taken back", "not made", "NOT taken back", "OUT", "OUT, perhaps" })
  test.equal(words(at_work, { lease("f", "done"), lease("g", "intent", "") }), { "in use", "in use" })
end)

test.case("an undo was not needed, or says what it did", function()
  test.equal(words(over, { undo("delete x", "ended") }), { "not needed" })
  test.equal(words(over, { undo("delete x", "ended"), undo("settle", "ended"), undo("c", "ended"), undo("d", "failed"),
    undo("e", "done"), undo("f", "ended") }, ended("toy-undo", "c", "absent"),
    ended("toy-undo", "settle", "it stayed on kvm1"), ended("toy-undo", "delete x", "deleted x on kvm2"),
    ended("toy-undo", "f", "undone")),
    { "done: deleted x on kvm2", "done: it stayed on kvm1", "nothing to undo", "NOT undone", "OPEN", "undone" })
  test.equal(words(at_work, { undo("delete x", "intent") }), { "if it fails" })
end)

test.case("a follow-up was not needed, was done, or is not done", function()
  local function follow_up(label, state)
    local one = undo(label, state)
    one.type = "follow_up"
    return one
  end
  test.equal(words(over, { follow_up("a", "ended"), follow_up("b", "ended"), follow_up("c", "ended"),
    follow_up("d", "ended"), follow_up("e", "due"), follow_up("f", "failed") },
    ended("toy-undo", "b", "done"), ended("toy-undo", "c", "kvm2 starts it at boot now"),
    ended("toy-undo", "d", "not done: look at it")),
    { "not needed", "done", "done: kvm2 starts it at boot now", "NOT done: look at it", "OPEN", "NOT done" })
  test.equal(words(at_work, { follow_up("a", "intent") }), { "if it is cut short" })
end)

test.case("of two that look the same each has its own end, and a try that failed is not the end", function()
  test.equal(words(over, { lease("a", "ended"), lease("a", "ended") }, ended("toy", "a", "absent"),
    ended("toy", "a", "revoked")), { "taken back", "gone already" })
  test.equal(words(over, { lease("a", "ended") }, ended("toy", "a", nil), ended("toy", "a", "revoked")),
    { "taken back" })
end)

test.case("what was kept on purpose is worth a look", function()
  local row = history.entries(over, { undo("delete x", "ended") },
    { ended("toy-undo", "delete x", "kept x on kvm2: it is not the file that this run made") })[1]
  test.equal({ row.word, row.text, row.class },
    { "kept", "kept x on kvm2: it is not the file that this run made", "warn" })
end)
