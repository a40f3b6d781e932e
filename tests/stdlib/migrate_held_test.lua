-- Shows when a copy that libvirt left paused is started, by what the hosts tell, and how long the guest stood still.
local test = require "test"
local held = require "migrate.held"

local function silent() errors.raise { domain = "virt", code = "CONNECTION_LOST", message = "no answer" } end

-- A move of tables. asked: what was asked of the hosts, in order, once `record` is true. tell(side, event, detail) is
-- an event; w.source_ended() ends the source's QEMU.
local function world(fields)
  local w = { asked = {}, events = { a = {}, b = {} }, fields = fields or {} }
  local function note(what) if w.record then w.asked[#w.asked + 1] = what end end
  local copy = { resume = function()
    note "resume"
    if w.fields.refuses then errors.raise { code = "OPERATION_FAILED", message = "it needs a reset" } end
    w.tell("b", "resumed", "unpaused")
  end }
  local function events_of(side)
    return function()
      if w.fields.deaf then errors.raise { code = "UNSUPPORTED", message = "no events" } end
      local stream = { next = function()
        return async.poll("10s", 1, function() return table.remove(w.events[side], 1) end)
      end }
      return setmetatable(stream, { __close = function() w.closed = (w.closed or 0) + 1 end })
    end
  end
  function w.tell(side, event, detail)
    table.insert(w.events[side], { uuid = "uuid-1", event = event, detail = detail })
  end
  local ended
  function w.source_ended() ended = true end
  local domain = { state = function()
    note "state here"
    return (w.fields.state or silent)()
  end }
  w.move = { uuid = "uuid-1", name = "web1", p = { mode = w.fields.mode or "p2p" }, domain = domain,
    source = { name = "a", virt = { events = events_of "a", hostname = function()
      if w.fields.cut_off then async.sleep "10s" end
      for _, event in ipairs(w.fields.told_late or {}) do w.tell("a", event, "migrated") end
    end }, query = function(_, request)
      if request[3]:find("qemu/$1.pid", 1, true) then
        return { exit_code = 0, output = "4711 99 boot-1\n", errors = "" }
      end
      test.equal({ request[3], request[5], request[6] }, { held.departed, "4711", "99" })
      return { exit_code = async.poll("10s", 1, function() return ended end) and 0 or 1, output = "", errors = "" }
    end },
    destination = { name = "b", virt = { events = events_of "b", find_domain = function()
      note "look up there"
      return copy
    end, domain = function()
      note "look up there"
      return copy
    end } } }
  w.start = held.follow(w.move, w.fields.held ~= false)
  async.sleep(20)
  return w
end

local function pause() async.sleep(40) end

-- The events of a move up to the point where the copy is complete.
local function complete(w)
  w.tell("b", "started", "migrated")
  pause()
  w.record = true
  w.tell("a", "suspended", "migrated")
  w.tell("b", "suspended", "paused")
  pause()
end

test.case("a guest starts, with one call, when the source's QEMU has ended and the copy is complete", function()
  local w = world()
  complete(w)
  test.equal(w.asked, {})
  w.source_ended()
  pause()
  test.equal(w.asked, { "resume" })
  local stood_still_ms = w.start:finish(true)
  test.equal(w.asked, { "resume" })
  test.is_true(stood_still_ms >= 30 and stood_still_ms < 1000, "stood still " .. tostring(stood_still_ms))
  pause()
  test.equal(w.closed, 2)
end)

test.case("A3: a source that went on after its stop does not let the guest start when it ends", function()
  local w = world()
  complete(w)
  w.tell("a", "resumed", "migrated")
  pause()
  w.source_ended()
  pause()
  test.equal({ w.asked, w.start:finish(false) }, { {} })
end)

test.case("A3: a source that was started anew, between two looks at its process, went on", function()
  local w = world { told_late = { "started" } }
  complete(w)
  w.source_ended()
  pause()
  test.equal({ w.asked, w.start:finish(false) }, { {} })
end)

test.case("A3: what the source had to tell is heard out before the guest starts; one that is cut off tells nothing",
  function()
    for _, fields in ipairs { { told_late = { "resumed" } }, { cut_off = true } } do
      local w = world(fields)
      complete(w)
      w.source_ended()
      pause()
      test.equal(w.asked, {})
      w.start:finish(false)
      test.equal(w.asked, {})
    end
  end)

test.case("A3: a copy that is not complete is not started, though the source's QEMU has ended", function()
  local w = world()
  w.record = true
  w.tell("a", "suspended", "migrated")
  w.source_ended()
  pause()
  test.equal(w.asked, {})
  w.start:finish(false)
  w.tell("b", "suspended", "paused")
  pause()
  test.equal(w.asked, {})
end)

test.case("A3: in p2p libvirt's word is the source's own: it lets the guest start, also when the source is silent then",
  function()
    local w = world()
    complete(w)
    w.start:finish(true)
    test.equal(w.asked, { "resume" })
  end)

test.case("A3: in managed mode the source is asked first, and only one that is off lets the guest start", function()
  for _, row in ipairs { { function() return { state = "shutoff" } end, { "state here", "resume" } },
    { function() errors.raise { code = "NO_DOMAIN", message = "gone" } end, { "state here", "resume" } },
    { function() return { state = "paused" } end, { "state here" } }, { silent, { "state here" } } } do
    local w = world { mode = "managed", state = row[1] }
    complete(w)
    w.start:finish(true)
    test.equal(w.asked, row[2])
  end
end)

test.case("without events the guest starts at libvirt's word; how long it stood still is not known", function()
  local w = world { deaf = true }
  w.record = true
  test.is_nil(w.start:finish(true))
  test.equal(w.asked, { "look up there", "resume" })
end)

test.case("a start that fails is tried once more at libvirt's word, and then left to the reconcile table", function()
  local w = world { refuses = true }
  complete(w)
  w.source_ended()
  pause()
  w.start:finish(true)
  test.equal(w.asked, { "resume", "resume" })
end)

test.case("what libvirt starts itself is only followed", function()
  local w = world { held = false }
  complete(w)
  w.source_ended()
  w.tell("b", "resumed", "migrated")
  pause()
  test.is_true(w.start:finish(true) < 1000, "how long it stood still")
  test.equal(w.asked, {})
end)

test.case("the end of a process is seen at once, and another one of its number is not taken for it", function()
  local machine = require("native.host").local_machine()
  local pid = machine:exec({ "sh", "-c", "sleep 20 >/dev/null 2>&1 & echo $!" }).output:match("%d+")
  local file <close> = assert(io.open("/proc/" .. pid .. "/stat"))
  local fields = {}
  for field in file:read("l"):gsub("^.*%) ", ""):gmatch("%S+") do fields[#fields + 1] = field end
  local function wait(start) return machine:query({ "sh", "-c", held.departed, "drover", pid, start }).exit_code end
  test.equal(wait "1", 0)
  local ended = false
  local waits = async.spawn(function()
    test.equal(wait(fields[20]), 0)
    ended = true
  end)
  async.sleep(100)
  test.equal(ended, false)
  machine:exec { "kill", "-KILL", pid }
  async.await(waits)
  test.equal(ended, true)
end)
