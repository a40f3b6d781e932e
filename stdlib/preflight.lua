--- The checks before a move. All of them run, all that stands in the way is reported at once, nothing is changed.
--
-- Each part is a file of preflight/: a list of { name, check(move) }; a check calls ctx:fault (stops the run) or
-- ctx:warn. A site adds its own with preflight.add. Tested by tests/stdlib/preflight_test.lua and the lab's tests.
local async = require "async"
local core = require "drover.core"
local errors = require "errors"

local preflight = {}

local parts = { "identity", "domain", "cpu", "memory", "storage", "network", "ports" }

local added = {}

--- Adds a check of your own: function(move), with move.ctx, move.source, move.destination, move.live, move.disks.
function preflight.add(name, check) added[#added + 1] = { name, check } end

-- A check that cannot be made is a fault: not known is not fine.
local function run_check(move, one)
  local ok, problem = core.xpcall(one[2], core.complete_error, move)
  if ok then return end
  if core.is_cancellation(problem) then error(problem, 0) end
  move.ctx:fault(("cannot check %s: %s"):format(one[1], errors.message(problem)), rawget(problem, "hint"),
    rawget(problem, "host"))
  if move.ctx.verbose then move.ctx.screen:note(tostring(rawget(problem, "traceback"))) end
end

--- Makes every check of a move.
function preflight.all(move)
  -- A move to the same host makes every other answer meaningless.
  if move.same_host then
    move.ctx:fault(("%s and %s are the same host"):format(move.source.name, move.destination.name),
      "name another host with --to")
    return
  end
  require("migrate.storage").decide(move)
  local checks = {}
  for _, name in ipairs(parts) do
    for _, one in ipairs(require("preflight." .. name)) do checks[#checks + 1] = one end
  end
  table.move(added, 1, #added, #checks + 1, checks)
  async.parallel(checks, 16, function(one) run_check(move, one) end)
end

return preflight
