-- Shows that a domain's lock lets one run in, names its holder, and is taken from a process that is gone for good.
local test = require "test"
local lease = require "lease"
local native = require "native.host"

local lock = lease.find "domain-lock"
local one = host.wrap(native.local_machine(), { name = "localhost" })
local uuid = "test-" .. require("files").random_hex(6)

-- The environment of a run, whose journal knows the runs of a list.
local function env(known)
  return { host = function() return one end,
    store = { find_run = function(_, id) return known and known[id] and { id = id } or nil end } }
end

local function arguments(run, process) return { host = "localhost", uuid = uuid, run = run, process = process } end

local function holder() return (lock.holder(one, uuid) or {}).run end

local function freed(run)
  lock.revoke(arguments(run), env())
  test.equal({ holder(), one:stat("/run/drover/lock/" .. uuid) }, {})
end

-- This process as a lock names it ("MACHINE BOOT PID NAME\nSTARTED JOURNAL"), with some words changed.
local function process_with(changes)
  local machine, boot, pid, name, started, journal = lock.this_process():match("^(%S+) (%S+) (%S+) (%S+)\n(%S+) (.*)$")
  local words = { machine = machine, boot = boot, pid = pid, name = name, started = started, journal = journal }
  for word, value in pairs(changes) do words[word] = value end
  return ("%s %s %s %s"):format(words.machine, words.boot, words.pid, words.name)
    .. (words.started and ("\n%s %s"):format(words.started, words.journal) or "")
end

-- Whether the next run takes the lock of a process like that.
local function is_taken_from(changes)
  lock.grant(arguments("dead", process_with(changes)), env())
  local ok = pcall(lock.grant, arguments "next", env())
  freed(ok and "next" or "dead")
  return ok
end

test.case("a second run is refused with the first one's id, host and process", function()
  lock.grant(arguments "first", env())
  test.equal({ lock.probe(arguments "first", env()), lock.probe(arguments "second", env()) }, { "ours", "absent" })
  local problem = test.raises("DOMAIN_BUSY", lock.grant, arguments "second", env())
  test.matches(problem.message, "^run first %(on %S+, process %d+%) is at work on this domain")
  lock.revoke(arguments "second", env())
  test.equal(holder(), "first", "another run's lock stays")
  freed "first"
end)

test.case("the lock of a process that is gone, and of which this journal knows nothing, is taken over", function()
  lock.grant(arguments("dead", process_with { pid = "4194305" }), env())
  lock.grant(arguments "next", env())
  test.equal(holder(), "next")
  freed "next"
  test.equal(is_taken_from { boot = "another-boot" }, true)
end)

test.case("another process may have the number of a dead one", function()
  test.equal(is_taken_from { started = "7" }, true)
  test.equal(is_taken_from {}, false)
end)

test.case("a clone of the controller has its machine-id, and takes no lock of a run that lives there", function()
  test.equal(is_taken_from { boot = "another-boot", name = "another-name" }, false)
  test.equal(is_taken_from { boot = "another-boot", journal = "/another/journal" }, false)
  test.equal(is_taken_from { boot = "another-boot", pid = "4194305", name = "another-name" }, false)
end)

test.case("one whose journal is another folder here is left to that one's recovery", function()
  test.equal(is_taken_from { pid = "4194305", journal = "/another/journal" }, false)
end)

test.case("of an older drover's lock, which names no journal, only a dead process of this boot is certain", function()
  local function old(changes)
    lock.grant(arguments("dead", (process_with(changes):gsub("\n.*", ""))), env())
    local ok = pcall(lock.grant, arguments "next", env())
    freed(ok and "next" or "dead")
    return ok
  end
  test.equal({ old { pid = "4194305" }, old { boot = "another-boot" }, old {} }, { true, false, false })
end)

test.case("it stays when the journal knows the run: its recovery will end it", function()
  lock.grant(arguments("dead", process_with { pid = "4194305" }), env())
  test.raises("DOMAIN_BUSY", lock.grant, arguments "next", env { dead = true })
  freed "dead"
end)

test.case("it stays when another machine holds it: from here nobody can say whether it is dead", function()
  lock.grant(arguments("far", process_with { machine = "another-machine", name = "far-away", pid = "77" }), env())
  local problem = test.raises("DOMAIN_BUSY", lock.grant, arguments "next", env())
  test.matches(problem.message, "^run far %(on far%-away, process 77%) is at work on this domain")
  test.is_true(problem.hint:find("rm /run/drover/lock/" .. uuid .. " on localhost", 1, true), problem.hint)
  freed "far"
end)
