--- Kinds of leases and undo entries: named code with plain arguments, so that another process can finish a run.
--
-- A lease is temporary access or material (a key, an opening, a directory). Its kind gives
--   describe(arguments)            what the plan shows: { host =, text =, lines = { ... } } or a list of these
--   grant(arguments, env, secret)  makes it, and returns plain data; `secret` is never written down
--   probe(arguments, env, result)  "ours", "absent" or "foreign" (there, but not made by this run)
--   revoke(arguments, env, result) takes it away; called only when probe says "ours"
--   prepare(arguments, env)        reads what is there, and adds to the arguments what revoke will need to put it back
--                                  even when the process dies in grant; before the intent (optional)
--   renew(arguments, env, result)  makes it again, for the time that is left, when somebody else dropped it while it is
--                                  needed; gives the new result then (optional; context:renew)
--   planned(arguments)             what grant would return, while planning (optional)
--   named_by_run = true            says that the run's id is part of what is made: it cannot be anybody else's, and
--                                  grant and revoke probe and verify in the same round trip (optional)
-- An undo entry's kind gives describe and undo(arguments, env, made); made is what context:made wrote down, if it
-- came to that. It must be harmless when its act never happened. It returns what it did, as a sentence for people
-- ("kept ..." when it left something on purpose, "absent" when there was nothing), and may return lease.stands as a
-- second value: the run's work turned out to be done, and the undo entries before this one are void. With
-- guards_earlier_undo = true those stay open while this one fails.
-- A follow-up's kind gives describe and follow_up(arguments, env): what must not be forgotten once the work stands. The
-- playbook does it itself, after its commit; when the run fails, is interrupted or dies in between, whoever ends the
-- run does it. So it must be harmless when it is done already. It returns a sentence, as an undo does.
-- All may give longest_end, a duration: how long ending one may take (60s without it).
-- env:host(name) is a connected host, env.run_id the run. Tested by tests/stdlib/lease_test.lua.
local core = require "drover.core"
local errors = require "errors"

local lease = {}

--- Second result of an undo: the work of the run stands.
lease.stands = "the work stands"

local kinds = {}

local needed = { lease = { "name", "describe", "grant", "probe", "revoke" }, undo = { "name", "describe", "undo" },
  follow_up = { "name", "describe", "follow_up" } }

local register_names = { lease = "kind", undo = "undo_kind", follow_up = "follow_up_kind" }

local function register(type_name, definition)
  if type(definition) ~= "table" then
    errors.raise { code = "BAD_KIND",
      message = ("lease.%s { ... } takes a table, not a %s"):format(register_names[type_name], type(definition)) }
  end
  for _, field in ipairs(needed[type_name]) do
    if definition[field] == nil then
      local what = definition.name and ("the kind '%s'"):format(tostring(definition.name)) or "a kind"
      errors.raise { code = "BAD_KIND",
        message = ("lease.%s { ... }: %s has no %s"):format(register_names[type_name], what, field) }
    end
  end
  definition.type = type_name
  kinds[definition.name] = definition
  return definition
end

--- Registers a kind of lease. A site playbook may register its own; the journal keeps the playbook's text.
function lease.kind(definition) return register("lease", definition) end

--- Registers a kind of undo.
function lease.undo_kind(definition) return register("undo", definition) end

--- Registers a kind of follow-up.
function lease.follow_up_kind(definition) return register("follow_up", definition) end

--- The registered kind; stock ones are read from stdlib/kinds when first used. Raises NO_KIND.
function lease.find(name)
  if not kinds[name] and name:match("^%l[%l%d-]*$") then
    local module = "kinds." .. name:gsub("-", "_")
    package.loaded[module] = nil  -- it registers when it loads, and lease.apart may have put it aside
    local ok, problem = core.pcall(require, module)
    if not ok and not tostring(problem):find("no module '" .. module .. "'", 1, true) then error(problem, 0) end
  end
  if not kinds[name] then
    local names = {}
    for known in pairs(kinds) do names[#names + 1] = known end
    local near = core.nearest(name, names)
    errors.raise { code = "NO_KIND", message = ("there is no kind of lease or undo named '%s'"):format(name),
      hint = near and ("did you mean '%s'?"):format(near) or "register it with lease.kind { ... } in the playbook" }
  end
  return kinds[name]
end

--- Runs body with no kinds but stock ones registered, and puts back afterwards what was there: the kinds of a dead
-- run's playbook must not replace those of the run that is about to begin.
function lease.apart(body, ...)
  local before = kinds
  kinds = {}
  local results = table.pack(core.pcall(body, ...))
  kinds = before
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- What a kind would do, as a list of { host, text, lines } for the plan.
function lease.describe(kind, arguments, env)
  local described = kind.describe(arguments, env)
  if described.text then described = { described } end
  return described
end

--- Raises BAD_ARGUMENT, with the playbook's line, when a kind's own description stumbles over arguments: one that it
-- needs is missing. `who` is what the playbook called.
function lease.check_arguments(kind, arguments, who)
  local ok, problem = core.pcall(kind.describe, arguments)
  if ok or not errors.is(errors.wrap(problem), "LUA_ERROR") then return end
  local message = errors.message(errors.wrap(problem))
  local missing = message:match("%(field '([%w_]+)'%)")
  errors.raise { code = "BAD_ARGUMENT", cause = errors.wrap(problem),
    message = ("%s: the kind '%s' %s"):format(who, kind.name, missing and "needs the argument '" .. missing .. "'"
      or "can make nothing of its arguments: " .. message),
    hint = ("stdlib/kinds/%s.lua says what it takes, if it is a stock one"):format(kind.name:gsub("-", "_")) }
end

--- The first line of a description: the label of a step or of a journal entry.
function lease.label(kind, arguments)
  local first = lease.describe(kind, arguments)[1]
  return first and (first.text .. (first.host and " on " .. first.host or "")) or kind.name
end

return lease
