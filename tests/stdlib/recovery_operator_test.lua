-- Shows what an operator's word does to a run that no host settles, and that a recovery goes to no other machine.
local test = require "test"
local fakes = test.load(..., "fakes")
local start = test.load(..., "toy_run").start

-- The id of a run that died with a lease on this machine that cannot be taken back.
local function died_with_a_lease(toy_run)
  fakes.write(toy_run.file, [[
lease.kind {
  name = "toy-here",
  describe = function(a) return { host = a.host, text = "hold something" } end,
  probe = function(a, env) return env:host(a.host) and "ours" end,
  grant = function() end,
  revoke = function(a, env)
    env:host(a.host)
    error("it does not let go", 0)
  end,
  named_by_run = true, verified_by_grant = true,
}
return playbook { name = "toy", summary = "Dies with a lease.", params = {}, run = function(ctx)
  ctx:lease("toy-here", { host = "localhost" })
  host.local_machine():query { "sh", "-c", "kill -KILL $PPID" }
end }]])
  toy_run.drover { "run", toy_run.file }
  return toy_run.newest().id
end

test.case("what is on a host that its operator calls fenced is given up, and the run ends", function()
  local toy_run <close> = start()
  local id = died_with_a_lease(toy_run)
  local result = toy_run.drover { "recover", id }
  test.equal(result.exit_code, 3)
  test.matches(result.output, "it does not let go")
  for words, message in pairs {
    [{ "--fenced", "localhos" }] = "the run has nothing to do with 'localhos'\n  did you mean 'localhost'",
    [{ "--guest-on", "kvm1" }] = "the run has nothing to do with 'kvm1'\n  its hosts are: localhost",
  } do
    result = toy_run.drover { "recover", id, table.unpack(words) }
    test.equal({ result.exit_code, toy_run.newest().state }, { 2, "needs_operator" })
    test.matches(result.errors, message)
  end
  result = toy_run.drover { "recover", "--fenced", "localhost" }
  test.equal(result.exit_code, 2)
  test.matches(result.errors, "%-%-fenced is about one run")
  result = toy_run.drover { "recover", "--fenced", "localhost", id }
  test.equal({ result.exit_code, toy_run.newest().state }, { 0, "recovered" }, result.errors)
  test.matches(result.output, "given up: hold something on localhost, for localhost is fenced")
  test.matches(result.output, "but not all that was asked for is done")
end)

test.case("a name that leads to another machine than when the run began is not gone to", function()
  local toy_run <close> = start()
  local id = died_with_a_lease(toy_run)
  do
    local store <close> = journal.open { path = toy_run.path .. "/state/journal.db" }
    store:add_event(id, "host", json.encode { name = "localhost", machine_id = "0123" })
  end
  local result = toy_run.drover { "recover", id }
  test.equal({ result.exit_code, toy_run.newest().state }, { 3, "needs_operator" })
  test.matches(result.output, "localhost: the name leads to another machine now than when the run began")
  test.matches(result.output, "the id 0123 ")
end)
