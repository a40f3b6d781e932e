--- What follows a move: the definition at the source, autostart, checks against the record, the summary.
-- Tested by tests/stdlib/migrate_after_test.lua and the lab's tests.
local async = require "async"
local core = require "drover.core"
local errors = require "errors"
local script = require "script"
local storage = require "migrate.storage"
local units = require "units"
local xml = require "xml"

local after = {}

local function moved_domain(move) return move.destination.virt:domain(move.uuid) end

--- Removes the definition that stayed at the source; only after the domain was seen at the destination, persistent, and
-- without a difference to the record: until a person has looked, it is the way back.
function after.undefine_source(move)
  if move.ctx.planning then
    move.ctx.plan:add { host = move.source.name, text = "undefine " .. move.name .. " (its disks stay)" }
    return
  end
  local left = move.source.virt:find_domain(move.uuid)
  if not left then return end
  if #(move.differences or {}) > 0 then
    move.ctx:warn(("%s keeps its definition of %s, for the comparison found: %s"):format(move.source.name, move.name,
      table.concat(move.differences, "; ")), ("look at it on %s, then on %s: virsh undefine %s --keep-nvram"):format(
      move.destination.name, move.source.name, move.name))
    return
  end
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

-- A difference to the record: told, and the source's definition stays.
local function differs(move, message, hint)
  move.ctx:warn(message, hint)
  move.differences[#move.differences + 1] = message
end

-- What libvirt makes anew on every host is no difference; nor is, of a running domain, what it makes at each start.
local made_anew = { "/domain/seclabel", "/domain/devices/disk/backingStore", "/domain/devices//alias" }
local made_at_start = { "/domain/currentMemory", "/domain/resource", "/domain/devices/interface/target",
  "/domain/devices/graphics", "/domain/devices/console", "/domain/devices/serial", "/domain/devices/channel" }

local function comparable(text, is_running)
  local document = xml.parse(text)
  for _, path in ipairs(made_anew) do document:remove_all(path) end
  for _, path in ipairs(is_running and made_at_start or {}) do document:remove_all(path) end
  document:set_attribute("id", nil)
  return document
end

local function check_definition(move, domain)
  local persistent = domain:is_persistent()
  if move.p.persistent and not persistent then
    differs(move, "the domain has no definition at the destination: it is gone when it stops")
  end
  -- Of a domain that is transient on one side, what runs is compared.
  local before, now, is_running
  if move.inactive and persistent then
    before, now = move.inactive:to_text(), domain:xml { inactive = true }
  elseif move.before.definition then
    before, now, is_running = move.before.definition, domain:xml { migratable = true }, true
  else
    return
  end
  local unexpected = {}
  for _, one in ipairs(xml.diff(comparable(before, is_running), comparable(now, is_running))) do
    local renamed = one.path == "/domain/name" and move.new_name ~= move.name
    local asked = one.path:find("/interface") and next(move.p.network or {}) or one.path:find("/disk") and
      move.p.cdrom == "eject"
    if not renamed and not asked then unexpected[#unexpected + 1] = one end
  end
  if #unexpected > 0 then
    differs(move, "the definition at the destination differs: " .. unexpected[1].path,
      is_running and "look: virsh dumpxml --migratable" or "compare: virsh dumpxml --inactive on both hosts")
  end
end

-- What a disk names, whatever kind it is of.
local function source_of(disk, path)
  if path then return path end
  local words = {}
  for _, name in ipairs { "protocol", "pool", "name", "volume" } do
    words[#words + 1] = disk.node:value("source/@" .. name)
  end
  return #words > 0 and table.concat(words, " ") or "nothing"
end

-- Each disk must be open where the run put it; a copied one must be there as a file, and as large.
local function check_disks(move, domain)
  local now = {}
  for _, disk in ipairs(storage.disks { live = xml.parse(domain:xml {}) }) do now[disk.target] = disk end
  for _, disk in ipairs(move.disks) do
    local there = now[disk.target]
    local is_volume = disk.node:attribute("type") == "volume"
    local wanted = source_of(disk, not is_volume and disk.path_there or nil)
    if disk.device == "cdrom" and move.p.cdrom == "eject" then wanted = "nothing" end
    local found = there and source_of(there, there.path) or "missing"
    if wanted ~= found then
      differs(move, ("disk %s should be %s there and is %s"):format(disk.target, wanted, found),
        "look: virsh domblklist on both hosts")
    elseif disk.action == "copy" then
      if not move.destination:stat(disk.path_there) then
        differs(move, ("the file of disk %s, %s, is gone there: its data is lost when the guest stops"):format(
          disk.target, disk.path_there))
      end
      local capacity_bytes = domain:block_info(disk.target).capacity_bytes
      if disk.capacity_bytes and capacity_bytes ~= disk.capacity_bytes then
        differs(move, ("disk %s was %s large and is %s"):format(disk.target, units.format_size(disk.capacity_bytes),
          units.format_size(capacity_bytes)))
      end
    end
  end
end

-- A3, A41: the destination starts it at boot when that was asked for, and the source does not in any case.
local function check_autostart(move, domain)
  local left = move.source.virt:find_domain(move.uuid)
  if move.before.persistent and not (left and left:is_persistent()) then
    differs(move, ("the definition on %s, the way back, is gone"):format(move.source.name),
      "it is kept in the journal: drover report --json")
  elseif left and left:is_persistent() and left:autostart() then
    differs(move, ("%s starts it at boot too, over its old disks"):format(move.source.name),
      ("on %s: virsh autostart --disable %s"):format(move.source.name, move.name))
  end
  if not domain:is_persistent() then return end
  local wanted, now = move.before.autostart and move.p.autostart == "carry", domain:autostart()
  if wanted ~= now then
    differs(move, now and "it starts with its host now, and was not to"
      or "it does not start with its host, and was to", ("on %s: virsh autostart %s%s"):format(move.destination.name,
      now and "--disable " or "", move.new_name))
  end
end

local function check_addresses(move, domain)
  if not move.before.agent then return end
  local now = async.poll("10s", "200ms", function()
    return errors.catch({ "AGENT_UNRESPONSIVE", "OPERATION_INVALID", "UNSUPPORTED", "NO_AGENT" }, domain.addresses,
      domain, "agent")
  end)
  if not now then
    differs(move, "the guest's agent answered before the move and does not answer now")
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
    differs(move, ("the guest's address was %s and is %s"):format(tostring(old), tostring(new)))
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

--- Compares the moved domain with what was recorded before: state, definition, disks, autostart, addresses, agent.
-- move.differences has what it found; undefine_source looks at it.
function after.verify(move)
  if move.ctx.planning then return end
  move.differences = {}
  local domain = moved_domain(move)
  local state = domain:state()
  move.state_seen = state.state
  local wanted = move.p.suspend and "paused" or move.before.state
  if state.state ~= wanted then
    differs(move, ("the domain was %s and is %s (%s)"):format(move.before.state, state.state, tostring(state.reason)))
  end
  check_definition(move, domain)
  check_disks(move, domain)
  check_autostart(move, domain)
  if state.state == "running" then
    check_addresses(move, domain)
    check_reach(move)
  end
  local blocks = {}
  for _, disk in ipairs(move.disks) do
    if storage.is_writable(disk) and domain:block_job(disk.target) then blocks[#blocks + 1] = disk.target end
  end
  if #blocks > 0 then
    differs(move, "block jobs are left on " .. table.concat(blocks, ", "), "virsh blockjob --abort ends them")
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
  local state = move.state_seen or moved_domain(move):state().state
  ctx:report("domain", ("%s %s on %s"):format(move.new_name, state == "running" and "runs" or "is " .. state,
    move.destination.name))
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
  if move.made_nvram then ctx:report("NVRAM", "copied; the source's file stays") end
end

return after
