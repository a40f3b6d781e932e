--- Convergence policies: what to do, stall by stall, when a move makes no progress. Data first, so that a site can
-- write its own. The shipped ones follow oVirt's [ovirt-engine 0000_config.sql, MigrationPolicies].
-- Tested by tests/stdlib/converge_test.lua.
local errors = require "errors"

local converge = {}

-- A row never lowers the downtime that is in force: --downtime, or QEMU's own 300 ms.
-- stalls: how many iterations in a row left no less memory than the best one before. Each row acts once; an iteration
-- that gets further begins the count anew, and the rows that acted stay done.
converge.policies = {
  ["minimal-downtime"] = {
    { stalls = 1, action = "downtime", downtime_ms = 150 },
    { stalls = 2, action = "downtime", downtime_ms = 200 },
    { stalls = 3, action = "downtime", downtime_ms = 300 },
    { stalls = 4, action = "downtime", downtime_ms = 400 },
    { stalls = 6, action = "downtime", downtime_ms = 500 },
    { stalls = 10, action = "abort", reason = "it did not converge" },
  },
  ["suspend-workload"] = {
    { stalls = 1, action = "downtime", downtime_ms = 150 },
    { stalls = 2, action = "downtime", downtime_ms = 300 },
    { stalls = 3, action = "downtime", downtime_ms = 500 },
    { stalls = 5, action = "suspend" },
  },
  ["post-copy"] = {
    { stalls = 1, action = "downtime", downtime_ms = 150 },
    { stalls = 2, action = "downtime", downtime_ms = 300 },
    { stalls = 4, action = "post-copy" },
  },
  none = {},
}

--- The policy that the parameters ask for. --post-copy without one is that of post-copy: it would switch nothing.
function converge.policy_of(p) return p.policy or (p.post_copy and "post-copy" or "minimal-downtime") end

--- Whether the parameters may lead to post-copy, which libvirt must know from the start.
function converge.wants_post_copy(p)
  return p.post_copy or p.timeout_action == "post-copy" or p.policy == "post-copy"
end

--- Refuses --post-copy beside a policy that never switches: it would be paid for (job.is_held) and not had.
function converge.check(p)
  if not p.post_copy or p.timeout_action == "post-copy" or converge.policy_of(p) == "post-copy" then return end
  errors.raise { domain = "usage", code = "BAD_PARAMETER", where = false,
    message = ("--post-copy: nothing would switch to it under --policy %s"):format(tostring(p.policy)),
    hint = "leave --policy out, or add --timeout-action post-copy" }
end

local follower = {}
follower.__index = follower

--- Follows the iterations of a job under a policy: a name of converge.policies, or such a list. Raises NO_POLICY.
function converge.follow(policy)
  local rows = type(policy) == "table" and policy or converge.policies[policy]
  if not rows then
    errors.raise { code = "NO_POLICY", message = ("there is no convergence policy '%s'"):format(tostring(policy)) }
  end
  return setmetatable({ rows = rows, stalls = 0, done = 0 }, follower)
end

--- Takes the job's statistics; gives the row to act on now, or nil.
function follower:next(statistics)
  local iteration = statistics.memory_iteration
  local remaining_bytes = statistics.memory_remaining_bytes
  if not iteration or not remaining_bytes or iteration == self.iteration then return nil end
  self.iteration = iteration
  if iteration < 2 then return nil end  -- the first pass copies everything; it cannot stall
  if not self.least_bytes or remaining_bytes < self.least_bytes then
    self.least_bytes = remaining_bytes
    self.stalls = 0
    return nil
  end
  self.stalls = self.stalls + 1
  for index = self.done + 1, #self.rows do
    local row = self.rows[index]
    if self.stalls < row.stalls then return nil end
    self.done = index
    if self.stalls == row.stalls or index == #self.rows or self.stalls < self.rows[index + 1].stalls then return row end
  end
  return nil
end

return converge
