--- What a playbook's check and run work with: steps, leases, undo, checks, the hosts of the run.
-- Tested by tests/stdlib/context_test.lua.
local async = require "async"
local change = require "change"
local core = require "drover.core"
local entries = require "entries"
local errors = require "errors"
local history = require "history"
local hosts = require "hosts"
local json = require "json"
local lease = require "lease"

local context = {}
context.__index = context

--- A run's own. options: run_id, screen, store (nil while planning or checking), plan (while planning), verbose; for
-- tests connect and journal_path.
function context.new(options)
  local self = setmetatable({
    run_id = options.run_id,
    screen = options.screen,
    store = options.store,
    plan = options.plan,
    planning = options.plan ~= nil,
    verbose = options.verbose,
    faults = {},
    changed = {},
    warnings = {},
    rows = {},
    used = {},
    noted_machines = {},
    mark = "drover run=" .. options.run_id,
  }, context)
  self.hosts = hosts.new(options.connect)
  self.journal_path = options.journal_path
  return self
end

-- A recovery trusts no name: DNS or the inventory may have led it to another machine since, where nothing of the run is
-- to be found and everything would look well.
local function check_machine(self, name, one)
  local expected = self.machine_ids and self.machine_ids[name]
  if not expected then return end
  local found = one:facts().machine_id
  if found ~= expected then
    errors.raise { code = "OTHER_HOST", host = name, where = false,
      message = "the name leads to another machine now than when the run began, and nothing is done there",
      hint = "let it lead to the machine with the id " .. expected .. " (/etc/machine-id)" }
  end
  self.machine_ids[name] = nil
end

--- The connected host of that name; one connection each, closed at the end of the run.
function context:host(name)
  if self.fenced and self.fenced[name] then
    errors.raise { code = "FENCED", host = name, where = false, message = "the host is fenced: its operator says so" }
  end
  local one = self.hosts:get(name)
  check_machine(self, name, one)
  return one
end

-- Events only inform: one that cannot be written stops nothing, least of all the watch over a move. What must be
-- written down is an intent, and that raises.
local function record(self, kind, fields)
  if not self.store then return end
  local ok, problem = core.pcall(self.store.add_event, self.store, self.run_id, kind, json.encode(fields))
  if ok or self.misses_events then return end
  if core.is_cancellation(problem) then error(problem, 0) end
  self.misses_events = true
  self.screen:warning("the run's history has gaps: " .. errors.message(problem), rawget(problem, "hint"))
end

-- Writes down which machine a name leads to, for a recovery.
local function note_machine(self, name)
  if not name or self.noted_machines[name] then return end
  self.noted_machines[name] = true
  local one = self:host(name)
  if one.facts then record(self, "host", { name = name, machine_id = one:facts().machine_id }) end
end

-- What a playbook gave is checked here, where its own line is still to be told. One who writes ctx.step("x", ...) gives
-- the wrong self.
local function expect(self, method, name, value, wanted)
  local what, got = name, type(value)
  if getmetatable(self) ~= context then what, wanted, got = "ctx", "a call with a colon", type(self)
  elseif got == wanted then return end
  errors.raise { code = "BAD_ARGUMENT",
    message = ("ctx:%s: %s: expected %s, got %s"):format(method, what,
      wanted:find(" ") and wanted or (wanted:find("^[aeiou]") and "an " or "a ") .. wanted, got) }
end

-- Runs f(...) with the task's scope set: the step that it belongs to, or the entry of the journal that it makes.
local function within(scope, f, ...)
  local before = core.set_scope(scope)
  local results = table.pack(core.xpcall(f, core.complete_error, ...))
  core.set_scope(before)
  return table.unpack(results, 1, results.n)
end

-- What is made here has its entry in the journal, and is taken back by it.
local function as_entry(f, ...)
  local results = table.pack(within({ is_entry = true }, f, ...))
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- An undo covers the changes of the step that it is registered in; one that is registered before a step, those of that.
local function note_undo(self)
  local scope = core.scope()
  if scope and scope.step then scope.has_undo = true else self.has_undo_for_next = true end
end

-- So many changes that nothing undoes are named.
local most_changes = 20

-- What changes nothing that would be undone.
local harmless = { ["virt.Pool.refresh"] = true }

--- Gives what core.set_watcher takes, for drover itself: it refuses a changing call that stands in no step, as the plan
-- does, and writes down, before it is made, one that neither a lease nor an undo will take back.
function context:watcher()
  return function(name, is_method, ...)
    local scope = core.scope()
    if scope and scope.is_entry then return end
    if not (scope and scope.step) then change.refuse_outside(name) end
    if scope.has_undo or self.committed and self.has_follow_up or harmless[name] then return end
    local text = change.sentence(name, is_method, ...)
    if self.changed[text] or #self.changed > most_changes then return end
    if #self.changed == most_changes then text = "and more" end
    self.changed[text] = true
    self.changed[#self.changed + 1] = text
    record(self, "changed", { text = text, step = scope.step })
  end
end

--- Runs body as a step that a person sees with its time. label is text, body a function that is called without
-- arguments. Gives what body gives; an error of body says in which step it was. Hosts are changed in steps only; what a
-- step changes without a lease or an undo is named when the run does not end well.
function context:step(label, body)
  expect(self, "step", "label", label, "string")
  expect(self, "step", "body", body, "function")
  local started_ms = async.monotonic_ms()
  local outer = core.scope()
  local scope = { step = label, has_undo = self.has_undo_for_next or outer and outer.has_undo }
  self.has_undo_for_next = nil
  if self.planning then
    local results = table.pack(within(scope, self.plan.record, self.plan, body))
    if not results[1] then error(results[2], 0) end
    return table.unpack(results, 2, results.n)
  end
  self.screen:step_began(label)
  local results = table.pack(within(scope, body))
  local elapsed_ms = async.monotonic_ms() - started_ms
  local problem = not results[1] and errors.message(results[2]) or nil
  self.screen:step_ended(label, elapsed_ms, results[1], problem)
  record(self, "step", { step = label, elapsed_ms = elapsed_ms, ok = results[1], error = problem })
  if not results[1] then
    if rawget(results[2], "step") == nil then results[2].step = label end
    error(results[2], 0)
  end
  return table.unpack(results, 2, results.n)
end

--- Raises CHECK_FAILED with the playbook's line unless condition holds. format may end in a hint after a newline.
function context.ensure(_, condition, format, ...)
  if condition then return condition end
  local text = select("#", ...) > 0 and format:format(...) or format or "a check failed"
  local message, hint = text:match("^([^\n]*)\n?(.*)$")
  errors.raise { code = "CHECK_FAILED", message = message, hint = hint ~= "" and hint or nil }
end

--- Notes something that stops the run; all of them are shown together when the check ends.
function context:fault(message, hint, host_name)
  expect(self, "fault", "message", message, "string")
  self.faults[#self.faults + 1] = { message = message, hint = hint, host = host_name }
end

--- Notes something that a person should know and that does not stop the run.
function context:warn(message, hint)
  expect(self, "warn", "message", message, "string")
  for _, known in ipairs(self.warnings) do
    if known.message == message then return end
  end
  self.warnings[#self.warnings + 1] = { message = message, hint = hint }
  self.screen:warning(message, hint)
  record(self, "warning", { message = message, hint = hint })
end

--- Says a line where the run is: on the screen, to --json, and in the run's report. The words are string.format's.
function context:log(format, ...)
  expect(self, "log", "format", format, "string")
  if self.planning then return end
  local message = select("#", ...) > 0 and format:format(...) or format
  self.screen:note(message)
  record(self, "log", { message = message })
end

--- Raises all noted faults as one error; nothing when there are none.
function context:stop_on_faults()
  if #self.faults == 0 then return end
  local first = self.faults[1]
  local problem = errors.new { code = "CHECK_FAILED", message = first.message, hint = first.hint, host = first.host }
  if #self.faults > 1 then
    problem.message = ("%d things stand in the way; nothing was changed"):format(#self.faults)
    problem.hint, problem.host = nil, nil
    problem.faults = self.faults
  end
  error(problem, 0)
end

-- The kind of a name, once it is sure that it can make something of the arguments.
local function find_kind(self, method, kind_name, arguments)
  expect(self, method, "kind", kind_name, "string")
  expect(self, method, "arguments", arguments, "table")
  local kind = lease.find(kind_name)
  lease.check_arguments(kind, arguments, "ctx:" .. method)
  return kind
end

--- Grants a lease of a registered kind: temporary access or material that is always taken back. Gives its result.
-- `secret` is handed to the kind and never written down.
function context:lease(kind_name, arguments, secret)
  local kind = find_kind(self, "lease", kind_name, arguments)
  if self.planning then
    for _, described in ipairs(lease.describe(kind, arguments, self)) do
      described.temporary = true
      self.plan:add(described)
    end
    return kind.planned and kind.planned(arguments) or {}
  end
  note_machine(self, arguments.host)
  local result = as_entry(entries.grant, self.store, self, kind, arguments, secret)
  record(self, "lease", { kind = kind_name, label = lease.label(kind, arguments) })
  self.screen:event("lease", { kind = kind_name, label = lease.label(kind, arguments) })
  return result
end

--- Looks whether this run's leases are still there, and makes those again that somebody else dropped: an opening that
-- the firewall's reload closed. For steps that last.
function context:renew()
  if self.planning then return end
  for _, label in ipairs(as_entry(entries.renew, self.store, self)) do
    self:warn("made again, somebody had dropped it: " .. label)
  end
end

--- Takes back this run's leases of a kind now, not at the end of the run.
function context:release(kind_name)
  lease.find(kind_name)
  if not self.planning then as_entry(entries.release, self.store, self, kind_name) end
end

--- Registers what to do on failure or interrupt, until commit(). Call it before the act. Gives its number, for made().
function context:undo(kind_name, arguments)
  local kind = find_kind(self, "undo", kind_name, arguments)
  if self.planning then return end
  note_undo(self)
  return entries.add(self.store, self, kind, arguments)
end

--- Registers what must not be forgotten once the work stands, should the run end before its own steps did it. Call it
-- before the work, and so before commit().
function context:follow_up(kind_name, arguments)
  local kind = find_kind(self, "follow_up", kind_name, arguments)
  if self.planning then return end
  self.has_follow_up = true
  entries.add(self.store, self, kind, arguments)
end

--- Writes down what the act of an undo entry made, so that the undo can tell it from the work of others. sequence is
-- what undo gave; made is plain data, the third argument of the kind's undo.
function context:made(sequence, made)
  if self.planning then return end
  entries.note_made(self.store, self, sequence, made)
end

--- From here on the run's work stands: the undo entries so far become void and the follow-ups due, all at once and
-- durably; leases are still taken back. An undo that is registered later is run again on failure.
function context:commit()
  if self.planning then return end
  entries.commit(self.store, self)
end

--- Says what the run is about (a domain's UUID). Raises DOMAIN_BUSY when another run of it is not finished.
function context:about(object)
  local looked_into <close> = not self.store and history.existing_journal(self.journal_path) or nil
  local store = self.store or looked_into
  if not store then return end
  local holder
  if self.store then holder = store:claim_object(self.run_id, object) else holder = store:find_holder(object) end
  if not holder then return end
  local other = store:find_run(holder)
  local hint = "finish it first: drover recover " .. holder
  local at_work = other and other.alive and not other.own  -- "own": a dead run that this process looked after
  if at_work then
    hint = "wait for it, or stop it"
  elseif other and other.kept then
    hint = "take it back first: drover undo " .. holder
  end
  errors.raise { code = "DOMAIN_BUSY", where = false, hint = hint,
    message = ("run %s of this domain is %s"):format(holder, at_work and "at work" or "not finished") }
end

--- Keeps plain data in the run's journal, where 'drover report --json' shows it. Passwords of displays are left out of
-- a definition: an entry of the journal is read by many.
function context:archive(kind, fields)
  local kept = {}
  for name, value in pairs(fields) do
    kept[name] = type(value) == "string" and value:gsub([[(%spasswd=)(["']).-%2]], "%1%2***%2") or value
  end
  record(self, kind, kept)
end

--- Closes object at the end of the run.
function context:use(object)
  self.used[#self.used + 1] = object
  return object
end

--- Adds a row to the closing summary.
function context:report(name, text) self.rows[#self.rows + 1] = { name, text } end

-- Enough points for a curve: a move of a minute is kept at every look, one of a day at every few minutes.
local points_per_move = 300

--- Shows the progress of a move, and keeps points of it.
function context:progress(label, fields)
  self.screen:progress(label, fields)
  local now_ms = async.monotonic_ms()
  self.progress_began_ms = self.progress_began_ms or now_ms
  local between_ms = (now_ms - self.progress_began_ms) // points_per_move
  if self.progress_kept_ms and now_ms - self.progress_kept_ms < between_ms then return end
  self.progress_kept_ms = now_ms
  record(self, "progress", fields)
end

--- Adds a connection to the plan: { from =, to =, port =, encrypted =, purpose = }.
function context:connection(connection)
  if self.planning then self.plan:connection(connection) end
end

--- Like async.parallel.
function context.parallel(_, list, limit, body) return async.parallel(list, limit, body) end

--- Closes what was used, and the hosts.
function context:close()
  local used = self.used
  self.used = {}
  for index = #used, 1, -1 do core.pcall(function() used[index]:close() end) end
  self.hosts:close()
end

return context
