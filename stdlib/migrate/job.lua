--- The move itself: libvirt's migration with its options. It is watched by migrate/watch.lua.
-- Tested by tests/stdlib/migrate_job_test.lua and the lab's tests.
local async = require "async"
local channel = require "migrate.channel"
local converge = require "migrate.converge"
local core = require "drover.core"
local errors = require "errors"
local held = require "migrate.held"
local storage = require "migrate.storage"
local watch = require "migrate.watch"
local xml = require "xml"

local job = {}

-- The definition that the destination gets, where parameters ask for another: new name, networks, empty drives.
local function changed_xml(move, text)
  local p = move.p
  local document = xml.parse(text)
  local changed = false
  for old, new in pairs(p.network or {}) do
    for _, attribute in ipairs { "network", "bridge" } do
      for _, node in ipairs(document:find_all("/domain/devices/interface/source[@" .. attribute .. "=$old]",
        { old = old })) do
        node:set_attribute(attribute, new)
        changed = true
      end
    end
  end
  if p.cdrom == "eject" then
    for _, node in ipairs(document:find_all("/domain/devices/disk[@device='cdrom']/source")) do
      node:remove()
      changed = true
    end
  end
  return changed and document:to_text() or nil
end

--- Whether libvirt is to leave the destination's copy paused, for drover to start it. A3: libvirt's destination starts
-- it without knowing that its answer arrives; when the answer is lost, the source takes the move for failed and goes on
-- too: two writers [libvirt src/libvirt-domain.c, virDomainMigrateVersion3Full]. A post-copy move never goes back.
function job.is_held(move)
  return move.state ~= nil and move.state.state == "running" and not move.p.suspend
    and not converge.wants_post_copy(move.p)
end

-- What the definition is for the destination, or for the next start there.
local live, next_start = { migratable = true }, { inactive = true }

-- With its passwords: this text replaces what libvirt would have sent, and a display whose password is missing lets
-- everybody in [libvirt src/qemu/qemu_migration.c, qemuMigrationSrcBeginXML]. It is given to libvirt and shown nowhere.
local function definition_to_send(move, flags)
  local with_passwords = { secure = true }
  for name, value in pairs(flags) do with_passwords[name] = value end
  return changed_xml(move, move.domain:xml(with_passwords))
end

--- libvirt's options for this move.
function job.options(move)
  local p = move.p
  local copied = storage.copied(move)
  local uris = channel.uris(move)
  local options = {
    live = true, change_protection = true, abort_on_error = true,
    peer_to_peer = p.mode == "p2p" or nil, tunnelled = p.channel == "tunnel" or nil, tls = p.channel == "tls" or nil,
    tls_destination = move.tls_name,
    persist_destination = p.persistent or nil, paused = p.suspend or job.is_held(move) or nil, unsafe = p.unsafe or nil,
    auto_converge = p.auto_converge or nil,
    post_copy = converge.wants_post_copy(p) or nil,
    uri = uris.uri, disks_uri = uris.disks_uri, disks_port = uris.disks_port,
    destination_name = move.new_name ~= move.name and move.new_name or nil,
    listen_address = p.listen_address ~= "" and p.listen_address or nil,
    bandwidth_mibps = p.bandwidth > 0 and math.max(1, p.bandwidth // 1048576) or nil,
  }
  if #copied > 0 then
    options.non_shared_disk = true
    options.migrate_disks = copied
  end
  if p.parallel > 1 then
    options.parallel = true
    options.parallel_connections = p.parallel
  end
  if p.compression ~= "none" then
    options.compressed = true
    options.compression = { p.compression }
  end
  options.destination_xml = definition_to_send(move, live)
  if move.inactive and p.persistent then options.persistent_xml = definition_to_send(move, next_start) end
  return options
end

--- Adds the move to the plan.
function job.describe(move)
  if not move.ctx.planning then return end
  move.memory_port = move.memory_port or 49152
  local names = {}
  for name, value in pairs(job.options(move)) do
    if value == true then
      names[#names + 1] = name
    elseif name ~= "destination_xml" and name ~= "persistent_xml" then
      names[#names + 1] = name .. "=" .. (type(value) == "table" and table.concat(value, ",") or tostring(value))
    end
  end
  table.sort(names)
  local lines = { table.concat(names, " ") }
  local before = move.domain:xml(live)
  local changed = changed_xml(move, before)
  if changed then
    for line in xml.format_diff(xml.diff(before, changed)):gmatch("[^\n]+") do
      lines[#lines + 1] = line
    end
  end
  move.ctx.plan:add { host = move.source.name, text = "move " .. move.name .. " to " .. move.destination.name,
    lines = lines }
  if job.is_held(move) then
    move.ctx.plan:add { host = move.destination.name,
      text = ("start %s, which arrives paused, once it is seen to be off on %s"):format(move.new_name,
        move.source.name) }
  end
end

--- Whether libvirt refused the port before anything was sent [src/util/virportallocator.c, virPortAllocatorSetUsed].
function job.is_refused_port(problem)
  return errors.message(problem):find("Failed to reserve port", 1, true) ~= nil
end

--- Runs the move to its end. Gives the error that libvirt reported, or nil; who has the domain is asked afterwards.
-- A cancellation (Ctrl-C) aborts the job and waits for its end.
function job.run(move)
  local options = job.options(move)
  local started_ms = async.monotonic_ms()
  local start = held.follow(move, job.is_held(move))
  local moving = async.spawn(function()
    if move.p.mode == "p2p" then return move.domain:migrate_to_uri(channel.peer_uri(move), options) end
    return move.domain:migrate(move.destination.virt, options)
  end)
  -- Its own cancellation ends in it. Else ours, of a Ctrl-C that comes just now, would be taken for it and be lost; so
  -- it is told by the next wait.
  local watcher = async.spawn(core.pcall, watch.run, move, moving)
  local ok, result = core.pcall(async.await, moving)
  move.stood_still_ms = async.shield(start.finish, start, ok)
  move.elapsed_ms = async.monotonic_ms() - started_ms
  watcher:cancel()
  local watched, why = async.await(watcher)
  if not watched and not core.is_cancellation(why) then
    move.ctx:warn("the move was not watched to its end: " .. errors.message(why),
      "its time limit and its policy did not act")
  end
  if ok then return nil end
  local problem = errors.wrap(result)
  if job.is_refused_port(problem) then
    problem.hint = "libvirt there keeps ports of past moves reserved: name another --port, or none, or restart it"
  end
  if move.left and core.is_cancellation(problem) then
    problem = errors.new { code = "NOT_SETTLED", host = move.source.name, cause = problem,
      message = "the move was left, " .. move.gave_up }
  elseif move.gave_up and not core.is_cancellation(problem) then
    problem.message = "the move was given up, " .. move.gave_up
    problem.hint = "more --bandwidth, --auto-converge, --post-copy or a longer --downtime let it converge"
  end
  return problem
end

return job
