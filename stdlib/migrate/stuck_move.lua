--- Frees a move that was aborted, or is over, and whose call does not return: what it may wait for is taken away, one
-- thing after the other.
-- Tested by tests/stdlib/migrate_job_test.lua and tests/faults.
local async = require "async"
local core = require "drover.core"
local errors = require "errors"
local reconcile = require "reconcile"
local script = require "script"

local stuck_move = {}

--- How long the move has to end, and then again after each thing that was taken away.
stuck_move.patience_ms = 10000

-- Ends the source's connections to the move's ports (ss -K). Where the destination's answers are lost, nothing else
-- tells the source that the other end is gone; TCP itself waits for a quarter of an hour [tcp(7), tcp_retries2].
local end_connections = [[
address=$1
shift
for port; do ss --kill --tcp --no-header dst "$address" dport = ":$port" >/dev/null 2>&1; done
exit 0]]

-- In this order: is_due(move, how), and take_away(move).
local ways = {
  -- A QEMU at the destination that stands still. The table says whether that copy may go; it asks the source.
  { what = "the destination's copy",
    is_due = function(_, how) return how == "aborted" end,
    take_away = function(move)
      reconcile.settle(move.source, move.destination, move.uuid, { before = move.state.state, wait = "0s" })
    end },
  -- Data that go nowhere.
  { what = "its connections",
    is_due = function(move, how) return how ~= "over" and move.memory_port ~= nil end,
    take_away = function(move)
      script.run(move.source, end_connections, { move.to_address, move.memory_port, move.disks_port })
    end },
  -- An answer through a tunnel that stands still, and a libvirt that waits for a guest that is off: that its connection
  -- to the destination ends wakes it.
  { what = "its tunnel",
    is_due = function() return true end,
    take_away = function(move) move.ctx:release "tunnel" end },
}

local reasons = {
  aborted = "the move was aborted and does not end",
  silent = "the move was aborted and does not end",
  over = "the source has no job of the move any more, and its call does not return",
}

local function take_away(move, way)
  local ok, problem = core.pcall(way.take_away, move)
  if ok then return end
  if core.is_cancellation(problem) then error(problem, 0) end
  move.ctx:warn(("%s could not be taken away: %s"):format(way.what, errors.message(problem)))
end

--- What may get stuck of a move. free(how, waited_ms) is called again and again while it does not end: it takes the
-- next thing away once the one before had its time, and gives false when nothing is left that could help.
-- how: "aborted"; "silent", which is aborted by a source that answers nobody, so nothing is tried that would have to
-- ask it; or "over". waited_ms: for how long it was already waited for at the first call.
function stuck_move.of(move)
  local self, tried, since_ms = {}, 0, nil
  function self.free(how, waited_ms)
    local now_ms = async.monotonic_ms()
    since_ms = since_ms or now_ms - waited_ms
    if now_ms - since_ms < stuck_move.patience_ms then return true end
    if tried == 0 then move.ctx:warn(reasons[how] .. "; what it waits for is taken away") end
    repeat
      tried = tried + 1
      if not ways[tried] then return false end
    until ways[tried].is_due(move, how)
    take_away(move, ways[tried])
    since_ms = async.monotonic_ms()
    return true
  end
  return self
end

return stuck_move
