-- Shows who is taken to have a domain, for every pair of answers of two hosts, and that what is done is proven to be
-- safe.
local test = require "test"
local reconcile = require "reconcile"
local fakes = test.load(..., "fakes")
fakes.no_pauses()

local uuid = "0f0e0d0c-0000-4000-8000-000000000001"

local function side(text)
  local status, reason = text:match("^([%a ]+)/?(%a*[_%a]*)$")
  local job = reason:find("job$") ~= nil
  reason = reason:gsub("_?job$", "")
  return { status = status, reason = reason ~= "" and reason or nil, job = job }
end

-- source | destination | before | destination had | action | what is done
local decisions = [[
running/booted       | none                    | running | none     | stayed    |
running/unpaused     | shut off/destroyed      | running | shut off | stayed    |
running/booted       | shut off/failed         | running | none     | clean     | undefine destination
none                 | running/migrated        | running | none     | moved     |
shut off/migrated    | running/migrated        | running | none     | moved     |
shut off/migrated    | running/booted          |         |          | moved     |
paused/migration     | running/migrated        | running | none     | finish    | destroy source
paused/user          | running/migrated        | running | none     | operator  |
paused/migration     | running/booted          | running | none     | operator  |
paused/migration     | running/unpaused        | running | none     | operator  |
paused/migration     | none                    | running | none     | resume    | resume source
paused/migration     | none                    |         |          | resume    | resume source
paused/migration     | shut off/failed         | running | none     | resume    | resume source
paused/migration     | shut off/migrated       | running | shut off | resume    | resume source
paused/migration     | shut off/shutdown       | running | none     | operator  |
paused/migration     | shut off/crashed        | running | none     | operator  |
paused/user          | none                    | running | none     | resume    | resume source
paused/user          | none                    | paused  | none     | stayed    |
paused/migration     | none                    | paused  | none     | stayed    |
paused/user          | none                    |         |          | stayed    |
paused/ioerror       | none                    | running | none     | operator  |
paused/ioerror       | none                    |         |          | stayed    |
paused/migration     | paused/migration        | running | none     | roll back | destroy destination, resume source
paused/migration     | paused/starting_up      | running | none     | roll back | destroy destination, resume source
paused/user          | paused/migration        | running | none     | roll back | destroy destination, resume source
paused/user          | paused/migration        | paused  | none     | clean     | destroy destination
paused/migration     | paused/migration        | paused  | none     | clean     | destroy destination
paused/migration     | paused/user             | running | none     | operator  |
paused/user          | paused/migration        |         |          | operator  |
running/booted       | paused/migration        | running | none     | clean     | destroy destination
running/booted       | paused/user             | running | none     | operator  |
none                 | paused/user             | running | none     | moved     |
shut off/migrated    | paused/user             | paused  | none     | moved     |
none                 | paused/migration        | running | none     | operator  |
none                 | paused/migration        | paused  | none     | operator  |
running/booted       | running/migrated        | running | none     | operator  |
paused/post_copy     | running/post_copy       | running | none     | operator  |
paused/post_copy_job | running/post_copy_job   | running | none     | wait      |
paused/post_copy     | paused/post_copy        | running | none     | operator  |
paused/post_copy_failed_job | paused/post_copy_failed | running | none | operator |
none                 | paused/post_copy_failed | running | none     | operator  |
running/booted_job   | paused/migration_job    | running | none     | wait      |
paused/migration_job | none                    | running | none     | wait      |
shut off/shutdown    | none                    | running | none     | stayed    |
shut off/shutdown    | shut off/failed         | running | none     | clean     | undefine destination
shut off/destroyed   | shut off/unknown        | running | none     | clean     | undefine destination
shut off/unknown     | shut off/failed         | running | none     | clean     | undefine destination
shut off/unknown     | shut off/unknown        | running | none     | operator  |
shut off/unknown     | shut off/shutdown       | running | none     | operator  |
shut off/shutdown    | shut off/shutdown       | running | none     | operator  |
shut off/shutdown    | shut off/shutdown       | running | shut off | stayed    |
shut off/migrated    | shut off/shutdown       | running | none     | moved     |
shut off/migrated    | shut off/unknown        | running | none     | moved     |
shut off/migrated    | none                    | running | none     | operator  |
none                 | shut off/shutdown       | running | none     | moved     |
none                 | none                    | running | none     | operator  |
unreachable          | running/migrated        | running | none     | operator  |
running/booted       | unreachable             | running | none     | operator  |
unreachable          | unreachable             | running | none     | operator  |
paused/migration     | crashed/panicked        | running | none     | operator  |
pmsuspended          | none                    | running | none     | operator  |
]]

-- The same when libvirt was told to leave the destination's copy paused, for drover to start it.
local held_decisions = [[
none                       | paused/user      | running | none | start     | resume destination
shut off/migrated          | paused/user      | running | none | start     | resume destination
shut off/destroyed         | paused/user      | running | none | operator  |
shut off/unknown           | paused/user      | running | none | operator  |
running/migration_canceled | paused/user      | running | none | clean     | destroy destination
running/booted             | paused/user      | running | none | operator  |
running/migration_canceled | paused/migration | running | none | clean     | destroy destination
paused/migration           | paused/user      | running | none | roll back | destroy destination, resume source
paused/user                | paused/user      | running | none | operator  |
paused/migration           | paused/migration | running | none | roll back | destroy destination, resume source
unreachable                | paused/user      | running | none | operator  |
paused/migration           | running/unpaused | running | none | finish    | destroy source
paused/migration           | running/booted   | running | none | operator  |
paused/user                | running/unpaused | running | none | operator  |
shut off/migrated          | paused/user      | paused  | none | moved     |
shut off/migrated          | running/unpaused | running | none | moved     |
]]

local function done(decision)
  local words = {}
  for _, verb in ipairs { "destroy", "resume", "undefine" } do
    if decision[verb] then words[#words + 1] = verb .. " " .. decision[verb] end
  end
  return table.concat(words, ", ")
end

local function show_decision(line, held)
  local cells = {}
  for cell in (line .. "|"):gmatch("%s*(.-)%s*|") do cells[#cells + 1] = cell end
  local title = ("source %s, destination %s%s, before %s: %s"):format(cells[1], cells[2], held and " (held)" or "",
    cells[3], cells[5])
  test.case(title, function()
    local decision = reconcile.decide(side(cells[1]), side(cells[2]), cells[3] ~= "" and cells[3] or nil,
      cells[4] ~= "" and cells[4] or nil, held)
    test.equal({ decision.action, done(decision) }, { cells[5], cells[6] })
    if decision.action == "operator" then test.is_true(decision.hint, "an operator's hint") end
  end)
end
for line in decisions:gmatch "[^\n]+" do show_decision(line) end
for line in held_decisions:gmatch "[^\n]+" do show_decision(line, true) end

test.case("a host that does not answer: what the other one says is told, and how a guest that waits there is started",
  function()
    local function said(source, destination, held)
      local decision = reconcile.decide(side(source), side(destination), "running", "none", held)
      return decision.text, decision.hint
    end
    local text, hint = said("unreachable", "paused/user", true)
    test.equal(text, "the source does not answer, and unknown is not off; on the destination it is paused (user), "
      .. "complete, and waits for its start")
    test.matches(hint, "prove that it is fenced; then, on the destination: virsh resume$")
    test.equal(said("unreachable", "running/unpaused", true),
      "the source does not answer, and unknown is not off; on the destination it is running (unpaused)")
    test.equal(said("unreachable", "none"), "the source does not answer, and unknown is not off")
    text, hint = said("unreachable", "paused/migration", true)
    test.matches(text, "it is paused %(migration%)$")
    test.matches(hint, "fenced$")
  end)

-- Every pair of what libvirt can say.
local every = {}
for status, reasons in pairs {
  none = { "" }, unreachable = { "" },
  running = { "unknown", "booted", "migrated", "restored", "from_snapshot", "unpaused", "migration_canceled",
    "save_canceled", "wakeup", "crashed", "post_copy", "post_copy_failed" },
  paused = { "unknown", "user", "migration", "save", "dump", "ioerror", "watchdog", "from_snapshot", "shutting_down",
    "snapshot", "crashed", "starting_up", "post_copy", "post_copy_failed" },
  ["shut off"] = { "unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from_snapshot",
    "daemon" },
  crashed = { "panicked" }, pmsuspended = { "unknown" }, nostate = { "unknown" },
} do
  for _, reason in ipairs(reasons) do
    for _, job in ipairs { false, true } do
      every[#every + 1] = { status = status, reason = reason ~= "" and reason or nil, job = job }
    end
  end
end

local function each_decision(check)
  for _, source in ipairs(every) do
    for _, destination in ipairs(every) do
      for _, before in ipairs { "running", "paused", false } do
        for _, had in ipairs { "none", "shut off", false } do
          for _, held in ipairs { false, true } do
            local decision = reconcile.decide(source, destination, before or nil, had or nil, held)
            local label = ("%s/%s%s | %s/%s%s | %s%s"):format(source.status, tostring(source.reason),
              source.job and "+job" or "", destination.status, tostring(destination.reason),
              destination.job and "+job" or "", tostring(before), held and " held" or "")
            check({ source = source, destination = destination }, decision, before or nil, label, had)
          end
        end
      end
    end
  end
end

local function needs_nothing(decision) return not (decision.destroy or decision.resume or decision.undefine) end

test.case("A3: a running side is never destroyed, and only a paused one is", function()
  each_decision(function(seen, decision, _, label)
    if decision.destroy then test.equal(seen[decision.destroy].status, "paused", label) end
  end)
end)

test.case("nothing is done while a side is unreachable", function()
  each_decision(function(seen, decision, _, label)
    if seen.source.status == "unreachable" or seen.destination.status == "unreachable" then
      test.is_true(needs_nothing(decision), label)
      test.equal(decision.action, "operator", label)
    end
  end)
end)

test.case("nothing is resumed while the other side runs, may have run, or is left", function()
  each_decision(function(seen, decision, _, label)
    if decision.resume == "destination" then
      test.is_true(label:find "held$", label)
      test.is_true(seen.destination.reason == "user" and seen.destination.status == "paused", label)
      local source = seen.source
      test.is_true(source.status == "none" or source.status == "shut off" and source.reason == "migrated",
        label .. " may have gone on")
    elseif decision.resume then
      local other = seen.destination
      local gone = other.status == "none" or other.status == "shut off" or decision.destroy == "destination"
      test.is_true(gone, label)
      if decision.destroy then
        test.is_true(other.reason == "migration" or other.reason == "starting_up"
          or label:find "held$" and other.reason == "user", label .. " may have run")
      end
      test.is_true(seen.source.status == "paused", label)
    end
  end)
end)

test.case("a QEMU that does not answer is told from a host that does not, and nothing is done about it", function()
  local _ <close> = test.replace(reconcile, { longest_job_look = "20ms" })
  for _, how in ipairs { { hangs = { job = true } }, { fails = { job = "DOMAIN_BUSY" } } } do
    local record = { state = "running", reason = "booted", hangs = how.hangs, fails = how.fails }
    local a, b = fakes.host("a", { [uuid] = record }), fakes.host "b"
    local settled = reconcile.settle(a, b, uuid, { before = "running", destination_had = "none", patience = "0s" })
    test.equal({ settled.outcome, settled.action, a.acts, b.acts }, { "operator", "operator", {}, {} })
    test.matches(settled.text, "^on the source the domain's QEMU does not answer, and libvirt there says running ")
    test.matches(settled.hint, "virsh destroy.*drover recover")
  end
end)

test.case("A6: post-copy is never destroyed and never resumed", function()
  local function is_post_copy(one) return one.reason == "post_copy" or one.reason == "post_copy_failed" end
  each_decision(function(seen, decision, _, label)
    local source, destination = is_post_copy(seen.source), is_post_copy(seen.destination)
    if decision.destroy then test.is_true(not is_post_copy(seen[decision.destroy]), label) end
    if (source and seen.source.status == "paused") or (destination and seen.destination.status == "paused") then
      test.is_true(needs_nothing(decision), label)
    end
  end)
end)

test.case("A8: nothing is done while a job runs", function()
  each_decision(function(seen, decision, _, label)
    if seen.source.job or seen.destination.job then test.is_true(needs_nothing(decision), label) end
  end)
end)

test.case("A5: a domain that was paused before is not resumed", function()
  each_decision(function(_, decision, before, label)
    if before == "paused" then test.is_nil(decision.resume, label) end
  end)
end)

test.case("a definition goes only where there was none, and only while the source has the domain", function()
  each_decision(function(seen, decision, _, label, had)
    if decision.undefine then
      test.equal({ decision.undefine, seen.destination.status, had }, { "destination", "shut off", "none" }, label)
      test.is_true(seen.source.status ~= "none", label)
    end
  end)
end)

test.case("a definition stays where the guest may have run last", function()
  local ran = { shutdown = true, crashed = true, saved = true, from_snapshot = true }
  each_decision(function(seen, decision, _, label)
    local is_newer = seen.source.reason == "migrated" or ran[seen.destination.reason or ""]
    if seen.source.status == "shut off" and is_newer then test.is_nil(decision.undefine, label) end
  end)
end)

test.case("what needs a person says what to do", function()
  each_decision(function(_, decision, _, label)
    if decision.action == "operator" then test.is_true(decision.hint and #decision.hint > 0, label) end
  end)
end)

-- ---- settle, with hosts that change ----

local quick = { before = "running", destination_had = "none", patience = "300ms", wait = "3s" }

local function with(fields)
  local options = {}
  for name, value in pairs(quick) do options[name] = value end
  for name, value in pairs(fields or {}) do options[name] = value end
  return options
end

local function hosts(source, destination)
  return fakes.host("a", { [uuid] = source }), fakes.host("b", { [uuid] = destination })
end

test.case("paused on both sides is rolled back, and read again", function()
  local a, b = hosts({ state = "paused", reason = "migration", persistent = true },
    { state = "paused", reason = "migration" })
  local settled = reconcile.settle(a, b, uuid, quick)
  test.equal({ settled.outcome, a.domains[uuid].state, b.domains[uuid] }, { "stayed", "running" })
  test.equal({ a.acts, b.acts }, { { "resume" }, { "destroy" } })
end)

test.case("A2: a definition that the move left at the destination is removed", function()
  local a, b = hosts({ state = "paused", reason = "migration", persistent = true },
    { state = "paused", reason = "migration", persistent = true })
  -- After its destroy the destination is shut off (destroyed): the source is resumed in the same act.
  local settled = reconcile.settle(a, b, uuid, quick)
  test.equal(settled.outcome, "stayed")
  test.equal(b.acts, { "destroy", "undefine" })
  test.is_nil(b.domains[uuid])
end)

test.case("the source's paused copy is destroyed only after the destination was read running twice", function()
  local a, b = hosts({ state = "paused", reason = "migration", persistent = true },
    { state = "running", reason = "migrated" })
  local looks_before_destroy
  local settled = reconcile.settle(a, setmetatable({}, { __index = function(_, name)
    if #a.acts == 0 then looks_before_destroy = b.looks end
    return b[name]
  end }), uuid, quick)
  test.equal({ settled.outcome, a.acts }, { "moved", { "destroy" } })
  test.is_true(looks_before_destroy >= 1, "looks")
  test.is_true(b.looks >= 4, "looks at the destination: " .. b.looks)
end)

test.case("an answer that changes between two looks is not acted on", function()
  local a, b = hosts({ state = "paused", reason = "migration" }, { state = "paused", reason = "migration" })
  b.on_look = function(one, count)
    -- The move ends well while we look.
    if count == 2 then
      one.domains[uuid] = { state = "running", reason = "migrated" }
      a.domains[uuid] = nil
    end
  end
  local settled = reconcile.settle(a, b, uuid, quick)
  test.equal({ settled.outcome, a.acts, b.acts }, { "moved", {}, {} })
end)

test.case("a copy that starts to run right before its destroy is left alone", function()
  local a, b = hosts({ state = "running", reason = "booted" }, { state = "paused", reason = "migration" })
  local seen_state = 0
  local record = b.domains[uuid]
  b.domains[uuid] = setmetatable({}, { __index = function(_, name)
    if name == "state" then
      seen_state = seen_state + 1
      if seen_state > 2 then record.state, record.reason = "running", "migrated" end
    end
    return record[name]
  end })
  local settled = reconcile.settle(a, b, uuid, quick)
  test.equal({ settled.outcome, b.acts }, { "operator", {} })
  test.matches(settled.text, "BOTH hosts")
end)

test.case("a job that runs is waited for", function()
  local a, b = hosts({ state = "running", reason = "booted", job = "unbounded" },
    { state = "paused", reason = "migration" })
  a.on_look = function(one, count)
    if count == 6 then
      one.domains[uuid] = nil
      b.domains[uuid] = { state = "running", reason = "migrated" }
    end
  end
  local settled = reconcile.settle(a, b, uuid, with { wait = "20s" })
  test.equal({ settled.outcome, a.acts, b.acts }, { "moved", {}, {} })
end)

test.case("a job that does not end within the wait is left to the operator", function()
  local a, b = hosts({ state = "running", reason = "booted", job = "unbounded" }, nil)
  local settled = reconcile.settle(a, b, uuid, with { wait = "400ms" })
  test.equal({ settled.outcome, settled.action, a.acts }, { "operator", "wait", {} })
end)

test.case("a host that does not answer for a moment is asked again over a new connection", function()
  local a, b = hosts({ state = "running", reason = "booted" }, nil)
  b.down = true
  b.on_look = function(one, count) if count == 4 then one.down = false end end
  local settled = reconcile.settle(a, b, uuid, with { patience = "10s" })
  test.equal(settled.outcome, "stayed")
  test.is_true(b.reopened >= 1, "reopened")
end)

test.case("a host that stays silent needs an operator, and says why", function()
  local a, b = hosts({ state = "paused", reason = "migration" }, nil)
  b.down = true
  local settled = reconcile.settle(a, b, uuid, quick)
  test.equal({ settled.outcome, a.acts }, { "operator", {} })
  test.matches(settled.text, "destination does not answer %(the connection is gone%)")
end)

test.case("an act without effect ends, and is named", function()
  local a, b = hosts({ state = "paused", reason = "migration", stubborn = true }, nil)
  local settled = reconcile.settle(a, b, uuid, quick)
  test.equal(settled.outcome, "operator")
  test.matches(settled.text, "resume it on the source was tried 5 times")
  test.equal(#a.acts, 5)
end)

test.case("an act that fails is named with its reason", function()
  local a, b = hosts({ state = "paused", reason = "migration", fails = { resume = "OPERATION_FAILED" } }, nil)
  local settled = reconcile.settle(a, b, uuid, quick)
  test.equal(settled.outcome, "operator")
  test.matches(settled.text, "resume failed")
end)

test.case("act = false changes nothing and says what would be done", function()
  local a, b = hosts({ state = "paused", reason = "migration" }, { state = "paused", reason = "migration" })
  local settled = reconcile.settle(a, b, uuid, with { act = false })
  test.equal({ settled.outcome, settled.todo }, { "pending", "destroy it on the destination, resume it on the source" })
  test.equal({ a.acts, b.acts }, { {}, {} })
end)

test.case("A3, A41: of a domain that moved, the work stands, and it starts at boot where it is", function()
  local function settled(mode)
    local source = fakes.host("a", { [uuid] = { state = "shutoff", reason = "migrated", persistent = true } })
    local destination = fakes.host("b", { [uuid] = { state = "running", reason = "migrated", persistent = true } })
    local env = { host = function(_, name) return name == "a" and source or destination end }
    local arguments = { source = "a", destination = "b", uuid = uuid, before = "running", destination_had = "none",
      autostart = mode }
    local _, stands = require("lease").find("settle-domain").undo(arguments, env)
    test.equal(stands, require("lease").stands)
    require("lease").find("after-move").follow_up(arguments, env)
    return { source.acts, destination.acts }
  end
  test.equal(settled "carry", { { "autostart off" }, { "autostart on" } })
  test.equal(settled "off", { { "autostart off" }, {} })
  test.equal(settled(nil), { {}, {} })
end)
