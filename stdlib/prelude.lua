-- What every drover script starts with: waiting, strict globals, modules that load when first named.
-- Loaded once by host/lua/state.cpp, which hands in the host table; tested by tests/stdlib/prelude_test.lua.
local host = ...

local raw_pcall, raw_xpcall = pcall, xpcall
local raw_resume, raw_yield, isyieldable = coroutine.resume, coroutine.yield, coroutine.isyieldable
local raw_create, running = coroutine.create, coroutine.running
local operation_name = "drover.Operation"

local function is_operation(value)
  return type(value) == "userdata" and getmetatable(value) == operation_name
end

-- Gives the results of an operation; other tasks run until they are there.
local function await(operation)
  if not operation:ready() then
    if not isyieldable() then
      error("cannot wait for '" .. operation:describe() .. "' here: a playbook file must not touch a host while it "
        .. "loads, and neither may sort, gsub or a finaliser", 2)
    end
    raw_yield(operation)
  end
  return operation:result()
end

-- What a blocking binding gave: an operation, or its results at once where there was nothing to wait for.
local function settle(first, ...)
  if type(first) == "userdata" and getmetatable(first) == operation_name then return await(first) end
  return first, ...
end

-- Cancellation passes through pcall: a script that catches everything in a loop must still stop on Ctrl-C.
local function is_cancellation(value)
  return type(value) == "table" and rawget(value, "code") == "CANCELLED"
end

local function rethrow_cancellation(ok, ...)
  if not ok and is_cancellation((...)) then error((...), 0) end
  return ok, ...
end

function pcall(f, ...) return rethrow_cancellation(raw_pcall(f, ...)) end

function xpcall(f, handler, ...)
  -- A handler may make anything of an error; a cancellation it does not get to see.
  return rethrow_cancellation(raw_xpcall(f, function(problem)
    if is_cancellation(problem) then return problem end
    return handler(problem)
  end, ...))
end

-- A script's own coroutines may wait too: an operation that one yields is handed on to the scheduler.
local function hand_on(co, ok, first, ...)
  if ok and is_operation(first) then
    raw_yield(first)
    return hand_on(co, raw_resume(co))
  end
  return rethrow_cancellation(ok, first, ...)
end

-- What each thread does just now: the step of a run, say (stdlib/context.lua). Whoever is started or resumed from
-- within does it too.
local scopes = setmetatable({}, { __mode = "k" })

function coroutine.resume(co, ...)
  scopes[co] = scopes[(running())]
  return hand_on(co, raw_resume(co, ...))
end

local function results_or_error(ok, ...)
  if not ok then error((...), 0) end
  return ...
end

function coroutine.wrap(f)
  local co = raw_create(f)
  return function(...) return results_or_error(coroutine.resume(co, ...)) end
end

-- What is printed on a terminal is for a person, and hosts' own words in it must not command the terminal. A pipe or a
-- file gets the bytes as they are; so does a terminal of io.write.
local raw_print, on_terminal = print, nil

function print(...)
  if on_terminal == nil then on_terminal = require("terminal").is_terminal "stdout" end
  if not on_terminal then return raw_print(...) end
  local words = table.pack(...)
  for index = 1, words.n do words[index] = require("terminal").visible(tostring(words[index])) end
  raw_print(table.unpack(words, 1, words.n))
end

-- Globals: reading one that does not exist is an error with the nearest name; a module loads when first named.
local lazy = {
  async = "async", context = "context", errors = "errors", firewall = "firewall", help = "help",
  host = "host", inventory = "inventory", journal = "journal", json = "json", lease = "lease", log = "log",
  migrate = "migrate", playbook = "playbook", preflight = "preflight", reconcile = "reconcile", ssh = "ssh",
  terminal = "terminal", units = "units",
  virt = "virt", xml = "xml",
}

local function suggest(name)
  local names = {}
  for known in next, _G do
    if type(known) == "string" then names[#names + 1] = known end
  end
  for known in next, lazy do names[#names + 1] = known end
  table.sort(names)
  local near = host.nearest(name, names)
  return near and ("; did you mean '" .. near .. "'?") or ""
end

setmetatable(_G, {
  __index = function(globals, name)
    local module = lazy[name]
    if module then
      local value = require(module)
      rawset(globals, name, value)
      return value
    end
    if type(name) ~= "string" then return nil end
    error("'" .. name .. "' is not defined" .. suggest(name), 2)
  end,
  __metatable = "drover globals",
})

-- Set by the plan: called instead of a binding that changes something.
local recorder

-- Set by a run: called before a binding that changes something; what it raises stops the call.
local watcher

-- Set while a playbook's file loads: what it is, for the error of a binding that waits or changes something.
local loading

-- Set by eval and script: what they opened, to be closed at their end, last first.
local opened

local function refuse(name)
  error(("%s calls %s while it loads: a playbook touches hosts only in check and run"):format(loading, name), 3)
end

-- Notes an object that a binding gave and that has a close.
local function note(first, ...)
  if opened and type(first) == "userdata" and first.close then
    opened.count = opened.count + 1
    opened.objects[opened.count] = first
  end
  return first, ...
end

-- What scripts call for a binding that waits or that changes something.
local function wrap(raw, name, blocking, changes, is_method)
  if not changes then
    return function(...)
      if loading then refuse(name) end
      return note(settle(raw(...)))
    end
  end
  return function(...)
    if loading then refuse(name) end
    if recorder then return recorder(name, is_method, ...) end
    if watcher then watcher(name, is_method, ...) end
    if not blocking then return raw(...) end
    return note(settle(raw(...)))
  end
end

-- Runs body, and closes what it left open; its own error comes first.
local function closing(body, ...)
  opened = { count = 0, objects = setmetatable({}, { __mode = "v" }) }
  local results = table.pack(raw_xpcall(body, host.complete_error, ...))
  local left = opened
  opened = nil
  for index = left.count, 1, -1 do
    local object = left.objects[index]
    if object then raw_pcall(object.close, object) end
  end
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- The body of every task. Errors are caught here, inside the coroutine, where __close may still wait.
local complete_error = host.complete_error

local function run_task(f, ...) return raw_xpcall(f, complete_error, ...) end

package.loaded["drover.core"] = {
  await = await,
  closing = closing,
  complete_error = complete_error,
  documentation = host.documentation,
  is_cancellation = is_cancellation,
  is_operation = is_operation,
  load_source = host.load_source,
  modules = host.modules,
  nearest = host.nearest,
  pcall = raw_pcall,
  playbooks = host.playbooks,
  running = running,
  scope = function() return scopes[(running())] end,
  set_loading = function(what)
    local before = loading
    loading = what
    return before
  end,
  set_recorder = function(f)
    local before = recorder
    recorder = f
    return before
  end,
  set_scope = function(scope)
    local thread = running()
    local before = scopes[thread]
    scopes[thread] = scope
    return before
  end,
  set_watcher = function(f)
    local before = watcher
    watcher = f
    return before
  end,
  stdlib = host.stdlib,
  version = host.version,
  xpcall = raw_xpcall,
}

return { wrap = wrap, run_task = run_task }
