-- Undo "settle-domain": ask both hosts who has the domain and act on the reconcile table.
-- Registered before a move; harmless when the move never began. When the domain turns out to have moved, the run's work
-- stands: what was made for it at the destination (its disks) must stay. It must stay as well while it is not known who
-- has the domain: the guest may have written there.
-- Arguments: source, destination, uuid, and what is known of the move (see reconcile/decision.lua): before,
-- destination_had, held, persistent, process.
-- Tested by tests/stdlib/kinds_test.lua, tests/stdlib/recovery_test.lua and tests/faults.
local async = require "async"
local errors = require "errors"
local lease = require "lease"
local reconcile = require "reconcile"

local function reach_both(a, env)
  local hosts = async.parallel({ a.source, a.destination }, function(name)
    if env.fenced and env.fenced[name] then return reconcile.fenced_host(name) end
    return reconcile.reach(name, function() return env:host(name) end)
  end)
  return hosts[1], hosts[2]
end

local is_off = { none = true, ["shut off"] = true }

-- A person knows where the guest is. Taken at their word, unless what the hosts say is something else.
local function as_told(a, env, source, destination)
  local is_source = env.guest_on == a.source
  if not is_source and env.guest_on ~= a.destination then
    errors.raise { domain = "usage", code = "NO_HOST", where = false,
      message = ("the run's hosts are %s and %s, not '%s'"):format(a.source, a.destination, env.guest_on) }
  end
  local its, other = reconcile.observe(is_source and source or destination, a.uuid),
    reconcile.observe(is_source and destination or source, a.uuid)
  local other_name = is_source and a.destination or a.source
  local function refuse(message, hint)
    errors.raise { code = "NEEDS_OPERATOR", where = false, needs_operator = true, keep_rest = true, message = message,
      hint = hint }
  end
  if other.status == "unreachable" then
    refuse(("%s does not answer, so it is not known what it has"):format(other_name),
      ("if it is proven to run nothing, say both: --guest-on %s --fenced %s"):format(env.guest_on, other_name))
  elseif its.status == "none" or its.status == "unreachable" then
    refuse(("%s %s"):format(env.guest_on, its.status == "none" and "does not have the domain" or "does not answer"),
      "look there: virsh list --all")
  elseif not is_off[other.status] or other.job or its.job then
    refuse(("%s has it too: %s (%s)"):format(other_name, other.status, tostring(other.reason)),
      "stop that copy by hand first: virsh destroy")
  end
  return is_source
end

-- What a person does when neither host will tell.
local function ways_out(settled, a, env)
  if not env.run_id then return settled.hint end
  local command = "drover recover " .. env.run_id
  if not settled.is_unknown then
    return ("%s; when you know who has it: %s --guest-on HOST"):format(settled.hint, command)
  end
  local silent = settled.source:find "^unreachable" and a.source or settled.destination:find "^unreachable"
    and a.destination
  if not silent then return settled.hint end
  return ("%s: %s --fenced %s"):format(settled.hint, command, silent)
end

return lease.undo_kind {
  name = "settle-domain",
  longest_end = "40m",  -- a peer-to-peer move goes on without its client: it is waited for, not undone
  guards_earlier_undo = true,
  describe = function(a)
    return { text = ("ask %s and %s who has the domain, and leave it on one of them"):format(a.source, a.destination) }
  end,
  undo = function(a, env)
    local source, destination = reach_both(a, env)
    if env.guest_on then
      local stayed = as_told(a, env, source, destination)
      if stayed then
        if a.destination_had == "none" and destination.virt then reconcile.undefine(destination, a.uuid) end
        return ("the domain stayed on %s, as the operator says"):format(a.source)
      end
      return ("the domain is on %s, as the operator says"):format(a.destination), lease.stands
    end
    local settled = reconcile.settle(source, destination, a.uuid,
      { before = a.before, destination_had = a.destination_had, held = a.held, persistent = a.persistent,
        process = a.process, wait = env.wait, patience = env.patience })
    if settled.outcome == "moved" then
      return (settled.shut_off and "the domain moved to " or "the domain runs on ") .. a.destination, lease.stands
    end
    if settled.outcome == "stayed" then return "the domain stayed on " .. a.source end
    errors.raise { code = "NEEDS_OPERATOR", where = false, needs_operator = true, hint = ways_out(settled, a, env),
      -- A move that may still be going on needs its key, its tunnel and its port: they stay until that is known.
      keep_rest = settled.is_unknown,
      message = ("%s (%s: %s; %s: %s)"):format(settled.text, a.source, settled.source, a.destination,
        settled.destination) }
  end,
}
