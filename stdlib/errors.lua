--- Error objects: what bindings raise, and how a script makes and reads one.
-- Fields: domain, code, message; where known native, op, host, object, hint, cause, suppressed, where, traceback.
-- Tested by tests/stdlib/errors_test.lua.
local core = require "drover.core"

local errors = {}

local function place(level)
  local info = debug.getinfo(level, "Sl")
  while info do
    if info.currentline > 0 and not info.source:find("^@stdlib/") then
      return (info.source:match "^@(.*)" or info.short_src) .. ":" .. info.currentline
    end
    level = level + 1
    info = debug.getinfo(level, "Sl")
  end
end

--- Makes an error object of a table of fields. Its metatable is that of the bindings' errors.
function errors.new(fields)
  local object = core.complete_error("")
  object.traceback = nil
  for name, value in pairs(fields) do object[name] = value end
  object.domain = fields.domain or "playbook"
  object.code = fields.code or "FAILED"
  return object
end

--- Raises an error object; the playbook's file and line are added unless fields.where is false.
function errors.raise(fields)
  local object = errors.new(fields)
  if object.where == nil then object.where = place(3) end
  if object.where == false then object.where = nil end
  object.traceback = debug.traceback(nil, 2)
  error(object, 0)
end

--- Any error value as an error object.
function errors.wrap(value) return core.complete_error(value) end

--- Whether value is an error object with that code.
function errors.is(value, code) return type(value) == "table" and rawget(value, "code") == code end

--- Whether the error means that the work was cancelled (Ctrl-C, a timeout, a failed sibling).
function errors.is_cancellation(value) return core.is_cancellation(value) end

--- Calls f(...); gives its results, or nil and the error object when its code is one of `codes`. Others pass on.
function errors.catch(codes, f, ...)
  if type(codes) == "string" then codes = { codes } end
  local results = table.pack(pcall(f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  for _, code in ipairs(codes) do
    if errors.is(results[2], code) then return nil, results[2] end
  end
  error(results[2], 0)
end

--- The message of any error value, without its place.
function errors.message(value)
  if type(value) == "table" and rawget(value, "message") then return value.message end
  return tostring(value)
end

return errors
