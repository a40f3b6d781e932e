--- The guest's start at the destination, where libvirt left its copy paused (job.is_held), and how long it stood still.
--
-- The guest is down from its stop at the source on, so it is started by whichever proof that the source is off comes
-- first:
--   the source's QEMU ends, after it was stopped for the move and without an event that it went on in between, and the
--   destination's copy is complete: libvirt then says "suspended", "paused" [src/qemu/qemu_migration.c,
--   qemuMigrationDstComplete];
--   libvirt calls the move complete. That comes 0.2 s later at least, and seconds later for a guest of much memory:
--   libvirt looks for the end of a process in steps of that [src/util/virprocess.c, virProcessKillPainfullyDelay].
-- Tested by tests/stdlib/migrate_held_test.lua and the lab's tests.
local async = require "async"
local core = require "drover.core"
local domain_process = require "domain_process"
local errors = require "errors"
local script = require "script"

local held = {}

local follower = {}
follower.__index = follower

--- Ends when the process is gone or on its way out: from then on it runs no instruction of its own, only its memory is
-- given back. Of the fields behind the name the first is the state, the seventh has the kernel's flags (4: PF_EXITING),
-- the twentieth the start [proc(5), linux/sched.h]. Exit code 1 after some ten seconds.
held.departed = [[
pid=$1 start=$2 tries=0
while [ $tries -lt 1000 ]; do
  line=
  { read -r line < "/proc/$pid/stat"; } 2>/dev/null
  [ -n "$line" ] || exit 0
  set -- ${line##*) }
  case $1 in Z | X) exit 0 ;; esac
  [ "${20}" = "$start" ] && [ $(($7 & 4)) = 0 ] || exit 0
  tries=$((tries + 1))
  sleep 0.01
done
exit 1]]

-- Resumes the copy; a second time does nothing.
function follower:start()
  if self.started then return end
  self.started = true
  local ok, problem = core.pcall(function()
    local copy = self.copy or self.move.destination.virt:domain(self.move.uuid)
    copy:resume()
  end)
  if ok then return end
  self.started = false
  error(problem, 0)
end

-- Whether no event tells that the source went on. A call is answered after what its libvirt had to tell before: a
-- connection that is broken without a sign yet hides nothing so.
local function hear_out(self)
  async.timeout("2s", function() self.move.source.virt:hostname() end)
  async.sleep(3)  -- an event takes a thread more than an answer
  return not self.went_on
end

-- Waits for the end of the source's QEMU, and starts the guest when all is proven. What is in the way is left to
-- libvirt's own word.
local function start_early(self)
  while script.read(self.move.source, held.departed, self.process, { check = false }).exit_code ~= 0 do
    if self.over then return end
  end
  async.poll("5s", 2, function() return self.complete or self.over end)
  if self.complete and hear_out(self) and not self.over then self:start() end
end

local function on_source(self, event)
  if event.event == "resumed" or event.event == "started" then  -- or its definition, anew
    self.stopped_ms, self.went_on = nil, true
  elseif event.event == "suspended" then
    self.stopped_ms = async.monotonic_ms()
    if self.is_held and self.process and not self.waits then
      self.waits = async.spawn(core.pcall, start_early, self)
    end
  end
end

-- Looked up before it is needed: libvirt knows a domain by its UUID, so it stays the same one.
local function look_up_copy(self)
  if self.is_held and not self.copy then self.copy = self.move.destination.virt:find_domain(self.move.uuid) end
end

local function on_destination(self, event)
  if event.event == "suspended" and event.detail == "paused" then
    self.complete = true
  elseif event.event == "resumed" then
    self.running_ms = async.monotonic_ms()
  elseif event.event == "started" then
    look_up_copy(self)
  end
end

-- Tells events of the domain until the task is cancelled. An end of the events is no proof of anything.
local function listen(self, one, options, on_event)
  local ok, problem = core.pcall(function()
    local stream <close> = one.virt:events(options)
    if one == self.move.destination then self.hears = true end
    while true do
      local event = stream:next()
      if event.uuid == self.move.uuid then on_event(self, event) end
    end
  end)
  if not ok and not core.is_cancellation(problem) then self.went_on = true end
end

--- Follows a move that is about to begin. is_held: libvirt is to leave the destination's copy paused.
function held.follow(move, is_held)
  local self = setmetatable({ move = move, is_held = is_held }, follower)
  self.tasks = {
    async.spawn(function()
      if is_held then
        local ok, read = core.pcall(domain_process.read, move.source, move.name, move.uuid)
        if not ok and core.is_cancellation(read) then return end
        local pid, start = (ok and read or ""):match("^(%d+) (%d+)")
        self.process = pid and { pid, start } or nil
      end
      listen(self, move.source, { domain = move.uuid }, on_source)
    end),
    async.spawn(listen, self, move.destination, {}, on_destination),
  }
  return self
end

-- Whether the source is proven off, once libvirt called the move complete. In peer-to-peer mode that word is the
-- source's own: its daemon says so after it stopped its copy, and on that way never lets it go on [libvirt
-- src/qemu/qemu_migration.c, qemuMigrationSrcPerformPeer2Peer3, qemuMigrationSrcConfirmPhase]. In managed mode it is
-- that of drover's own libvirt, which passes over a source that did not answer: there the source is asked.
local function source_is_off(move)
  if move.p.mode == "p2p" then return true end
  local state, problem = errors.catch("NO_DOMAIN", move.domain.state, move.domain)
  return problem ~= nil or state.state == "shutoff"
end

--- The end of libvirt's call. complete: it ended well. Starts the guest unless that is done; whatever is in the way is
-- left to the reconcile table, which asks both hosts. Gives how long the guest stood still, in ms, by the hosts'
-- events; nil when they did not tell.
function follower:finish(complete)
  if complete then
    core.pcall(function()
      if self.is_held and not self.started and source_is_off(self.move) then self:start() end
      if self.hears then async.poll("500ms", 5, function() return self.running_ms end) end
    end)
  end
  self.over = true
  if self.waits then self.waits:cancel() end
  for _, task in ipairs(self.tasks) do task:cancel() end
  if complete and self.stopped_ms and self.running_ms then return math.max(0, self.running_ms - self.stopped_ms) end
end

return held
