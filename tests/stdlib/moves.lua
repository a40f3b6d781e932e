-- Moves of tables for tests of migrate/job.lua and what it uses. A test loads it with test.load(..., "moves").
local test = require "test"
local fakes = test.load(..., "fakes")
local job = require "migrate.job"
local stuck_move = require "migrate.stuck_move"
local watch = require "migrate.watch"

local moves = {}

local definition = [[<domain><name>web1</name><devices>
  <interface type='bridge'><source bridge='br0'/></interface>
  <interface type='network'><source network='default'/></interface>
  <disk type='file' device='cdrom'><source file='/iso'/><target dev='sda'/></disk>
</devices></domain>]]

moves.defaults = { mode = "p2p", channel = "ssh", persistent = true, suspend = false, unsafe = false,
  auto_converge = false,
  post_copy = false, timeout_action = "abort", timeout = 1800000, policy = "none", listen_address = "", bandwidth = 0,
  parallel = 1, compression = "none", network = {}, cdrom = "keep", downtime = 0 }

--- A move with parameters over the defaults; copied: targets of the disks to copy.
function moves.new(p, copied)
  local move = { p = setmetatable(p or {}, { __index = moves.defaults }), run_id = "RUN", name = "web1",
    new_name = "web1", to_address = "10.0.0.2", memory_port = 49152, disks_port = 49153, disks = {}, inactive = {},
    acts = {},
    source = { name = "a" }, destination = { name = "b", virt = {} } }
  for index, target in ipairs(copied or {}) do move.disks[index] = { target = target, action = "copy" } end
  move.domain = { xml = function() return definition end }
  move.ctx = fakes.screen()
  move.ctx.warn, move.ctx.screen = move.ctx.warning, move.ctx
  return move
end

--- Runs a move whose domain answers from these functions; what is done to it is in move.acts.
function moves.run(move, fields)
  local over
  local domain = move.domain
  function domain.job() return fields.statistics and fields.statistics() or { type = "unbounded" } end
  function domain.migrate_to_uri()
    local ended = async.poll("10s", 5, function() return over end)
    if over ~= "well" then errors.raise { code = ended and "OPERATION_ABORTED" or "HUNG", message = "aborted" } end
  end
  function domain.abort_job()
    move.acts[#move.acts + 1] = "abort"
    if fields.abort then fields.abort(#move.acts) end
    over = "aborted"
  end
  domain.migrate_max_downtime_ms = domain.migrate_max_downtime_ms or function() return 100 end
  for _, name in ipairs { "suspend", "start_post_copy", "set_migrate_max_downtime_ms" } do
    domain[name] = function(_, value)
      move.acts[#move.acts + 1] = name .. (value and " " .. value or "")
      if fields[name] then fields[name](value) end
      if name ~= "set_migrate_max_downtime_ms" then over = "well" end
    end
  end
  return job.run(move)
end

--- Runs body with so little patience.
function moves.with_patience(answer_ms, stuck_ms, body)
  local _ <close> = test.replace(watch, { patience = { answer_ms = answer_ms, return_ms = answer_ms,
    return_of_ended_ms = answer_ms // 10 } })
  local _ <close> = test.replace(stuck_move, { patience_ms = stuck_ms })
  body()
end

function moves.hang() async.sleep "1m" end

--- Runs a move whose domain has these functions beside its own. Its own call ends when it is cancelled, as libvirt's
-- does after its own limit.
function moves.endless(move, domain)
  for name, value in pairs(domain) do move.domain[name] = value end
  move.domain.migrate_to_uri = domain.migrate_to_uri or moves.hang
  move.state = { state = "running" }
  local began_ms = async.monotonic_ms()
  local problem = job.run(move)
  test.is_true(async.monotonic_ms() - began_ms < 20000, "it took as long as the host")
  return problem
end

return moves
