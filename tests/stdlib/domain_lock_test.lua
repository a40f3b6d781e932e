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

-- "MACHINE BOOT PID NAME" of this process, with one word changed.
local function process_with(index, word)
  local words = {}
  for each in lock.this_process():gmatch("%S+") do words[#words + 1] = each end
  words[index] = word
  return table.concat(words, " ")
end

local function freed(run)
  lock.revoke(arguments(run), env())
  test.equal({ holder(), one:stat("/run/drover/lock/" .. uuid) }, {})
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
  lock.grant(arguments("dead", process_with(3, "4194305")), env())
  lock.grant(arguments "next", env())
  test.equal(holder(), "next")
  freed "next"
  lock.grant(arguments("dead", process_with(2, "another-boot")), env())
  lock.grant(arguments "next", env())
  freed "next"
end)

test.case("it stays when the journal knows the run: its recovery will end it", function()
  lock.grant(arguments("dead", process_with(3, "4194305")), env())
  test.raises("DOMAIN_BUSY", lock.grant, arguments "next", env { dead = true })
  freed "dead"
end)

test.case("it stays when another machine holds it: from here nobody can say whether it is dead", function()
  lock.grant(arguments("far", process_with(1, "another-machine")), env())
  test.raises("DOMAIN_BUSY", lock.grant, arguments "next", env())
  freed "far"
end)
