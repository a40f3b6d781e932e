-- Shows the order of effects: intent, probe, act, verify, mark; and that ending goes on whatever fails.
local test = require "test"
local entries = require "entries"
local lease = require "lease"

-- A journal of tables that notes each call in `log`; fails = { method = true } raises from the first call on.
local function fake_store(log, fails)
  local store = { list = {}, fails = fails or {} }
  local function note(method, text)
    if store.fails[method] then
      errors.raise { domain = "journal", code = "JOURNAL_UNUSABLE", message = method .. " failed" }
    end
    log[#log + 1] = text
  end
  function store:add_intent(_, entry)
    note("add_intent", "intent " .. entry.label)
    self.list[#self.list + 1] = { sequence = #self.list + 1, type = entry.type, kind = entry.kind, label = entry.label,
      arguments = entry.arguments, result = "", state = "intent", error = "" }
    return #self.list
  end
  function store:mark_entry(_, sequence, state, result, problem)
    note("mark_entry", state .. " " .. self.list[sequence].label)
    local entry = self.list[sequence]
    entry.state, entry.result, entry.error = state, result or entry.result, problem or ""
  end
  function store:entries()
    note("entries", nil)
    return self.list
  end
  function store:commit_run()
    note("commit_run", "commit")
    for _, entry in ipairs(self.list) do
      if entry.type == "undo" then entry.state = "ended" end
      if entry.type == "follow_up" and entry.state ~= "ended" then entry.state = "due" end
    end
  end
  return store
end

-- A lease kind over a set of names; knobs change how it behaves.
local function toy(log, there, knobs)
  knobs = knobs or {}
  return lease.kind {
    name = "toy-lease", longest_end = knobs.longest_end, verified_by_grant = knobs.verified_by_grant,
    describe = function(a) return { text = a.name } end,
    probe = function(a)
      log[#log + 1] = "probe " .. a.name
      return knobs.probe and knobs.probe(a) or there[a.name] or "absent"
    end,
    grant = function(a, _, secret)
      log[#log + 1] = "grant " .. a.name
      if knobs.grant then knobs.grant(a, secret) end
      there[a.name] = "ours"
      return { made = a.name }
    end,
    revoke = function(a, _, result)
      log[#log + 1] = "revoke " .. a.name .. (result and result.made and " made" or "")
      if knobs.revoke then knobs.revoke(a) end
      there[a.name] = nil
    end,
  }
end

local function undo_kind(log, knobs)
  return lease.undo_kind { name = "toy-undo", describe = function(a) return { text = a.name } end,
    undo = function(a)
      log[#log + 1] = "undo " .. a.name
      return (knobs or {})[a.name] and knobs[a.name]() or nil
    end }
end

local function follow_up_kind(log, knobs)
  return lease.follow_up_kind { name = "toy-follow-up", describe = function(a) return { text = a.name } end,
    follow_up = function(a)
      log[#log + 1] = "follow up " .. a.name
      return (knobs or {})[a.name] and knobs[a.name]() or nil
    end }
end

local env = { run_id = "run" }
local function fresh() env.written = nil return {}, {} end
local function joined(log) return table.concat(log, ", ") end

test.case("a grant is written before it is made, probed, verified, and marked", function()
  local log, there = fresh()
  local result = entries.grant(fake_store(log), env, toy(log, there), { name = "a" }, "secret")
  test.equal(result, { made = "a" })
  test.equal(joined(log), "intent a, probe a, grant a, probe a, done a")
end)

test.case("what is there already is not granted, and never revoked", function()
  local log, there = fresh()
  there.a = "foreign"
  local store = fake_store(log)
  test.raises("NOT_OURS", entries.grant, store, env, toy(log, there), { name = "a" })
  test.equal(joined(log), "intent a, probe a, ended a")
  entries.finish_all(store, env, true, function() end)
  test.equal(there.a, "foreign")
end)

test.case("a journal that cannot be written stops the grant before its effect", function()
  local log, there = fresh()
  test.raises("JOURNAL_UNUSABLE", entries.grant, fake_store(log, { add_intent = true }), env, toy(log, there),
    { name = "a" })
  test.equal({ joined(log), there }, { "", {} })
end)

test.case("a grant that fails half way is found again by its probe", function()
  local log, there = fresh()
  local store = fake_store(log)
  local kind = toy(log, there, { grant = function(a)
    there[a.name] = "ours"
    errors.raise { code = "BROKEN", message = "half done" }
  end })
  test.raises("BROKEN", entries.grant, store, env, kind, { name = "a" })
  test.equal(store.list[1].state, "intent")
  test.equal(#entries.finish_all(store, env, true, function() end), 0)
  test.equal({ there.a, store.list[1].state }, { nil, "ended" })
end)

test.case("a grant that is not there afterwards is an error", function()
  local log, there = fresh()
  test.raises("NOT_VERIFIED", entries.grant, fake_store(log), env,
    toy(log, there, { probe = function() return "absent" end }), { name = "a" })
end)

test.case("a probe that answers nonsense is an error", function()
  local log, there = fresh()
  test.raises("BAD_KIND", entries.grant, fake_store(log), env, toy(log, there,
    { probe = function() return "maybe" end }),
    { name = "a" })
end)

test.case("a secret reaches the grant and nothing else", function()
  local log, there = fresh()
  local store, seen = fake_store(log), nil
  entries.grant(store, env, toy(log, there, { grant = function(_, secret) seen = secret end }), { name = "a" },
    "s3cret")
  test.equal(seen, "s3cret")
  test.is_true(not json.encode(store.list):find("s3cret"), "in the journal")
end)

test.case("leases end in reverse order with what their grant gave, and verified", function()
  local log, there = fresh()
  local store, kind = fake_store(log), toy(log, there)
  for _, name in ipairs { "a", "b" } do entries.grant(store, env, kind, { name = name }) end
  for index = #log, 1, -1 do log[index] = nil end
  test.equal(#entries.finish_all(store, env, false, function() end), 0)
  test.equal(joined(log), "probe b, revoke b made, probe b, ended b, probe a, revoke a made, probe a, ended a")
end)

test.case("one that fails does not stop the rest, and is tried again later", function()
  local log, there = fresh()
  local broken = true
  local store = fake_store(log)
  local kind = toy(log, there, { revoke = function(a)
    if a.name == "b" and broken then errors.raise { code = "BROKEN", message = "no answer" } end
  end })
  for _, name in ipairs { "a", "b", "c" } do entries.grant(store, env, kind, { name = name }) end
  local told = {}
  local problems = entries.finish_all(store, env, true, function(entry, outcome, problem)
    told[#told + 1] = entry.label .. "=" .. (outcome or problem.code)
  end)
  test.equal({ #problems, joined(told) }, { 1, "c=revoked, b=BROKEN, a=revoked" })
  test.equal({ store.list[2].state, store.list[2].error }, { "failed", "no answer" })
  broken = false
  test.equal(#entries.finish_all(store, env, true, function() end), 0)
  test.equal(there, {})
end)

test.case("one that is still there after its end is an error", function()
  local log, there = fresh()
  local store = fake_store(log)
  entries.grant(store, env, toy(log, there), { name = "a" })
  toy(log, there, { probe = function() return "ours" end })
  test.equal(entries.finish_all(store, env, true, function() end)[1].code, "NOT_REVOKED")
end)

test.case("ending has a time limit", function()
  local log, there = fresh()
  local store = fake_store(log)
  entries.grant(store, env, toy(log, there, { longest_end = "50ms", revoke = function() async.sleep "20s" end }),
    { name = "a" })
  local problems = entries.finish_all(store, env, true, function() end)
  test.equal(problems[1].code, "TIMEOUT")
  test.matches(problems[1].message, "^a took longer")
end)

test.case("undo entries run only when undoing, and never after a commit", function()
  local log = fresh()
  local store, kind = fake_store(log), undo_kind(log)
  entries.add(store, env, kind, { name = "u1" })
  entries.finish_all(store, env, false, function() end)
  test.equal(joined(log), "intent u1, ended u1")

  log = fresh()
  store, kind = fake_store(log), undo_kind(log)
  entries.add(store, env, kind, { name = "u1" })
  entries.commit(store, env)
  entries.add(store, env, kind, { name = "u2" })
  entries.finish_all(store, env, true, function() end)
  test.equal(joined(log), "intent u1, commit, intent u2, undo u2, ended u2")
end)

test.case("an undo that finds the work done makes the earlier ones void", function()
  local log, there = fresh()
  local store = fake_store(log)
  local kind = undo_kind(log)
  entries.add(store, env, kind, { name = "volume" })
  entries.grant(store, env, toy(log, there), { name = "lease" })
  lease.undo_kind { name = "settle", describe = function() return { text = "settle" } end,
    undo = function() return "moved", lease.stands end }
  entries.add(store, env, lease.find "settle", {})
  test.equal(#entries.finish_all(store, env, true, function() end), 0)
  test.is_true(not joined(log):find("undo volume"), joined(log))
  test.equal({ there.lease, store.list[1].state }, { nil, "ended" })
end)

-- What becomes of a follow-up: `before` is done between its registration and the end of the run.
local function follow_up(undoing, before)
  local log = fresh()
  local store = fake_store(log)
  entries.add(store, env, follow_up_kind(log), { name = "f" })
  before(store, log)
  entries.finish_all(store, env, undoing, function() end)
  return joined(log):find("follow up f", 1, true) ~= nil, store.list[1].state
end

local function settling(log, undo)
  log[#log + 1] = "settle"
  return lease.undo_kind { name = "settle", guards_earlier_undo = true, undo = undo,
    describe = function() return { text = "settle" } end }
end

test.case("a follow-up is done when the work stands and the run ended before its own steps did it", function()
  for _, row in ipairs {
    { "no commit: the work is undone", true, function() end, false, "ended" },
    { "committed, and failed later", true, function(store) entries.commit(store, env) end, true, "ended" },
    { "committed, and ended well: its steps did it", false, function(store) entries.commit(store, env) end, false,
      "ended" },
    { "an undo finds that the work stands", true, function(store, log)
      entries.add(store, env, settling(log, function() return "moved", lease.stands end), {})
    end, true, "ended" },
    { "it is not known whether the work stands", true, function(store, log)
      entries.add(store, env, settling(log, function() errors.raise { code = "X", message = "who has it?" } end), {})
    end, false, "intent" },
  } do
    test.equal({ row[1], follow_up(row[2], row[3]) }, { row[1], row[4], row[5] })
  end
end)

test.case("a follow-up that fails is tried again by the next recovery, though the undo before it is over", function()
  local log = fresh()
  local store, broken = fake_store(log), true
  entries.add(store, env, follow_up_kind(log, { f = function()
    if broken then errors.raise { code = "X", message = "the host is gone" } end
  end }), { name = "f" })
  entries.add(store, env, settling(log, function() return "moved", lease.stands end), {})
  test.equal({ #entries.finish_all(store, env, true, function() end), store.list[1].state }, { 1, "failed" })
  broken = false
  env.written = nil
  test.equal({ #entries.finish_all(store, env, true, function() end), store.list[1].state }, { 0, "ended" })
end)

test.case("the commit of work that stands is written before the undo that found it is marked", function()
  local log = fresh()
  local store = fake_store(log)
  entries.add(store, env, undo_kind(log), { name = "volume" })
  entries.add(store, env, settling(log, function() return "moved", lease.stands end), {})
  entries.finish_all(store, env, true, function() end)
  test.equal(joined(log), "intent volume, settle, intent settle, commit, ended settle")
end)

test.case("what ending came to is a sentence", function()
  local function sentence(type_name, outcome)
    return entries.sentence({ type = type_name, label = "the label" }, outcome)
  end
  test.equal({ sentence("lease", "revoked"), sentence("undo", "undone"), sentence("follow_up", "done"),
    sentence("undo", "deleted web.raw") }, { "taken back: the label", "undone: the label", "done: the label",
    "deleted web.raw" })
  test.is_nil(sentence("lease", "absent"))
  test.is_nil(sentence("undo", "absent"))
end)

test.case("what an undo guards is left open until the undo succeeds; leases are ended", function()
  local log, there = fresh()
  local store, broken = fake_store(log), true
  entries.add(store, env, undo_kind(log), { name = "volume" })
  entries.grant(store, env, toy(log, there), { name = "lease" })
  lease.undo_kind { name = "settle", guards_earlier_undo = true, describe = function() return { text = "settle" } end,
    undo = function() return broken and errors.raise { code = "NEEDS_OPERATOR", message = "who has it?" } or "ok" end }
  entries.add(store, env, lease.find "settle", {})
  test.equal(#entries.finish_all(store, env, true, function() end), 1)
  test.is_true(not joined(log):find("undo volume"), joined(log))
  test.equal({ there.lease, store.list[1].state, store.list[2].state }, { nil, "intent", "ended" })
  broken = false
  test.equal(#entries.finish_all(store, env, true, function() end), 0)
  test.is_true(joined(log):find("undo volume") ~= nil, joined(log))
end)

test.case("A8: what a running job needs stays while it runs", function()
  local log, there = fresh()
  local store = fake_store(log)
  entries.grant(store, env, toy(log, there), { name = "tunnel" })
  lease.undo_kind { name = "settle", describe = function() return { text = "settle" } end,
    undo = function() errors.raise { code = "NEEDS_OPERATOR", message = "a job runs", keep_rest = true } end }
  entries.add(store, env, lease.find "settle", {})
  test.equal(#entries.finish_all(store, env, true, function() end), 1)
  test.equal({ there.tunnel, store.list[1].state, store.list[2].state }, { "ours", "done", "failed" })
end)

test.case("marks that cannot be written leave no lease behind", function()
  local log, there = fresh()
  local store, kind = fake_store(log), toy(log, there)
  for _, name in ipairs { "a", "b" } do entries.grant(store, env, kind, { name = name }) end
  store.fails.mark_entry = true
  local problems, notes = entries.finish_all(store, env, true, function() end)
  test.equal({ #problems, #notes, there }, { 0, 2, {} })
end)

test.case("a journal that cannot even be read leaves no lease behind", function()
  local log, there = fresh()
  local store, kind = fake_store(log), toy(log, there)
  for _, name in ipairs { "a", "b" } do entries.grant(store, env, kind, { name = name }) end
  store.fails.entries, store.fails.mark_entry = true, true
  local problems, notes = entries.finish_all(store, env, true, function() end)
  test.equal({ #problems, there }, { 0, {} })
  test.is_true(#notes >= 1, "told")
end)

test.case("renew makes again what somebody dropped, and says so; the journal has the new result", function()
  local log, there = fresh()
  local store, kind = fake_store(log), toy(log, there)
  kind.renew = function(_, _, result) return not there.a and { was = result } or nil end
  entries.grant(store, env, kind, { name = "a" })
  test.equal(entries.renew(store, env), {})
  there.a = nil
  test.equal({ #entries.renew(store, env), log[#log] }, { 1, "done a" })
end)

test.case("a listener that fails stops nothing", function()
  local log, there = fresh()
  local store, kind = fake_store(log), toy(log, there)
  for _, name in ipairs { "a", "b" } do entries.grant(store, env, kind, { name = name }) end
  local problems, notes = entries.finish_all(store, env, true, function() error("screen is gone") end)
  test.equal({ #problems, #notes, there }, { 0, 2, {} })
end)

test.case("kinds: missing fields, unknown names, stock ones", function()
  test.raises("BAD_KIND", lease.kind, { name = "x", describe = print })
  test.raises("BAD_KIND", lease.undo_kind, { name = "x" })
  test.matches(test.raises("BAD_KIND", lease.follow_up_kind, { name = "x" }).message, "the kind 'x' has no describe$")
  test.matches(test.raises("BAD_KIND", lease.kind, {}).message, "^lease.kind { ... }: a kind has no name$")
  test.matches(test.raises("BAD_KIND", lease.kind, "x").message, "takes a table, not a string$")
  test.equal(test.raises("NO_KIND", lease.find, "toy-laese").hint, "did you mean 'toy-lease'?")
  for _, file in ipairs(require("files").list(require("drover.core").stdlib .. "/kinds")) do
    local name = file:gsub("%.lua$", ""):gsub("_", "-")
    test.equal(lease.find(name).name, name)
  end
end)

test.case("the kinds of another run do not stay", function()
  local log, there = fresh()
  local own = toy(log, there)
  lease.apart(function()
    test.is_true(lease.find("tunnel"), "stock kinds are there")
    test.raises("NO_KIND", lease.find, "toy-lease")
    lease.kind { name = "toy-lease", describe = print, grant = print, probe = print, revoke = print }
  end)
  test.is_true(rawequal(lease.find("toy-lease"), own), "the own kind again")
  test.raises("X", lease.apart, function() errors.raise { code = "X", message = "x" } end)
  test.is_true(rawequal(lease.find("toy-lease"), own), "also after an error")
end)
