-- Shows how a move is opened, locked, recorded, and how its end is judged: by what both hosts say, not by the error of
-- the call. The hosts, the job and the reconcile table are fakes; each has tests of its own.
local test = require "test"
local core = require "drover.core"
local migrate = require "migrate"

local domain_xml = [[<domain type="kvm"><name>web1</name><uuid>uuid-1</uuid><devices>
  <disk type="file" device="disk"><source file="/images/web1.img"/><target dev="vda"/></disk></devices></domain>]]

-- A host of tables. fields: names (of its domains), id (its UUID), down (its libvirt does not answer), is_local.
local function fake_host(name, fields)
  local one = { name = name, fields = fields, asked = 0 }
  local function domain_of(domain_name)
    return { name = function() return domain_name end, uuid = function() return "uuid-1" end,
      state = function() return fields.state or { state = "running", reason = "booted" } end,
      xml = function() return domain_xml end, is_persistent = function() return fields.persistent ~= false end,
      autostart = function() return true end,
      addresses = function()
        if fields.addresses then return fields.addresses end
        errors.raise { domain = "virt", code = "AGENT_UNRESPONSIVE", message = "no agent" }
      end }
  end
  one.virt = {
    capabilities = function()
      one.asked = one.asked + 1
      if fields.down then errors.raise { domain = "virt", code = "NO_CONNECTION", message = "no libvirt" } end
      return ("<capabilities><host><uuid>%s</uuid></host></capabilities>"):format(fields.id or name)
    end,
    find_domain = function(_, wanted)
      for _, known in ipairs(fields.names or {}) do
        if known == wanted or wanted == "uuid-1" then return domain_of(known) end
      end
    end,
    domains = function()
      local list = {}
      for index, known in ipairs(fields.names or {}) do list[index] = domain_of(known) end
      return list
    end,
  }
  function one.facts() return { user = fields.user, user_id = fields.user and 1000 } end
  function one.is_local() return fields.is_local or false end
  function one.address_for(_, other) return "address of " .. name .. " for " .. other.name end
  return one
end

-- A context of tables for a move from kvm1 to kvm2.
local function context_of(source, destination)
  local ctx = { run_id = "RUN", hosts = { kvm1 = fake_host("kvm1", source or { names = { "web1" } }),
    kvm2 = fake_host("kvm2", destination or {}) }, leases = {}, archived = {}, warned = {}, undone = {} }
  function ctx:host(name) return self.hosts[name] end
  function ctx:about(object) self.object = object end
  function ctx:lease(kind, arguments) self.leases[#self.leases + 1] = kind .. "@" .. arguments.host end
  function ctx:archive(kind, fields) self.archived[#self.archived + 1] = kind .. " of " .. fields.host end
  function ctx:warn(message) self.warned[#self.warned + 1] = message end
  function ctx:follow_up(kind, arguments) self.undone[#self.undone + 1] = { kind = kind, arguments = arguments } end
  function ctx:undo(kind, arguments) self.undone[#self.undone + 1] = { kind = kind, arguments = arguments } end
  return ctx
end

local function parameters(fields)
  return setmetatable(fields or {}, { __index = { domain = "web1", from = "kvm1", to = "kvm2", new_name = "",
    migrate_address = "", listen_address = "", copy_disks = {}, storage = "auto", autostart = "carry",
    cdrom = "keep", persistent = true } })
end

test.case("a move knows both hosts and the domain, and is opened once", function()
  local ctx = context_of()
  local move = migrate.open(ctx, parameters())
  test.equal({ move.name, move.uuid, move.new_name, move.state.state, move.persistent, move.autostart, move.same_host },
    { "web1", "uuid-1", "web1", "running", true, true, false })
  test.equal({ move.from_address, move.to_address, #move.disks },
    { "address of kvm1 for kvm2", "address of kvm2 for kvm1", 1 })
  test.is_true(rawequal(migrate.open(ctx, parameters()), move), "the same move")
  test.equal(ctx.hosts.kvm1.asked, 1)
end)

test.case("a user who is not root is refused, before and after what libvirt says to them", function()
  for _, down in ipairs { false, true } do
    local problem = test.raises("NOT_ROOT", migrate.open, context_of(nil, { user = "ops", down = down }), parameters())
    test.equal(tostring(problem), "kvm2: drover works there as the user 'ops', and a move needs root")
    test.matches(problem.hint, "name the host as root@kvm2")
  end
end)

test.case("another name and an address for the bytes may be given", function()
  local move = migrate.open(context_of(), parameters { new_name = "web2", migrate_address = "192.0.2.7" })
  test.equal({ move.new_name, move.to_address }, { "web2", "192.0.2.7" })
end)

test.case("A37: hosts are told apart by their identity, not by their names", function()
  local ctx = context_of({ names = { "web1" }, id = "same" }, { id = "same" })
  test.equal(migrate.open(ctx, parameters()).same_host, true)
end)

test.case("a domain that is not there: the nearest name, all names, or that there is none", function()
  local function hint(names)
    local problem = test.raises("NO_DOMAIN", migrate.open, context_of { names = names }, parameters())
    test.equal({ problem.message, problem.host }, { "kvm1 has no domain 'web1'", "kvm1" })
    return problem.hint
  end
  test.equal({ hint { "wbe1", "other" }, hint { "mail", "shop" }, hint {} },
    { "did you mean 'wbe1'?", "it has: mail, shop", "it has no domains at all" })
end)

test.case("a domain that is at the destination already is said to be there", function()
  local problem = test.raises("NO_DOMAIN", migrate.open, context_of({ names = { "web2" } }, { names = { "web1" } }),
    parameters())
  test.equal({ problem.message, problem.hint }, { "kvm1 has no domain 'web1'", "kvm2 has it: did it move already?" })
end)

test.case("without libvirt here the hint is --from; another host's error stays its own", function()
  local function problem_of(fields)
    return test.raises("NO_CONNECTION", migrate.open, context_of(fields), parameters())
  end
  test.matches(problem_of({ down = true, is_local = true }).hint, "^name the host that runs the domain with %-%-from")
  test.is_nil(rawget(problem_of { down = true }, "hint"))
end)

test.case("a run locks its domain in the journal first, then on both hosts", function()
  local ctx = context_of()
  function ctx:about(object)
    test.equal(#self.leases, 0)
    self.object = object
  end
  migrate.lock(migrate.open(ctx, parameters()))
  table.sort(ctx.leases)
  test.equal({ ctx.object, ctx.leases }, { "uuid-1", { "domain-lock@kvm1", "domain-lock@kvm2" } })
end)

test.case("the record has state, autostart and addresses; definitions of both sides are kept", function()
  local ctx = context_of({ names = { "web1" }, addresses = { { name = "eth0" } } }, { names = { "old" } })
  local before = migrate.record(migrate.open(ctx, parameters()))
  test.equal(before, { state = "running", persistent = true, autostart = true, addresses = { { name = "eth0" } },
    agent = true })
  test.equal(ctx.archived, { "definition of kvm1", "definition of kvm2" })
  ctx = context_of()
  before = migrate.record(migrate.open(ctx, parameters()))
  test.equal({ before.agent, before.addresses }, { false })
  test.equal(ctx.archived, { "definition of kvm1" })
end)

-- ---- how the end is judged ----

-- migrate.go with a job that raised `problem` or ended well, and both hosts saying `settled`.
local function go(problem, settled, before_state)
  local job, reconcile = require "migrate.job", require "reconcile"
  local _ <close> = test.replace(require "domain_process", { read = function(_, name) return name .. "'s process" end })
  local _ <close> = test.replace(job, { describe = function() end, run = function() return problem end })
  local _ <close> = test.replace(reconcile, {
    settle = function(_, _, uuid, options)
      test.equal({ uuid, options.before }, { "uuid-1", before_state or "running" })
      return settled
    end,
    observe = function() return { status = "none" } end,
  })
  local ctx = context_of()
  local move = migrate.open(ctx, parameters())
  if before_state then ctx.hosts.kvm1.fields.state = { state = before_state, reason = "user" } end
  local ok, raised = core.pcall(migrate.go, move)
  return not ok and errors.wrap(raised) or nil, ctx
end

local function failed()
  return errors.new { domain = "virt", code = "OPERATION_FAILED", message = "libvirt says no" }
end

test.case("A5: a guest that its user pauses between the checks and the move stays paused", function()
  local problem, ctx = go(nil, { outcome = "moved" }, "paused")
  test.is_nil(problem)
  test.equal({ ctx.undone[2].arguments.before, ctx.undone[2].arguments.held }, { "paused" })
end)

test.case("before the move an undo is registered that asks both hosts, and what must follow it in any case", function()
  local problem, ctx = go(nil, { outcome = "moved" })
  test.is_nil(problem)
  test.equal(ctx.undone, { { kind = "after-move", arguments = { source = "kvm1", destination = "kvm2",
    uuid = "uuid-1", autostart = "carry" } }, { kind = "settle-domain", arguments = { source = "kvm1",
    destination = "kvm2", uuid = "uuid-1", before = "running", destination_had = "none",
    held = true, persistent = true, process = { name = "web1", is = "web1's process" } } } })
end)

test.case("A1: an error is reported and the domain did move: that is success, with a warning", function()
  local problem, ctx = go(failed(), { outcome = "moved" })
  test.is_nil(problem)
  test.equal(ctx.warned, { "libvirt reported an error, and the domain did move: libvirt says no" })
end)

test.case("a move that was rolled back ends with its own error", function()
  test.equal(go(failed(), { outcome = "rolled_back", text = "it runs on kvm1" }).message, "libvirt says no")
end)

test.case("no error and not moved is an error all the same", function()
  local problem = go(nil, { outcome = "rolled_back", text = "it runs on kvm1" })
  test.equal({ problem.code, problem.message }, { "NOT_MOVED", "libvirt reported no error, but it runs on kvm1" })
end)

test.case("what only a person can decide says so, with what was seen and what to do", function()
  local settled = { outcome = "operator", text = "it runs on both", hint = "stop one" }
  local problem = go(failed(), settled)
  test.equal({ problem.needs_operator, problem.message, problem.hint, problem.code },
    { true, "it runs on both: libvirt says no", "stop one", "OPERATION_FAILED" })
  problem = go(nil, settled)
  test.equal({ problem.needs_operator, problem.code }, { true, "NEEDS_OPERATOR" })
end)

test.case("the words that follow a move are those of migrate/after.lua", function()
  for _, name in ipairs { "undefine_source", "carry_autostart", "verify", "summarise" } do
    test.equal(type(require("migrate.after")[name]), "function", name)
    test.equal(type(migrate[name]), "function", name)
  end
end)
