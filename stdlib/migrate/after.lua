--- What follows a move: the definition at the source, autostart, checks against the record, the summary.
-- Tested by the lab's tests.
local async = require "async"
local core = require "drover.core"
local errors = require "errors"
local script = require "script"
local storage = require "migrate.storage"
local units = require "units"
local xml = require "xml"

local after = {}

local function moved_domain(move) return move.destination.virt:domain(move.uuid) end

--- Removes the definition that stayed at the source; only after the domain was seen at the destination, persistent.
function after.undefine_source(move)
  if move.ctx.planning then
    move.ctx.plan:add { host = move.source.name, text = "undefine " .. move.name .. " (its disks stay)" }
    return
  end
  local left = move.source.virt:find_domain(move.uuid)
  if not left then return end
  if not moved_domain(move):is_persistent() then
    errors.raise { code = "NOT_PERSISTENT", host = move.destination.name, where = false,
      message = "the domain has no definition here, so the source keeps its own" }
  end
  if left:is_active() then
    errors.raise { code = "STILL_ACTIVE", host = move.source.name, where = false, needs_operator = true,
      message = move.name .. " is active here too; its definition stays" }
  end
  left:undefine { nvram = "keep", managed_save = "remove", snapshots = "remove_metadata" }
end

--- For a domain that starts at its host's boot and has moved: the destination starts it from now on (mode "carry"), and
-- the source does not. The source first: should drover die in between and that host boot, it must not start its old
-- disks beside the guest that moved (A3). A recovery calls it too.
function after.pass_autostart(source, destination, uuid, mode)
  local domain = destination.virt:domain(uuid)
  -- A41: without a definition there is nothing to start, and the flag would be lost with the source's.
  if mode == "carry" and not domain:is_persistent() then return end
  local left = source.virt:find_domain(uuid)
  if left and left:is_persistent() then left:set_autostart(false) end
  if mode == "carry" then domain:set_autostart(true) end
end

--- Carries the autostart flag, and clears it at the source: two hosts must not both start it at boot.
function after.carry_autostart(move)
  local p = move.p
  if move.ctx.planning then
    if move.autostart then
      move.ctx.plan:add { host = move.destination.name, text = "autostart " .. p.autostart .. " for " .. move.new_name }
      move.ctx.plan:add { host = move.source.name, text = "no autostart for " .. move.name .. " any more" }
    end
    return
  end
  if move.autostart then after.pass_autostart(move.source, move.destination, move.uuid, p.autostart) end
end

-- What libvirt makes anew on every host is no difference.
local function comparable(text)
  local document = xml.parse(text)
  for _, path in ipairs { "/domain/seclabel", "/domain/devices/disk/backingStore", "/domain/devices//alias" } do
    document:remove_all(path)
  end
  return document
end

local function check_definition(move, domain)
  if not (move.inactive and domain:is_persistent()) then return end
  local differences = xml.diff(comparable(move.inactive:to_text()), comparable(domain:xml { inactive = true }))
  local unexpected = {}
  for _, one in ipairs(differences) do
    local renamed = one.path == "/domain/name" and move.new_name ~= move.name
    local asked = one.path:find("/interface") and next(move.p.network or {}) or one.path:find("/disk") and
      move.p.cdrom == "eject"
    if not renamed and not asked then unexpected[#unexpected + 1] = one end
  end
  if #unexpected > 0 then
    move.ctx:warn("the definition at the destination differs: " .. unexpected[1].path,
      "compare: virsh dumpxml --inactive on both hosts")
  end
end

local function check_addresses(move, domain)
  if not move.before.agent then return end
  local now = async.poll("10s", "200ms", function()
    return errors.catch({ "AGENT_UNRESPONSIVE", "OPERATION_INVALID", "UNSUPPORTED", "NO_AGENT" }, domain.addresses,
      domain, "agent")
  end)
  if not now then
    move.ctx:warn("the guest's agent answered before the move and does not answer now")
    return
  end
  move.agent_answers = true
  local function first_address(list)
    for _, interface in ipairs(list) do
      for _, one in ipairs(interface.addresses or {}) do
        if one.address and not one.address:find("^127%.") and not one.address:find(":") then return one.address end
      end
    end
  end
  local old, new = first_address(move.before.addresses), first_address(now)
  if old ~= new then
    move.ctx:warn(("the guest's address was %s and is %s"):format(tostring(old), tostring(new)))
  end
  move.guest_address = new
end

local reach = [[command -v ping >/dev/null || exit 9; ping -n -q -c 1 -W 2 -- "$1" >/dev/null]]

-- A39: a guest that runs and that nobody reaches is not moved well; a switch may need a moment to learn its place.
local function check_reach(move)
  if not move.guest_address then return end
  local answered = async.poll("5s", "100ms", function()
    local code = script.read(move.destination, reach, { move.guest_address }, { check = false }).exit_code
    return (code == 0 or code == 9) and code
  end)
  if answered == 0 then
    move.reached = true
  elseif not answered then
    move.ctx:warn(("%s does not answer ping from %s"):format(move.guest_address, move.destination.name),
      "it may never have; else look at bridges and at the switch's table of addresses")
  end
end

--- Compares the moved domain with what was recorded before: state, definition, addresses, agent.
function after.verify(move)
  if move.ctx.planning then return end
  local domain = moved_domain(move)
  local state = domain:state()
  local wanted = move.p.suspend and "paused" or move.before.state
  if state.state ~= wanted then
    move.ctx:warn(("the domain was %s and is %s (%s)"):format(move.before.state, state.state, tostring(state.reason)))
  end
  if move.p.persistent and not domain:is_persistent() then
    move.ctx:warn("the domain has no definition at the destination: it is gone when it stops")
  end
  check_definition(move, domain)
  if state.state == "running" then
    check_addresses(move, domain)
    check_reach(move)
  end
  local blocks = {}
  for _, disk in ipairs(move.disks) do
    if storage.is_writable(disk) and domain:block_job(disk.target) then blocks[#blocks + 1] = disk.target end
  end
  if #blocks > 0 then
    move.ctx:warn("block jobs are left on " .. table.concat(blocks, ", "), "virsh blockjob --abort ends them")
  end
end

local function completed(move)
  for _, one in ipairs { move.destination, move.source } do
    local ok, statistics = core.pcall(function() return one.virt:domain(move.uuid):job_completed() end)
    if ok and statistics and statistics.type ~= "none" then return statistics end
  end
  return move.last_statistics or {}
end

--- Rows of the closing summary.
function after.summarise(move)
  if move.ctx.planning then return end
  local ctx = move.ctx
  local statistics = completed(move)
  ctx:report("domain", ("%s runs on %s%s"):format(move.new_name, move.destination.name,
    move.p.suspend and ", paused" or ""))
  ctx:report("the move took", units.format_duration(move.elapsed_ms))
  -- libvirt's own figure goes from clock to clock, and ends where it leaves the copy: the hosts' events come first.
  local stood_still_ms = move.stood_still_ms or statistics.downtime_ms
  if stood_still_ms then ctx:report("of it the guest stood still", units.format_duration(stood_still_ms)) end
  local bytes = (statistics.memory_processed_bytes or 0) + (statistics.disk_processed_bytes or 0)
  if bytes > 0 then ctx:report("sent", units.format_size(bytes)) end
  local copied = storage.copied(move)
  if #copied > 0 then
    ctx:report("disks", ("%s copied; the source's files stay"):format(table.concat(copied, ", ")))
  end
end

return after
