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

-- The move as one check sees it: faults and warnings are kept, so that they come in the order of the checks and not in
-- that of the answers.
local function apart(move)
  local kept = {}
  local ctx = setmetatable({
    fault = function(_, ...) kept[#kept + 1] = table.pack("fault", ...) end,
    warn = function(_, ...) kept[#kept + 1] = table.pack("warn", ...) end,
  }, { __index = move.ctx, __newindex = move.ctx })
  return setmetatable({ ctx = ctx }, { __index = move, __newindex = move }), kept
end

-- A check that cannot be made is a fault: not known is not fine. An unfinished run of the domain says so itself.
local function run_check(move, one)
  local own, kept = apart(move)
  local ok, problem = core.xpcall(one[2], core.complete_error, own)
  if ok then return kept end
  if core.is_cancellation(problem) then error(problem, 0) end
  local message = errors.message(problem)
  if not errors.is(problem, "DOMAIN_BUSY") then message = ("cannot check %s: %s"):format(one[1], message) end
  own.ctx:fault(message, rawget(problem, "hint"), rawget(problem, "host"))
  if move.ctx.verbose then move.ctx.screen:note(tostring(rawget(problem, "traceback"))) end
  return kept
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
  for _, kept in ipairs(async.parallel(checks, 16, function(one) return run_check(move, one) end)) do
    for _, told in ipairs(kept) do move.ctx[told[1]](move.ctx, table.unpack(told, 2, told.n)) end
  end
end

return preflight
