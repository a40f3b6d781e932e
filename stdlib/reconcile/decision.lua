--- What two hosts' answers about a domain mean: a fixed table, "nothing is guessed", and nothing is asked here.
--
-- An observation is { status =, reason =, job = boolean } with the status "none", "running", "paused", "shut off",
-- "unreachable", or what else libvirt says ("crashed", "pmsuspended").
-- Tested by tests/stdlib/reconcile_decision_test.lua.
local errors = require "errors"

local decision = {}

-- A copy that libvirt was still filling when the move ended. One that ran and was paused later has the reason "user".
local is_being_filled = { migration = true, starting_up = true }

-- Whether the destination's copy never ran. Held: libvirt was told to leave it paused, for drover to start it once
-- the source is proven off. libvirt then says "user" of a copy that is complete; a source that libvirt let go on,
-- because the destination's answer was lost, is the newer one.
local function is_idle_copy(s, d, record)
  if d.status ~= "paused" then return false end
  if is_being_filled[d.reason or ""] then return true end
  return record.held and d.reason == "user" and (s.reason == "migration" or s.reason == "migration_canceled")
end

local function is_post_copy(side) return side.reason == "post_copy" or side.reason == "post_copy_failed" end

local function has_failed_post_copy(s, d)
  return s.reason == "post_copy_failed" or d.reason == "post_copy_failed"
end

local function is_off(side) return side.status == "none" or side.status == "shut off" end

local function operator(text, hint) return { action = "operator", text = text, hint = hint } end

-- ---- did the guest run on the destination? ----

-- A definition that is shut off for one of these reasons has not run since: libvirt could not start what arrived, or
-- the guest left from there. A daemon that was restarted says "unknown" of everything.
local not_since = { failed = true, migrated = true }

-- Reasons of a definition that was running when it ended.
local ran = { shutdown = true, crashed = true, saved = true, from_snapshot = true }

-- Ends of the source's guest that are no move's.
local ended_itself = { shutdown = true, crashed = true, destroyed = true, failed = true }

-- Whether the source has the very process that had the guest before the move. libvirt pauses for a move, and lets go on
-- after it, only what it was moving.
local function has_same_process(s, record)
  if record.same_process ~= nil then return record.same_process end
  return s.reason == "migration" or s.reason == "migration_canceled"
end

-- Whether it is proven that the guest did not run on the destination, where it is off now. What it wrote there would be
-- nowhere else, so this decides whether the disks and the definition that the move made there may go, and whether the
-- source's memory may go on over them. A source that runs is no proof: it may have been started anew from its old
-- disks, by its host's boot or by somebody who did not know.
local function never_ran_there(s, d, record)
  -- Destroyed right now, by the same look at both hosts, for it was proven to be idle.
  if record.destroyed_idle_copy then return true end
  if d.status == "shut off" and not_since[d.reason or ""] and record.same_process ~= false then return true end
  -- libvirt saves the definition before it lets the guest run [src/qemu/qemu_migration.c, qemuMigrationDstFinishFresh].
  if d.status == "none" and record.destination_had ~= "shut off" and record.persistent ~= false then return true end
  if record.destination_had == "none" and ran[d.reason or ""] then return false end
  if is_off(s) then return record.held and d.status == "none" and ended_itself[s.reason or ""] or false end
  if not has_same_process(s, record) then return false end
  -- Held, it is started only once the source is off.
  if record.held or record.before == "paused" then return true end
  -- Not held, it runs there once the source is stopped for good; a source that never was stopped says what it said
  -- before.
  return s.status == "running" and record.same_process and s.reason ~= "migration_canceled" and s.reason ~= "unpaused"
end

local function may_have_run(where, d)
  return operator(("%s, and may have run on the destination since (%s there)"):format(where,
    d.status == "none" and "nothing is" or d.status .. ", " .. tostring(d.reason)),
    "see whose disks are newer: what was made for it on the destination stays until then")
end

-- ---- the rows ----

-- Where one side's QEMU is gone, its part of the memory is gone with it.
local function broken_post_copy(s, d)
  local function how(side) return side.status == "none" and "nothing is there" or tostring(side.reason) end
  if is_off(s) then
    return operator(("a post-copy move broke, and the source's QEMU ended (%s): a part of the guest's memory is lost, "
      .. "and it cannot go on"):format(how(s)),
      "its newest disks are on the destination: virsh destroy there, then virsh start; it boots as after a power cut")
  elseif is_off(d) then
    return operator(("a post-copy move broke, and the destination's QEMU ended (%s): the guest ran there, and what the "
      .. "source has is older"):format(how(d)),
      "its newest disks are on the destination: virsh destroy on the source, and start it where those disks are")
  end
  return operator("a post-copy move broke: its memory is on both sides, and neither may be destroyed",
    "when the link is back, resume it: virsh migrate --postcopy-resume")
end

-- Without a record of a move nothing hangs on the word "stayed".
local function runs_on_source(s, d, record)
  if record.before and not never_ran_there(s, d, record) then return may_have_run("it runs on the source", d) end
  return { action = "stayed", text = "it runs on the source, as before" }
end

-- Whether the source's copy is to run again: libvirt paused it for the move, or it ran before and the policy paused it.
local function is_to_run(s, record)
  if record.before == "paused" then return false end
  return s.reason == "migration" or record.before == "running" and (s.reason == "user" or s.reason == "unknown")
end

-- Only the source has it, paused.
local function paused_alone(s, d, record)
  local where = "it is paused on the source (" .. tostring(s.reason) .. ")"
  local is_next = is_to_run(s, record)
  if (is_next or record.before) and not never_ran_there(s, d, record) then return may_have_run(where, d) end
  if is_next then return { action = "resume", text = "only the source has it, paused", resume = "source" } end
  if record.before == "running" then
    return operator(where .. ", which is not the move's doing", "virsh resume, once it may")
  end
  return { action = "stayed", text = where .. (record.before == "paused" and ", as before" or "") }
end

-- Nobody runs it. "migrated" is what libvirt says of a source whose move was completed: from then on the destination's
-- disks are the newer ones, and what the guest wrote there before it stopped is nowhere else.
local function off_on_both(s, d, record)
  if d.reason ~= "fenced" and (s.status == "none" or s.reason == "migrated" and d.status == "shut off") then
    return { action = "moved", text = "it moved, and is shut off on the destination", shut_off = true }
  elseif s.reason == "migrated" or s.status == "none" then
    return operator("it moved, and the destination does not have it any more",
      "it stopped there, and had no definition; if its disks were copied, the newer ones are there")
  end
  local stayed = { action = "stayed", text = "it is shut off", shut_off = true }
  if record.before and not never_ran_there(s, d, record) then
    return may_have_run(("it is shut off on the source (%s)"):format(tostring(s.reason)), d)
  end
  return stayed
end

-- The source is off, and the destination's complete copy waits for its start. "migrated" is libvirt's word that the
-- source stopped because the move was complete; after another end the source may have gone on first. So it may where
-- the source has no definition that would tell, unless libvirt called the move complete.
local function held_alone(s, record)
  if s.reason == "migrated" or s.reason == "fenced" or record.complete then
    return { action = "start", text = "it is complete on the destination, and the source is off",
      resume = "destination" }
  end
  local how = s.status == "none" and "has no definition of it" or ("is shut off (%s)"):format(tostring(s.reason))
  return operator(("the destination's copy is complete and paused, and the source %s: the guest may have gone on "
    .. "there"):format(how),
    "if it did not: virsh resume on the destination; else start it on the source, and destroy the paused copy")
end

-- A host does not answer. What the other one says is told: a guest that waits there is down until somebody acts.
local function out_of_reach(s, d, record)
  local name, silent, other_name, other = "destination", d, "source", s
  if s.status == "unreachable" then name, silent, other_name, other = "source", s, "destination", d end
  if silent.problem and errors.is(silent.problem, "QEMU_SILENT") then
    return operator(("on the %s %s: whether the guest runs, and whether the move goes on, is not known"):format(name,
      errors.message(silent.problem)),
      "see what its process waits for (a disk?), let it go on or end it there with virsh destroy; "
      .. "then: drover recover")
  end
  local text = ("the %s does not answer%s, and unknown is not off"):format(name,
    silent.problem and " (" .. errors.message(silent.problem) .. ")" or "")
  local hint = "bring it back and run 'drover recover', or prove that it is fenced"
  if other.status ~= "unreachable" and other.status ~= "none" then
    text = ("%s; on the %s it is %s (%s)"):format(text, other_name, other.status, tostring(other.reason))
  end
  if other == d and record.held and record.before == "running" and d.status == "paused" and d.reason == "user" then
    text = text .. ", complete, and waits for its start"
  end
  return operator(text, hint)
end

-- Each row: when it applies, and what it means. The first that applies wins; the order is from "never touch" to "act".
local rows = {
  { function(s, d) return s.status == "unreachable" or d.status == "unreachable" end, out_of_reach },
  { function(s, d) return s.status == "running" and d.status == "running" end, function()
    return operator("it runs on BOTH hosts; nothing was touched",
      "decide which copy is right, and stop the other by hand: virsh destroy")
  end },
  { has_failed_post_copy, broken_post_copy },
  { function(s, d) return s.job or d.job end, function()
    return { action = "wait", text = "a job is still running" }
  end },
  { function(s, d) return s.status == "paused" and is_post_copy(s) or d.status == "paused" and is_post_copy(d) end,
    broken_post_copy },
  { function(s, d) return s.status == "running" and is_off(d) end, runs_on_source },
  -- "migrated" is libvirt's word for a source that sent all its memory, and for a destination that has it all. Before
  -- that one, the destination says "post-copy" for a moment; when the source ended otherwise, nobody sends the rest.
  { function(s, d, record) return is_off(s) and d.status == "running" and d.reason == "post_copy"
    and s.reason ~= "migrated" and not record.complete end, function(s, d)
    local decided = broken_post_copy(s, d)
    decided.may_pass = true
    return decided
  end },
  { function(s, d) return is_off(s) and d.status == "running" end, function()
    return { action = "moved", text = "it runs on the destination" }
  end },
  -- "unpaused": drover started the complete copy. libvirt lets nobody start one that it still fills.
  { function(s, d, record) return s.status == "paused" and s.reason == "migration" and d.status == "running"
    and (d.reason == "migrated" or record.held and d.reason == "unpaused") end, function()
    return { action = "finish", text = "it runs on the destination; the source's copy is paused", destroy = "source" }
  end },
  { function(s, d) return s.status == "paused" and is_off(d) end, paused_alone },
  { function(s, d, record) return s.status == "running" and is_idle_copy(s, d, record) end, function()
    return { action = "clean", text = "it runs on the source; the destination holds a copy that never ran",
      destroy = "destination" }
  end },
  { function(s, d, record) return s.status == "paused" and (s.reason == "migration" or record.before == "paused"
    or is_to_run(s, record)) and is_idle_copy(s, d, record) end, function(s, _, record)
    if not is_to_run(s, record) then
      return { action = "clean", text = "it is paused on the source, as before; the destination's copy never ran",
        destroy = "destination" }
    end
    return { action = "roll back", text = "paused on both sides, and no job is left", destroy = "destination",
      resume = "source" }
  end },
  { function(s, d) return is_off(s) and d.status == "paused" end, function(s, d, record)
    if record.held and d.reason == "user" and record.before == "running" then return held_alone(s, record) end
    -- libvirt says "user" of a domain that was to stay paused once its move was complete.
    if d.reason == "user" then
      return { action = "moved", text = "it is on the destination, paused",
        hint = "if it was to run: drover recover where the move was started, or else virsh resume on the destination" }
    end
    return operator("only the destination has it, paused (" .. tostring(d.reason) .. ")",
      "if you know that it is whole: virsh resume there")
  end },
  { function(s, d) return s.status == "shut off" and is_off(d) or s.status == "none" and d.status == "shut off" end,
    off_on_both },
  { function(s, d) return s.status == "none" and d.status == "none" end, function()
    return operator("neither host has it", "look at both hosts' logs; its definition is in 'drover report --json'")
  end },
}

local function decide_by_table(source, destination, record)
  for _, row in ipairs(rows) do
    if row[1](source, destination, record) then return row[2](source, destination, record) end
  end
  return operator(("source: %s (%s), destination: %s (%s): no rule covers this"):format(source.status,
    tostring(source.reason), destination.status, tostring(destination.reason)),
    "look at both hosts with virsh domstate --reason")
end

--- The decision for two observations. record is what is known of the move (all of it may be missing):
--   before               the state that the domain had, "running" or "paused"
--   destination_had      its status at the destination before the move
--   held                 libvirt was told to leave the destination's copy paused
--   persistent           false when the move makes no definition at the destination
--   same_process         whether the source has the very process that had the guest before the move; nil: not known
--   complete             libvirt called the move complete
--   destroyed_idle_copy  the destination's copy was idle, and was destroyed just now
-- Gives { action, text, destroy =, resume =, undefine =, hint =, may_pass = }: without one of these three nothing is to
-- be done. may_pass: what is seen may be over at the next look.
function decision.decide(source, destination, record)
  record = record or {}
  local decided = decide_by_table(source, destination, record)
  if decided.action ~= "stayed" or destination.status ~= "shut off" or destination.reason == "fenced"
    or record.destination_had ~= "none" or not record.before then
    return decided
  end
  -- A2: what the move defined there goes again, once the source is seen to have it.
  decided.action, decided.undefine = "clean", "destination"
  decided.text = decided.text .. "; the destination has a definition that the move made"
  return decided
end

return decision
