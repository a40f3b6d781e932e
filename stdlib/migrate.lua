--- Moving a domain: the words of live-migrate and of site playbooks like it.
--
-- migrate.open(ctx, p) gives a move: both hosts, the domain, its disks. The other functions take that move.
-- Parts: migrate/storage.lua, volumes.lua and devices.lua (disks), channel.lua (how bytes travel), job.lua (the move
-- itself), after.lua (what follows it). Tested by tests/stdlib/migrate_test.lua and tests/lab/suites/live_migrate.
local async = require "async"
local core = require "drover.core"
local domain_process = require "domain_process"
local errors = require "errors"
local reconcile = require "reconcile"
local storage = require "migrate.storage"
local xml = require "xml"

local migrate = {}

--- The playbook's parameters that every move has, so that a site playbook can take them over.
migrate.channels = { "ssh", "direct", "tls", "tunnel" }

-- Locks, keys, sockets and firewall openings are root's. A user of the group libvirt may ask everything and make none.
local function refuse_other_users(one)
  local facts = one:facts()
  if not facts.user_id or facts.user_id == 0 then return end
  errors.raise { code = "NOT_ROOT", host = one.name, where = false,
    message = ("drover works there as the user '%s', and a move needs root"):format(tostring(facts.user)),
    hint = one:is_local() and "run drover as root"
      or ("name the host as root@%s, or give it user = \"root\" in hosts.lua; sudo is not used"):format(
        one.name:match("([^@]*)$")) }
end

local function read_capabilities(one, is_source)
  local ok, result = core.pcall(function() return one.virt:capabilities() end)
  if ok then return xml.parse(result) end
  if not core.is_cancellation(result) then refuse_other_users(one) end
  if is_source and one:is_local() and errors.is(result, "NO_CONNECTION") then
    result.hint = "name the host that runs the domain with --from, or start libvirt here (see drover doctor)"
  end
  error(result, 0)
end

-- Both ends of the move at once: connections and facts of independent hosts are not waited for one by one.
-- The capabilities hold the host's UUID, by which libvirt itself tells hosts apart.
local function connect_both(ctx, p)
  local both = async.parallel({ p.from, p.to }, function(name)
    local one = ctx:host(name)
    local reads = async.parallel({
      function() return refuse_other_users(one) end,
      function() return read_capabilities(one, name == p.from) end,
    }, function(read) return read() end)
    return { host = one, capabilities = reads[2] }
  end)
  return both[1], both[2]
end

local function find_domain(source, destination, p)
  local domain = source.virt:find_domain(p.domain)
  if domain then return domain end
  local there = destination.virt:find_domain(p.domain)
  if there then
    errors.raise { code = "NO_DOMAIN", host = p.from, where = false,
      message = ("%s has no domain '%s'"):format(source.name, p.domain),
      hint = ("%s has it: did it move already?"):format(destination.name) }
  end
  local names = {}
  for _, known in ipairs(source.virt:domains {}) do names[#names + 1] = known:name() end
  local near = require("drover.core").nearest(p.domain, names)
  errors.raise { code = "NO_DOMAIN", host = p.from, where = false,
    message = ("%s has no domain '%s'"):format(source.name, p.domain),
    hint = near and ("did you mean '%s'?"):format(near)
      or #names > 0 and "it has: " .. table.concat(names, ", ", 1, math.min(#names, 10)) or "it has no domains at all" }
end

-- Addresses go to ssh, to bash's /dev/tcp and into known_hosts and URIs: what is none is refused before any of these.
local function checked_address(name, text)
  if text == "" or text:find("^[%w%[:][%w.:%%_%-%]]*$") then return text end
  errors.raise { domain = "usage", code = "BAD_PARAMETER", where = false,
    message = ("--%s: '%s' is not an address"):format(name, text) }
end

--- Connects to both hosts and reads the domain. Raises NO_DOMAIN, and what connecting raises.
function migrate.open(ctx, p)
  if ctx.move then return ctx.move end
  require("migrate.converge").check(p)
  checked_address("migrate-address", p.migrate_address)
  checked_address("listen-address", p.listen_address)
  local from, to = connect_both(ctx, p)
  local source, destination = from.host, to.host
  local move = { ctx = ctx, p = p, source = source, destination = destination, run_id = ctx.run_id,
    capabilities = { source = from.capabilities, destination = to.capabilities } }
  local uuid_of_host = "/capabilities/host/uuid"
  move.same_host = from.capabilities:value(uuid_of_host) == to.capabilities:value(uuid_of_host)
  move.domain = find_domain(source, destination, p)
  local reads = async.parallel({
    function() return move.domain:state() end,
    function() return move.domain:xml {} end,
    function() return move.domain:is_persistent() end,
    function() return move.domain:autostart() end,
  }, function(read) return read() end)
  move.state, move.live = reads[1], xml.parse(reads[2])
  move.persistent, move.autostart = reads[3], reads[4]
  move.name, move.uuid = move.domain:name(), move.domain:uuid()
  move.inactive = move.persistent and xml.parse(move.domain:xml { inactive = true }) or nil
  move.new_name = p.new_name ~= "" and p.new_name or move.name
  move.disks = storage.disks(move)
  require("migrate.volumes").resolve(move)
  move.from_address = source:address_for(destination)
  move.to_address = p.migrate_address ~= "" and p.migrate_address or destination:address_for(source)
  ctx.move = move
  return move
end

--- One run per domain: the journal refuses a second one here, a lock file on both hosts one from elsewhere.
function migrate.lock(move)
  local ctx = move.ctx
  ctx:about(move.uuid)
  async.parallel({ move.source, move.destination }, function(one)
    ctx:lease("domain-lock", { host = one.name, uuid = move.uuid, run = ctx.run_id })
  end)
end

--- What must be the same after the move.
function migrate.record(move)
  local ctx = move.ctx
  local addresses = errors.catch({ "AGENT_UNRESPONSIVE", "OPERATION_INVALID", "UNSUPPORTED", "NO_AGENT" },
    move.domain.addresses, move.domain, "agent")
  -- Should it be lost, or replaced by the move, this is what to define it from.
  ctx:archive("definition", { host = move.source.name, xml = (move.inactive or move.live):to_text() })
  local there = not ctx.planning and move.destination.virt:find_domain(move.uuid)
  if there and there:is_persistent() then
    ctx:archive("definition", { host = move.destination.name, xml = there:xml { inactive = true } })
  end
  move.before = { state = move.state.state, persistent = move.persistent, autostart = move.autostart,
    addresses = addresses, agent = addresses ~= nil,
    definition = not (move.persistent and move.p.persistent) and move.domain:xml { migratable = true } or nil }
  return move.before
end

--- Finds out which disks both hosts share, makes the others at the destination, and says what is done with each.
function migrate.prepare_disks(move) return storage.prepare(move) end

--- Opens the way for the bytes: the run's key, tunnel or firewall opening, each of them a lease.
function migrate.open_channel(move) return require("migrate.channel").open(move) end

--- Moves the domain, with live progress, the timeout and the convergence policy; then asks both hosts how it ended.
-- Returns when the domain runs on the destination; raises what stopped it otherwise, after the hosts were asked.
function migrate.go(move)
  local job = require "migrate.job"
  local ctx = move.ctx
  local had, process
  if not ctx.planning then
    local looks = async.parallel({
      function() return reconcile.observe(move.destination, move.uuid).status end,
      -- Its user may have paused it since the checks: then it stays so.
      function() return move.domain:state() end,
      -- By it a recovery knows whether a guest that runs here then is the one that was to move.
      function() return domain_process.read(move.source, move.name, move.uuid) or false end,
    }, function(look) return look() end)
    had, move.state, process = looks[1], looks[2], looks[3] and { name = move.name, is = looks[3] } or nil
    if move.before then move.before.state = move.state.state end
  end
  local source, destination = move.source.name, move.destination.name
  ctx:follow_up("after-move", { source = source, destination = destination, uuid = move.uuid,
    autostart = move.autostart and move.p.autostart or nil, undefine_source = move.p.undefine_source or nil })
  local known = { source = source, destination = destination, uuid = move.uuid, before = move.state.state,
    destination_had = had, held = job.is_held(move) or nil, persistent = move.p.persistent or false, process = process }
  ctx:undo("settle-domain", known)
  job.describe(move)
  if ctx.planning then return end
  local problem = job.run(move)
  for _ = 1, 3 do
    if not (problem and job.is_refused_port(problem) and require("migrate.channel").reopen_ports(move)) then break end
    problem = job.run(move)
  end
  local settled = async.shield(reconcile.settle, move.source, move.destination, move.uuid,
    setmetatable({ complete = problem == nil, wait = "30m" }, { __index = known }))
  move.settled = settled
  if settled.outcome == "moved" then
    if problem and core.is_cancellation(problem) then error(problem, 0) end  -- not too late for what follows
    if problem then
      ctx:warn(("libvirt reported an error, and the domain did move: %s"):format(errors.message(problem)))
    end
    return
  end
  if settled.outcome == "operator" then
    ctx.patience = "3s"  -- both hosts were asked with all patience just now
    problem = problem or errors.new { code = "NEEDS_OPERATOR", message = settled.text }
    problem.needs_operator = true
    problem.message = ("%s: %s"):format(settled.text, errors.message(problem))
    problem.hint = settled.hint
    error(problem, 0)
  end
  error(problem or errors.new { code = "NOT_MOVED", host = move.source.name,
    message = ("libvirt reported no error, but %s"):format(settled.text) }, 0)
end

--- Removes the definition that stayed at the source, once the domain is seen at the destination with one of its own.
function migrate.undefine_source(move) return require("migrate.after").undefine_source(move) end

--- Carries the autostart flag, and clears it at the source: two hosts must not both start the domain at boot.
function migrate.carry_autostart(move) return require("migrate.after").carry_autostart(move) end

--- Compares the moved domain with what was recorded before: state, definition, addresses, agent.
function migrate.verify(move) return require("migrate.after").verify(move) end

--- Adds the rows of the closing summary: where the domain runs, how long it took, what was sent and granted.
function migrate.summarise(move) return require("migrate.after").summarise(move) end

return migrate
