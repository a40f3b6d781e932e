-- Undo "settle-domain": ask both hosts who has the domain and act on the reconcile table.
-- Registered before a move; harmless when the move never began. Arguments: source, destination, uuid, before.
local errors = require "errors"
local lease = require "lease"
local reconcile = require "reconcile"

return lease.undo_kind {
  name = "settle-domain",
  longest_end = "40m",  -- a peer-to-peer move goes on without its client: it is waited for, not undone
  describe = function(a) return { host = a.source, text = "leave the domain on exactly one host" } end,
  undo = function(a, env)
    local settled = reconcile.settle(env:host(a.source), env:host(a.destination), a.uuid, { before = a.before })
    if settled.outcome == "operator" then
      errors.raise { code = "NEEDS_OPERATOR", where = false, needs_operator = true, hint = settled.hint,
        message = ("%s (%s: %s; %s: %s)"):format(settled.text, a.source, settled.source, a.destination,
          settled.destination) }
    end
    return settled.outcome
  end,
}
