-- Follow-up "after-move": what must not be forgotten once a domain has moved, should the run end before its own steps
-- did it. A domain that starts at its host's boot: the destination starts it from now on, or nobody does; the source
-- does not, for it would start its old disks (A3). A definition that was to be removed at the source is named only:
-- nothing is removed unless the domain was compared with the record first.
-- Arguments: source, destination, uuid, autostart ("carry" or "off"; nil when it does not start at boot),
-- undefine_source (true when asked for).
-- Tested by tests/stdlib/after_move_test.lua and tests/faults.
local lease = require "lease"

local function autostart(a, env)
  if not a.autostart then return nil end
  if env.fenced and env.fenced[a.source] then
    return ("not done: autostart; before %s comes back, see that it does not start its old disks (virsh autostart "
      .. "--disable)"):format(a.source)
  end
  require("migrate.after").pass_autostart(env:host(a.source), env:host(a.destination), a.uuid, a.autostart)
  return a.autostart == "carry" and ("%s starts it at boot now, %s does not"):format(a.destination, a.source)
    or "no host starts it at boot now"
end

local function definition(a, env)
  local is_out = env.fenced and env.fenced[a.source]
  local left = a.undefine_source and not is_out and env:host(a.source).virt:find_domain(a.uuid)
  if not left then return nil end
  return ("not done: --undefine-source; look at it on %s, then on %s: virsh undefine %s --keep-nvram"):format(
    a.destination, a.source, left:name())
end

return lease.follow_up_kind {
  name = "after-move",
  describe = function(a) return { host = a.destination, text = "finish what follows the move" } end,
  follow_up = function(a, env)
    local passed = autostart(a, env)
    local words = { definition(a, env) }  -- first: a sentence that begins with "not done" is told as that
    words[#words + 1] = passed
    return #words > 0 and table.concat(words, "; ") or "absent"
  end,
}
