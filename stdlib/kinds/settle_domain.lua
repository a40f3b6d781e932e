-- Undo "settle-domain": ask both hosts who has the domain and act on the reconcile table.
-- Registered before a move; harmless when the move never began. When the domain turns out to have moved, the run's work
-- stands: what was made for it at the destination (its disks) must stay. It must stay as well while it is not known who
-- has the domain: the guest may have written there.
-- Arguments: source, destination, uuid, before, destination_had, held (the destination's copy stays paused until it is
-- started by the run, or here).
local errors = require "errors"
local lease = require "lease"
local reconcile = require "reconcile"

return lease.undo_kind {
  name = "settle-domain",
  longest_end = "40m",  -- a peer-to-peer move goes on without its client: it is waited for, not undone
  guards_earlier_undo = true,
  describe = function(a)
    return { text = ("ask %s and %s who has the domain, and leave it on one of them"):format(a.source, a.destination) }
  end,
  undo = function(a, env)
    local settled = reconcile.settle(env:host(a.source), env:host(a.destination), a.uuid,
      { before = a.before, destination_had = a.destination_had, held = a.held, wait = env.wait,
        patience = env.patience })
    if settled.outcome == "moved" then
      return (settled.shut_off and "the domain moved to " or "the domain runs on ") .. a.destination, lease.stands
    end
    if settled.outcome == "stayed" then return "the domain stayed on " .. a.source end
    errors.raise { code = "NEEDS_OPERATOR", where = false, needs_operator = true, hint = settled.hint,
      -- A job that runs needs its key, its tunnel and its port: they stay until it is over.
      keep_rest = settled.action == "wait" or nil,
      message = ("%s (%s: %s; %s: %s)"):format(settled.text, a.source, settled.source, a.destination,
        settled.destination) }
  end,
}
