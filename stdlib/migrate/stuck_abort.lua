--- Frees an aborted move that does not end: what its QEMU may wait for is taken away, one thing after the other.
-- Tested by tests/stdlib/migrate_job_test.lua and tests/faults.
local async = require "async"
local core = require "drover.core"
local errors = require "errors"
local reconcile = require "reconcile"
local script = require "script"

local stuck_abort = {}

--- How long the abort, and then each thing that was taken away, has to end the move.
stuck_abort.patience_ms = 10000

-- Ends the source's connections to the move's ports (ss -K). Where the destination's answers are lost, nothing else
-- tells the source that the other end is gone; TCP itself waits for a quarter of an hour [tcp(7), tcp_retries2].
local end_connections = [[
address=$1
shift
for port; do ss --kill --tcp --no-header dst "$address" dport = ":$port" >/dev/null 2>&1; done
exit 0]]

-- In this order: is_due(move, source_is_silent), and take_away(move).
local ways = {
  -- A QEMU at the destination that stands still. The table says whether that copy may go; it asks the source.
  { what = "the destination's copy",
    is_due = function(_, source_is_silent) return not source_is_silent end,
    take_away = function(move)
      reconcile.settle(move.source, move.destination, move.uuid, { before = move.state.state, wait = "0s" })
    end },
  -- Data that go nowhere.
  { what = "its connections",
    is_due = function(move) return move.memory_port ~= nil end,
    take_away = function(move)
      script.run(move.source, end_connections, { move.to_address, move.memory_port, move.disks_port })
    end },
  -- An answer through a tunnel that stands still.
  { what = "its tunnel",
    is_due = function() return true end,
    take_away = function(move) move.ctx:release "tunnel" end },
}

local function take_away(move, way)
  local ok, problem = core.pcall(way.take_away, move)
  if ok then return end
  if core.is_cancellation(problem) then error(problem, 0) end
  move.ctx:warn(("%s could not be taken away: %s"):format(way.what, errors.message(problem)))
end

--- The abort of a move, should it get stuck. Its method free(waited_ms, source_is_silent) is called again and again
-- while the abort does not end: it takes the next thing away once the one before had its time, and gives false when
-- nothing is left that could help. waited_ms: for how long the abort was already waited for at the first call.
-- source_is_silent: the source answers nobody, so nothing is tried that would have to ask it.
function stuck_abort.of(move)
  local self, tried, since_ms = {}, 0, nil
  function self.free(_, waited_ms, source_is_silent)
    local now_ms = async.monotonic_ms()
    since_ms = since_ms or now_ms - waited_ms
    if now_ms - since_ms < stuck_abort.patience_ms then return true end
    if tried == 0 then
      move.ctx:warn "the move was aborted and does not end; what it waits for is taken away"
    end
    repeat
      tried = tried + 1
      if not ways[tried] then return false end
    until ways[tried].is_due(move, source_is_silent)
    take_away(move, ways[tried])
    since_ms = async.monotonic_ms()
    return true
  end
  return self
end

return stuck_abort
