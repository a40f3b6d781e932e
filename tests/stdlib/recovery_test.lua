-- Shows that a run may be killed anywhere: another drover finishes it, and doing so again changes nothing more.
local test = require "test"
local fakes = test.load(..., "fakes")
local toy = test.load(..., "toy_run")
local start = toy.start
local machine = require("native.host").local_machine()

local function count_of(text, pattern)
  local count = 0
  for _ in text:gmatch(pattern) do count = count + 1 end
  return count
end

test.case("a run that ends well leaves its work, and no lease", function()
  local toy_run <close> = start()
  local result = toy_run.drover { "run", toy_run.file }
  test.equal({ result.exit_code, toy_run.left() }, { 0, "made" }, result.errors)
  test.equal(toy_run.newest().state, "done")
end)

test.case("A7: killed at every boundary, nothing is left after recover, and twice more changes nothing", function()
  local boundaries = 0
  for kill_at = 1, 200 do
    local toy_run <close> = start()
    local killed = toy_run.drover({ "run", toy_run.file }, { TOY_KILL_AT = tostring(kill_at) })
    if killed.exit_code == 0 then break end
    boundaries = kill_at
    local label = ("killed at %d: "):format(kill_at)
    test.equal(killed.exit_code, 137, label .. killed.errors)
    local log = toy_run.log()
    local recovered = toy_run.drover { "recover" }
    test.equal(recovered.exit_code, 0, label .. recovered.output .. recovered.errors)
    local left = toy_run.left()
    local name = log:match("%d+ ([^\n]+)\nkilled\n$")
    if log:find("after commit", 1, true) then
      test.equal(left, "made", label .. name)
    else
      test.equal(left, "", label .. name)
    end
    test.equal(toy_run.newest().state, "recovered", label)
    local before = toy_run.log()
    for _ = 1, 2 do
      local again = toy_run.drover { "recover" }
      test.equal({ again.exit_code, toy_run.left() }, { 0, left }, label .. "again")
    end
    test.equal(toy_run.log(), before, label .. "recover touched something again")
  end
  -- 3 leases of 4 boundaries, 1 undo of 2, 1 commit of 2, 3 ends of 2.
  test.equal(boundaries, 22)
end)

test.case("a recovery may be killed at every boundary too", function()
  for kill_at = 1, 20 do
    local toy_run <close> = start()
    toy_run.drover({ "run", toy_run.file }, { TOY_KILL_AT = "10" })
    local killed = toy_run.drover({ "recover" }, { TOY_KILL_AT = tostring(kill_at) })
    if killed.exit_code == 0 then
      test.is_true(kill_at > 4, "boundaries: " .. kill_at)
      return
    end
    local recovered = toy_run.drover { "recover" }
    test.equal({ recovered.exit_code, toy_run.left() }, { 0, "" }, recovered.errors)
  end
end)

test.case("two recoverers at once: each lease is taken back once", function()
  for _ = 1, 5 do
    local toy_run <close> = start()
    toy_run.drover({ "run", toy_run.file }, { TOY_KILL_AT = "10" })
    local results = async.parallel({ 1, 2, 3 }, function() return toy_run.drover { "recover" } end)
    for _, result in ipairs(results) do test.equal(result.exit_code, 0, result.errors .. result.output) end
    test.equal(toy_run.left(), "")
    local log = toy_run.log()
    for _, act in ipairs { "revoke first", "revoke second", "undo made" } do test.equal(count_of(log, act), 1, act) end
  end
end)

test.case("the playbook's file may be deleted or edited meanwhile", function()
  local toy_run <close> = start()
  toy_run.drover({ "run", toy_run.file }, { TOY_KILL_AT = "10" })
  fakes.write(toy_run.file, "this is no Lua")
  test.equal({ toy_run.drover({ "recover" }).exit_code, toy_run.left() }, { 0, "" })
end)

test.case("the hosts' names mean at a recovery what they meant to the run, whatever the environment is then", function()
  local toy_run <close> = start()
  fakes.write(toy_run.path .. "/mine.lua", 'return { kvm9 = { address = "10.0.0.9" } }')
  fakes.write(toy_run.path .. "/other.lua", 'return { kvm9 = { address = "10.9.9.9" } }')
  local inside = { "sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", toy_run.path, toy.program, "run", toy_run.file }
  inside.environment = { DROVER_STATE = toy_run.path .. "/state", TOY_WORK = toy_run.work, TOY_KILL_AT = "10",
    DROVER_INVENTORY = "./mine.lua" }
  inside.check = false
  test.equal(machine:exec(inside).exit_code, 137)
  local recovered = toy_run.drover({ "recover" }, { DROVER_INVENTORY = toy_run.path .. "/other.lua" })
  test.equal({ recovered.exit_code, toy_run.left() }, { 0, "" }, recovered.errors)
  test.matches(toy_run.log(), "kvm9 is 10%.0%.0%.9\n")
  test.is_nil(toy_run.log():find("10.9.9.9", 1, true))
end)

test.case("an inventory that is gone by then is said, and the one that is there has to do", function()
  local toy_run <close> = start()
  local mine = fakes.write(toy_run.path .. "/mine.lua", "return {}")
  toy_run.drover({ "run", toy_run.file }, { TOY_KILL_AT = "10", DROVER_INVENTORY = mine })
  machine:remove_file(mine)
  local other = fakes.write(toy_run.path .. "/other.lua", 'return { kvm9 = { address = "10.9.9.9" } }')
  local recovered = toy_run.drover({ "recover" }, { DROVER_INVENTORY = other })
  test.equal({ recovered.exit_code, toy_run.left() }, { 0, "" }, recovered.errors)
  test.matches(recovered.output .. recovered.errors, "inventory cannot be read: [^\n]*mine%.lua")
  test.matches(toy_run.log(), "kvm9 is 10%.9%.9%.9\n")
end)

test.case("the next run finishes what a dead one left", function()
  local toy_run <close> = start()
  toy_run.drover({ "run", toy_run.file }, { TOY_KILL_AT = "10" })
  test.matches(toy_run.left(), "first")
  local other = fakes.write(toy_run.path .. "/other.lua", [[return playbook { name = "other", summary = "Does nothing.",
    params = {}, run = function() end }]])
  local result = toy_run.drover { "run", other }
  test.equal({ result.exit_code, toy_run.left() }, { 0, "" }, result.errors)
  test.matches(result.output, "recovering run")
end)

-- Starts a run that waits; gives its operation and its process.
local function waiting(toy_run)
  local task = async.spawn(function() return toy_run.drover { "run", toy_run.file, "--fail", "wait" } end)
  local process = async.poll("10s", "20ms", toy_run.process)
  return task, process
end

test.case("what a follow-up leaves to a person is not called done", function()
  local toy_run <close> = start()
  fakes.write(toy_run.file, [[
lease.follow_up_kind {
  name = "toy-note",
  describe = function() return { host = "here", text = "say what is left" } end,
  follow_up = function() return "not done: the old file; look at it" end,
}
return playbook { name = "toy", summary = "Dies after its work.", params = {}, run = function(ctx)
  ctx:follow_up("toy-note", {})
  ctx:commit()
  host.local_machine():query { "sh", "-c", "kill -KILL $PPID" }
end }]])
  toy_run.drover { "run", toy_run.file }
  local result = toy_run.drover { "recover" }
  test.equal(result.exit_code, 0, result.errors)
  test.matches(result.output, "warning  not done: the old file; look at it")
  test.matches(result.output, "1 run recovered, but not all that was asked for is done, see above%.")
end)

test.case("what a killed run changed without an undo is named by recover and report, and not called undone", function()
  local toy_run <close> = start()
  fakes.write(toy_run.file, [[
return playbook { name = "toy", summary = "Dies.", params = {}, run = function(ctx)
  ctx:step("touch", function() ctx:host("localhost"):exec { "touch", os.getenv "TOY_WORK" .. "/made" } end)
  host.local_machine():query { "sh", "-c", "kill -KILL $PPID" }
end }]])
  toy_run.drover { "run", toy_run.file }
  local result = toy_run.drover { "recover" }
  local told = "changed and not undone: run: touch " .. toy_run.work .. "/made on localhost"
  test.equal(result.exit_code, 0, result.errors)
  test.is_true(result.output:find(told, 1, true), result.output)
  test.matches(result.output, "1 run recovered, but not what it changed without an undo, see above%.")
  test.matches(toy_run.drover({ "report" }).output, "\nChanged and not undone:\n  run: touch ")
end)

test.case("a run at work is not recovered, and Ctrl-C undoes it", function()
  local toy_run <close> = start()
  local task, process = waiting(toy_run)
  test.matches(toy_run.drover({ "recover" }).output, "nothing to recover")
  local refused = toy_run.drover { "recover", toy_run.newest().id }
  test.equal(refused.exit_code, 1)
  test.matches(refused.errors, "is at work %(process " .. process)
  test.matches(refused.errors, "\n  kill " .. process .. " stops it")  -- with & a script's run ignores INT
  test.equal(toy_run.left(), "first made second")
  machine:exec { "kill", "-INT", process }
  local ended = async.await(task)
  test.equal({ ended.exit_code, toy_run.left(), toy_run.newest().state }, { 130, "", "interrupted" }, ended.errors)
end)

test.case("the second Ctrl-C asks, the third leaves at once and lists what was not undone", function()
  local toy_run <close> = start()
  local task = async.spawn(function()
    return toy_run.drover({ "run", toy_run.file, "--fail", "stuck" }, { TOY_STUCK = "20s" })
  end)
  local process = async.poll("10s", "20ms", toy_run.process)
  machine:exec { "kill", "-INT", process }
  async.poll("10s", "20ms", function() return toy_run.log():find("revoking", 1, true) end)
  machine:exec { "kill", "-INT", process }
  async.sleep "200ms"
  test.is_true(not task:ready(), "the second one only asks")
  machine:exec { "kill", "-INT", process }
  local ended = async.await(task)
  test.equal(ended.exit_code, 3, ended.errors)
  test.matches(ended.errors, "press Ctrl%-C once more")
  for _, label in ipairs { "something that does not go away", "make the file first", "make the file second",
    "remove the work" } do
    test.is_true(ended.errors:find("not undone: " .. label .. " on here", 1, true), label .. ": " .. ended.errors)
  end
  test.equal({ toy_run.drover({ "recover" }).exit_code, toy_run.left() }, { 0, "" })
end)

test.case("a first Ctrl-C in the last revocation only tells; the second asks, the third leaves", function()
  local toy_run <close> = start()
  local task = async.spawn(function()
    return toy_run.drover({ "run", toy_run.file, "--fail", "late" }, { TOY_STUCK = "20s" })
  end)
  async.poll("10s", "20ms", function() return toy_run.log():find("revoking", 1, true) end)
  local process = toy_run.process()
  for press = 1, 2 do
    machine:exec { "kill", "-INT", process }
    async.sleep "200ms"
    test.is_true(not task:ready(), "press " .. press)
  end
  machine:exec { "kill", "-INT", process }
  local ended = async.await(task)
  test.equal(ended.exit_code, 3, ended.errors)
  test.matches(ended.errors, "^%s*this must not be cut in half, and ends first\n.*press Ctrl%-C once more")
  test.is_true(ended.errors:find("not undone: something that does not go away", 1, true), ended.errors)
  test.equal({ toy_run.drover({ "recover" }).exit_code, toy_run.left() }, { 0, "made" })
end)

test.case("a terminal that closes and a machine that shuts down send many signals, and none leaves the undo", function()
  local toy_run <close> = start()
  local task = async.spawn(function()
    return toy_run.drover({ "run", toy_run.file, "--fail", "stuck" }, { TOY_STUCK = "500ms" })
  end)
  local process = async.poll("10s", "20ms", toy_run.process)
  for _ = 1, 2 do machine:exec { "kill", "-HUP", process } end
  async.poll("10s", "20ms", function() return toy_run.log():find("revoking", 1, true) end)
  for _, signal in ipairs { "-HUP", "-HUP", "-TERM", "-TERM", "-HUP" } do machine:exec { "kill", signal, process } end
  local ended = async.await(task)
  test.equal({ ended.exit_code, toy_run.left() }, { 130, "" }, ended.errors)
end)

test.case("SIGTERM and SIGHUP undo, too", function()
  for _, signal in ipairs { "-TERM", "-HUP" } do
    local toy_run <close> = start()
    local task, process = waiting(toy_run)
    machine:exec { "kill", signal, process }
    test.equal({ async.await(task).exit_code, toy_run.left() }, { 130, "" })
  end
end)

test.case("a failed run is undone; --keep-on-failure leaves it for drover undo", function()
  local toy_run <close> = start()
  local failed = toy_run.drover { "run", toy_run.file, "--fail", "yes" }
  test.equal({ failed.exit_code, toy_run.left() }, { 1, "" })
  test.matches(failed.errors, "toy.lua:%d+: it was to fail")

  local kept = toy_run.drover { "run", toy_run.file, "--fail", "yes", "--keep-on-failure" }
  test.equal({ kept.exit_code, toy_run.left() }, { 1, "first made second" })
  local run = toy_run.newest()
  test.is_true(kept.output:find("drover undo " .. run.id, 1, true), kept.output)
  test.matches(kept.output, "not taken back: make the file second")
  test.matches(toy_run.drover({ "recover" }).output, "nothing to recover")
  test.equal(toy_run.drover({ "recover", run.id }).exit_code, 2)
  local undone = toy_run.drover { "undo", run.id:sub(1, #run.id - 2) }
  test.equal({ undone.exit_code, toy_run.left(), toy_run.newest().state }, { 0, "", "undone" }, undone.errors)
  test.equal(toy_run.drover({ "undo", run.id }).exit_code, 2)
end)

test.case("a recovery keeps the error that ended the run, and not what it met itself", function()
  local toy_run <close> = start()
  local blocked = { TOY_BLOCKED = "1" }
  local function error_of() return toy_run.newest().error or {} end
  test.equal(toy_run.drover({ "run", toy_run.file, "--fail", "yes" }, blocked).exit_code, 3)
  test.matches(error_of().message, "it was to fail")
  test.matches(error_of().hint, "drover recover")
  test.equal(toy_run.drover({ "recover" }, blocked).exit_code, 3)
  test.matches(error_of().message, "it was to fail")
  test.equal({ toy_run.drover({ "recover" }).exit_code, toy_run.left() }, { 0, "" })
  test.equal({ toy_run.newest().state, error_of().message:match "it was to fail", error_of().hint },
    { "recovered", "it was to fail", nil })

  local killed <close> = start()
  killed.drover({ "run", killed.file }, { TOY_KILL_AT = "10" })
  test.equal(killed.drover({ "recover" }, blocked).exit_code, 3)
  test.matches(killed.newest().error.message, "blocked")
  test.equal(killed.drover({ "recover" }).exit_code, 0)
  test.is_nil(killed.newest().error)
end)

test.case("a journal that is damaged is not acted on", function()
  local toy_run <close> = start()
  toy_run.drover({ "run", toy_run.file }, { TOY_KILL_AT = "10" })
  local before = toy_run.left()
  local path = toy_run.path .. "/state/journal.db"
  fakes.write(path, "this is not a database, and it is long enough to be read as one" .. ("x"):rep(4096))
  for _, tail in ipairs { "-wal", "-shm" } do os.remove(path .. tail) end
  local refused = toy_run.drover { "recover" }
  test.equal({ refused.exit_code, toy_run.left() }, { 1, before })
  test.matches(refused.errors, "cannot use the journal")
  test.equal(toy_run.drover({ "run", toy_run.file }).exit_code, 1)
end)
