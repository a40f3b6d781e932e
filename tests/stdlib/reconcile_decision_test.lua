-- Shows who is taken to have a domain, for every pair of answers of two hosts, and that what is done is proven to be
-- safe.
local test = require "test"
local reconcile = require "reconcile"

local function side(text)
  local status, reason = text:match("^([%a ]+)/?(%a*[_%a]*)$")
  local job = reason:find("job$") ~= nil
  reason = reason:gsub("_?job$", "")
  return { status = status, reason = reason ~= "" and reason or nil, job = job }
end

-- source | destination | before | destination had | action | what is done
local decisions = [[
running/booted       | none                    | running | none     | stayed    |
running/booted       | shut off/migrated       | running | shut off | stayed    |
running/booted       | shut off/destroyed      | running | shut off | operator  |
running/booted       | shut off/unknown        | running | none     | operator  |
running/booted       | shut off/shutdown       | running | none     | operator  |
running/booted       | shut off/unknown        |         |          | stayed    |
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
shut off/crashed     | paused/post_copy_failed | running | none     | operator  |
shut off/crashed     | running/post_copy       | running | none     | operator  |
none                 | running/post_copy       | running | none     | operator  |
shut off/migrated    | running/post_copy       | running | none     | moved     |
paused/post_copy_failed | shut off/crashed     | running | none     | operator  |
paused/post_copy_failed | none                 | running | none     | operator  |
running/booted_job   | paused/migration_job    | running | none     | wait      |
paused/migration_job | none                    | running | none     | wait      |
shut off/shutdown    | none                    | running | none     | stayed    |
shut off/shutdown    | shut off/failed         | running | none     | clean     | undefine destination
shut off/destroyed   | shut off/unknown        | running | none     | operator  |
shut off/shutdown    | none                    | running | shut off | operator  |
shut off/unknown     | none                    | running | none     | stayed    |
shut off/unknown     | shut off/failed         | running | none     | clean     | undefine destination
shut off/unknown     | shut off/unknown        | running | none     | operator  |
shut off/unknown     | shut off/shutdown       | running | none     | operator  |
shut off/shutdown    | shut off/shutdown       | running | none     | operator  |
shut off/shutdown    | shut off/shutdown       | running | shut off | operator  |
shut off/shutdown    | shut off/migrated       | running | shut off | stayed    |
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
none                       | paused/user      | running | none | operator  |
shut off/fenced            | paused/user      | running | none | start     | resume destination
paused/migration           | shut off/fenced  | running | none | resume    | resume source
running/migration_canceled | shut off/fenced  | running | none | stayed    |
running/booted             | shut off/fenced  | running | none | operator  |
running/migration_canceled | shut off/unknown | running | none | clean     | undefine destination
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
    local decision = reconcile.decide(side(cells[1]), side(cells[2]), { before = cells[3] ~= "" and cells[3] or nil,
      destination_had = cells[4] ~= "" and cells[4] or nil, held = held })
    test.equal({ decision.action, done(decision) }, { cells[5], cells[6] })
    if decision.action == "operator" then test.is_true(decision.hint, "an operator's hint") end
  end)
end
for line in decisions:gmatch "[^\n]+" do show_decision(line) end
for line in held_decisions:gmatch "[^\n]+" do show_decision(line, true) end

test.case("a host that does not answer: what the other one says is told, and how a guest that waits there is started",
  function()
    local function said(source, destination, held)
      local decision = reconcile.decide(side(source), side(destination),
        { before = "running", destination_had = "none", held = held })
      return decision.text, decision.hint
    end
    local text, hint = said("unreachable", "paused/user", true)
    test.equal(text, "the source does not answer, and unknown is not off; on the destination it is paused (user), "
      .. "complete, and waits for its start")
    test.matches(hint, "prove that it is fenced$")
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
    for _, job in ipairs((status == "running" or status == "paused") and { false, true } or { false }) do
      every[#every + 1] = { status = status, reason = reason ~= "" and reason or nil, job = job }
    end
  end
end

-- What is told when a check fails: put together only then, for there are some hundred thousand decisions.
local label_of = {}
label_of.__tostring = function(one)
  return ("%s/%s%s | %s/%s%s | %s%s %s"):format(one.source.status, tostring(one.source.reason),
    one.source.job and "+job" or "", one.destination.status, tostring(one.destination.reason),
    one.destination.job and "+job" or "", tostring(one.before), one.held and " held" or "", one.same)
end
label_of.__concat = function(left, right) return tostring(left) .. tostring(right) end

local function each_decision(check)
  for _, source in ipairs(every) do
    for _, destination in ipairs(every) do
      for _, before in ipairs { "running", "paused", false } do
        for _, had in ipairs { "none", "shut off", false } do
          for _, held in ipairs { false, true } do
            -- The same life of the guest, another one, and not known.
            local is_active = source.status == "running" or source.status == "paused"
            for _, same in ipairs(is_active and { "same", "other", "" } or { "" }) do
              local record = { before = before or nil, destination_had = had or nil, held = held }
              if same ~= "" then record.same_process = same == "same" end
              local decision = reconcile.decide(source, destination, record)
              local label = setmetatable({ source = source, destination = destination, before = before,
                held = held, same = same }, label_of)
              check({ source = source, destination = destination }, decision, before or nil, label, had, record)
            end
          end
        end
      end
    end
  end
end

-- A case for what holds of every decision. All are looked at in one pass.
local invariants, is_looked_at = {}, false
local function invariant(name, check)
  local one = { check = check }
  invariants[#invariants + 1] = one
  test.case(name, function()
    if not is_looked_at then
      each_decision(function(...)
        for _, each in ipairs(invariants) do
          if not each.problem then
            local ok, problem = pcall(each.check, ...)
            if not ok then each.problem = problem end
          end
        end
      end)
      is_looked_at = true
    end
    if one.problem then error(one.problem, 0) end
  end)
end

local function needs_nothing(decision) return not (decision.destroy or decision.resume or decision.undefine) end

invariant("A3: a running side is never destroyed, and only a paused one is", function(seen, decision, _, label)
  if decision.destroy then test.is_true(seen[decision.destroy].status == "paused", label) end
end)

invariant("nothing is done while a side is unreachable", function(seen, decision, _, label)
  if seen.source.status == "unreachable" or seen.destination.status == "unreachable" then
    test.is_true(needs_nothing(decision), label)
    test.is_true(decision.action == "operator", label)
  end
end)

invariant("nothing is resumed while the other side runs, may have run, or is left", function(seen, decision, _, label,
    _, record)
  if decision.resume == "destination" then
    test.is_true(record.held, label)
    test.is_true(seen.destination.reason == "user" and seen.destination.status == "paused", label)
    local source = seen.source
    test.is_true(source.status == "shut off" and source.reason == "migrated", label)
  elseif decision.resume then
    local other = seen.destination
    local gone = other.status == "none" or other.status == "shut off" or decision.destroy == "destination"
    test.is_true(gone, label)
    if decision.destroy then
      test.is_true(other.reason == "migration" or other.reason == "starting_up"
        or record.held and other.reason == "user", label)
    end
    test.is_true(seen.source.status == "paused", label)
  end
end)

local function is_post_copy(one) return one.reason == "post_copy" or one.reason == "post_copy_failed" end

test.case("A6: when one side's QEMU ended in post-copy, it is said whose disks are the newest", function()
  local function hint_of(source, destination)
    local decided = reconcile.decide(source, destination, { before = "running", destination_had = "none" })
    return decided.text .. " / " .. decided.hint
  end
  local gone = { status = "shut off", reason = "crashed" }
  local broken = { status = "paused", reason = "post_copy_failed" }
  test.matches(hint_of(gone, broken), "source's QEMU ended %(crashed%).* / its newest disks are on the destination")
  test.matches(hint_of(broken, gone), "destination's QEMU ended %(crashed%).* / its newest disks are on the destin")
  test.matches(hint_of({ status = "none" }, broken), "QEMU ended %(nothing is there%)")
  test.matches(hint_of(broken, broken), "on both sides, .* virsh migrate %-%-postcopy%-resume")
end)

invariant("A6: post-copy is never destroyed and never resumed", function(seen, decision, _, label)
  local source, destination = is_post_copy(seen.source), is_post_copy(seen.destination)
  if decision.destroy then test.is_true(not is_post_copy(seen[decision.destroy]), label) end
  if (source and seen.source.status == "paused") or (destination and seen.destination.status == "paused") then
    test.is_true(needs_nothing(decision), label)
  end
end)

invariant("A8: nothing is done while a job runs", function(seen, decision, _, label)
  if seen.source.job or seen.destination.job then test.is_true(needs_nothing(decision), label) end
end)

invariant("A5: a domain that was paused before is not resumed", function(_, decision, before, label)
  if before == "paused" then test.is_nil(decision.resume, label) end
end)

invariant("a definition goes only where there was none, and only while the source has the domain", function(seen,
    decision, _, label, had)
  if decision.undefine then
    test.equal({ decision.undefine, seen.destination.status, had }, { "destination", "shut off", "none" }, label)
    test.is_true(seen.source.status ~= "none", label)
  end
end)

invariant("what was made at the destination goes only where it is proven that the guest never ran there", function(seen,
    decision, before, label, had, record)
  local s, d = seen.source, seen.destination
  local is_off = d.status == "none" or d.status == "shut off"
  -- "stayed" and "clean" let the undo delete the disks that were made there; "resume" goes on over them.
  if not before or not is_off or decision.action == "operator" or decision.action == "moved"
    or decision.action == "wait" then return end
  local never_arrived = d.status == "none" and had ~= "shut off"
  local not_since = d.status == "shut off" and (d.reason == "failed" or d.reason == "migrated")
    and record.same_process ~= false
  local same_life = record.same_process or record.same_process == nil
    and (s.reason == "migration" or s.reason == "migration_canceled")
  local is_active = s.status == "running" or s.status == "paused"
  local ended_itself = d.status == "none" and s.status == "shut off" and record.held
  test.is_true(never_arrived or not_since or is_active and same_life or ended_itself, label)
  -- A source that was stopped for a move that is not held: the destination may have had the guest.
  if not record.held and before == "running" and not never_arrived and not not_since then
    test.is_true(s.reason ~= "migration" and s.reason ~= "migration_canceled", label)
  end
end)

local ran = { shutdown = true, crashed = true, saved = true, from_snapshot = true }

invariant("a definition stays where the guest may have run last", function(seen, decision, _, label)
  local is_newer = seen.source.reason == "migrated" or ran[seen.destination.reason or ""]
  if seen.source.status == "shut off" and is_newer then test.is_nil(decision.undefine, label) end
end)

invariant("what needs a person says what to do", function(_, decision, _, label)
  if decision.action == "operator" then test.is_true(decision.hint and #decision.hint > 0, label) end
end)
