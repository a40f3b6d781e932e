-- Shows how two hosts are asked who has a domain: twice, patiently, and again after each act.
local errors = require "errors"
local test = require "test"
local reconcile = require "reconcile"
local fakes = test.load(..., "fakes")
fakes.no_pauses()

local uuid = "0f0e0d0c-0000-4000-8000-000000000001"

local quick = { before = "running", destination_had = "none", patience = "300ms", wait = "3s" }

local function with(fields)
  local options = {}
  for name, value in pairs(quick) do options[name] = value end
  for name, value in pairs(fields or {}) do options[name] = value end
  return options
end

local function hosts(source, destination)
  return fakes.host("a", { [uuid] = source }), fakes.host("b", { [uuid] = destination })
end

test.case("paused on both sides is rolled back, and read again", function()
  local a, b = hosts({ state = "paused", reason = "migration", persistent = true },
    { state = "paused", reason = "migration" })
  local settled = reconcile.settle(a, b, uuid, quick)
  test.equal({ settled.outcome, a.domains[uuid].state, b.domains[uuid] }, { "stayed", "running" })
  test.equal({ a.acts, b.acts }, { { "resume" }, { "destroy" } })
end)

test.case("A2: a definition that the move left at the destination is removed", function()
  local a, b = hosts({ state = "paused", reason = "migration", persistent = true },
    { state = "paused", reason = "migration", persistent = true })
  -- After its destroy the destination is shut off (destroyed): the source is resumed in the same act.
  local settled = reconcile.settle(a, b, uuid, quick)
  test.equal(settled.outcome, "stayed")
  test.equal(b.acts, { "destroy", "undefine" })
  test.is_nil(b.domains[uuid])
end)

test.case("the source's paused copy is destroyed only after the destination was read running twice", function()
  local a, b = hosts({ state = "paused", reason = "migration", persistent = true },
    { state = "running", reason = "migrated" })
  local looks_before_destroy
  local settled = reconcile.settle(a, setmetatable({}, { __index = function(_, name)
    if #a.acts == 0 then looks_before_destroy = b.looks end
    return b[name]
  end }), uuid, quick)
  test.equal({ settled.outcome, a.acts }, { "moved", { "destroy" } })
  test.is_true(looks_before_destroy >= 1, "looks")
  test.is_true(b.looks >= 4, "looks at the destination: " .. b.looks)
end)

test.case("an answer that changes between two looks is not acted on", function()
  local a, b = hosts({ state = "paused", reason = "migration" }, { state = "paused", reason = "migration" })
  b.on_look = function(one, count)
    -- The move ends well while we look.
    if count == 2 then
      one.domains[uuid] = { state = "running", reason = "migrated" }
      a.domains[uuid] = nil
    end
  end
  local settled = reconcile.settle(a, b, uuid, quick)
  test.equal({ settled.outcome, a.acts, b.acts }, { "moved", {}, {} })
end)

test.case("a copy that starts to run right before its destroy is left alone", function()
  local a, b = hosts({ state = "running", reason = "booted" }, { state = "paused", reason = "migration" })
  local seen_state = 0
  local record = b.domains[uuid]
  b.domains[uuid] = setmetatable({}, { __index = function(_, name)
    if name == "state" then
      seen_state = seen_state + 1
      if seen_state > 2 then record.state, record.reason = "running", "migrated" end
    end
    return record[name]
  end })
  local settled = reconcile.settle(a, b, uuid, quick)
  test.equal({ settled.outcome, b.acts }, { "operator", {} })
  test.matches(settled.text, "BOTH hosts")
end)

test.case("a job that runs is waited for", function()
  local a, b = hosts({ state = "running", reason = "booted", job = "unbounded" },
    { state = "paused", reason = "migration" })
  a.on_look = function(one, count)
    if count == 6 then
      one.domains[uuid] = nil
      b.domains[uuid] = { state = "running", reason = "migrated" }
    end
  end
  local settled = reconcile.settle(a, b, uuid, with { wait = "20s" })
  test.equal({ settled.outcome, a.acts, b.acts }, { "moved", {}, {} })
end)

test.case("A6: a source that ended in post-copy is looked at again, and is no proof that the guest is whole", function()
  for _, becomes in ipairs { "migrated", "post_copy_failed", "post_copy" } do
    local a, b = hosts({ state = "shutoff", reason = "crashed" }, { state = "running", reason = "post_copy" })
    b.on_look = function(one, count)
      if count == 4 then one.domains[uuid] = { state = "running", reason = becomes } end
    end
    local settled = reconcile.settle(a, b, uuid, with { patience = "2s" })
    test.equal({ becomes, settled.outcome, a.acts, b.acts },
      { becomes, becomes == "migrated" and "moved" or "operator", {}, {} })
  end
end)

test.case("a job that does not end within the wait is left to the operator", function()
  local a, b = hosts({ state = "running", reason = "booted", job = "unbounded" }, nil)
  local settled = reconcile.settle(a, b, uuid, with { wait = "400ms" })
  test.equal({ settled.outcome, settled.action, a.acts }, { "operator", "wait", {} })
end)

test.case("a host that does not answer for a moment is asked again over a new connection", function()
  local a, b = hosts({ state = "running", reason = "booted" }, nil)
  b.down = true
  b.on_look = function(one, count) if count == 4 then one.down = false end end
  local settled = reconcile.settle(a, b, uuid, with { patience = "10s" })
  test.equal(settled.outcome, "stayed")
  test.is_true(b.reopened >= 1, "reopened")
end)

test.case("a QEMU that does not answer is told from a host that does not, and nothing is done about it", function()
  local _ <close> = test.replace(reconcile, { longest_job_look = "20ms" })
  for _, how in ipairs { { hangs = { job = true } }, { fails = { job = "DOMAIN_BUSY" } } } do
    local record = { state = "running", reason = "booted", hangs = how.hangs, fails = how.fails }
    local a, b = fakes.host("a", { [uuid] = record }), fakes.host "b"
    local settled = reconcile.settle(a, b, uuid, { before = "running", destination_had = "none", patience = "0s" })
    test.equal({ settled.outcome, settled.action, a.acts, b.acts }, { "operator", "operator", {}, {} })
    test.matches(settled.text, "^on the source the domain's QEMU does not answer, and libvirt there says running ")
    test.matches(settled.hint, "virsh destroy.*drover recover")
  end
end)

test.case("a host that stays silent needs an operator, and says why", function()
  local a, b = hosts({ state = "paused", reason = "migration" }, nil)
  b.down = true
  local settled = reconcile.settle(a, b, uuid, quick)
  test.equal({ settled.outcome, a.acts }, { "operator", {} })
  test.matches(settled.text, "destination does not answer %(the connection is gone%)")
end)

test.case("an act without effect ends, and is named", function()
  local a, b = hosts({ state = "paused", reason = "migration", stubborn = true }, nil)
  local settled = reconcile.settle(a, b, uuid, quick)
  test.equal(settled.outcome, "operator")
  test.matches(settled.text, "resume it on the source was tried 5 times")
  test.equal(#a.acts, 5)
end)

test.case("an act that fails is named with its reason", function()
  local a, b = hosts({ state = "paused", reason = "migration", fails = { resume = "OPERATION_FAILED" } }, nil)
  local settled = reconcile.settle(a, b, uuid, quick)
  test.equal(settled.outcome, "operator")
  test.matches(settled.text, "resume failed")
end)

-- A source whose process is read by domain_process.
local function with_process(one, text)
  function one.query() return { exit_code = 0, output = text, errors = "" } end
  return one
end

test.case("A3: what a move defined goes only while the source has the same life of the guest", function()
  local process = { name = "web1", is = "4711 99 boot-1" }
  local function settled(now)
    local a, b = hosts({ state = "running", reason = "booted", persistent = true },
      { state = "shutoff", reason = "unknown", persistent = true })
    return reconcile.settle(with_process(a, now), b, uuid, with { held = true, process = process }), b
  end
  local same, b = settled "4711 99 boot-1\n"
  test.equal({ same.outcome, b.acts }, { "stayed", { "undefine" } })
  -- Started anew, by hand or by the host's boot; after the latter the same number and time say nothing.
  for _, now in ipairs { "4711 100 boot-1\n", "4711 99 boot-2\n", "" } do
    local other, at = settled(now)
    test.equal({ other.outcome, at.acts }, { "operator", {} }, now)
    test.matches(other.text, "may have run on the destination since")
    test.is_nil(other.is_unknown)
  end
end)

test.case("a host that cannot be reached is one that does not answer, until it can be", function()
  local b = fakes.host("b", {})
  local tries = 0
  local function reach(after)
    return reconcile.reach("a", function()
      tries = tries + 1
      if tries <= after then
        errors.raise { code = "NO_CONNECTION", host = "a", message = "connection refused" }
      end
      return fakes.host("a", { [uuid] = { state = "running", reason = "booted" } })
    end)
  end
  local settled = reconcile.settle(reach(2), b, uuid, with { patience = "10s" })
  test.equal({ settled.outcome, tries }, { "stayed", 3 })
  tries = 0
  settled = reconcile.settle(reach(1000), b, uuid, quick)
  test.equal({ settled.outcome, settled.is_unknown, settled.source }, { "operator", true,
    "unreachable (connection refused)" })
  test.matches(settled.text, "^the source does not answer %(connection refused%), and unknown is not off")
end)

test.case("act = false changes nothing and says what would be done", function()
  local a, b = hosts({ state = "paused", reason = "migration" }, { state = "paused", reason = "migration" })
  local settled = reconcile.settle(a, b, uuid, with { act = false })
  test.equal({ settled.outcome, settled.todo }, { "pending", "destroy it on the destination, resume it on the source" })
  test.equal({ a.acts, b.acts }, { {}, {} })
end)

test.case("A3, A41: of a domain that moved, the work stands, and it starts at boot where it is", function()
  local function settled(mode)
    local source = fakes.host("a", { [uuid] = { state = "shutoff", reason = "migrated", persistent = true } })
    local destination = fakes.host("b", { [uuid] = { state = "running", reason = "migrated", persistent = true } })
    local env = { host = function(_, name) return name == "a" and source or destination end }
    local arguments = { source = "a", destination = "b", uuid = uuid, before = "running", destination_had = "none",
      autostart = mode }
    local _, stands = require("lease").find("settle-domain").undo(arguments, env)
    test.equal(stands, require("lease").stands)
    require("lease").find("after-move").follow_up(arguments, env)
    return { source.acts, destination.acts }
  end
  test.equal(settled "carry", { { "autostart off" }, { "autostart on" } })
  test.equal(settled "off", { { "autostart off" }, {} })
  test.equal(settled(nil), { {}, {} })
end)
