-- drover reconcile DOMAIN --hosts a,b [--act] [--json]: asks both hosts who has the domain, and says, or does, what the
-- table of stdlib/reconcile.lua makes of it. The first host is the source: where the domain belongs if in doubt.
-- Tested by tests/stdlib/prelude_test.lua and tests/lab/suites/live_migrate.
local async = require "async"
local core = require "drover.core"
local reconcile = require "reconcile"
local screen = require "screen"

local function two_hosts(text)
  local first, second = text:match("^([^,]+),([^,]+)$")
  if first and first ~= second then return first, second end
  errors.raise { domain = "usage", code = "BAD_HOSTS", where = false,
    message = ("--hosts: '%s' is not two hosts"):format(text),
    hint = "write it like --hosts kvm1,kvm2: source, destination" }
end

-- The UUID of the domain on whichever host has it, and why a host could not be asked. Two domains of one name are not
-- one domain.
local function find_uuid(one, other, name)
  local uuid, problem
  for _, at in ipairs { one, other } do
    local ok, found = core.pcall(function()
      if at.problem then error(at.problem, 0) end
      local domain = at.virt:find_domain(name)
      return domain and domain:uuid()
    end)
    if not ok and core.is_cancellation(found) then error(found, 0) end
    if not ok then found, problem = nil, found end
    if found and uuid and found ~= uuid then
      errors.raise { code = "TWO_DOMAINS", where = false, object = name,
        message = ("%s and %s have different domains named '%s'"):format(one.name, other.name, name),
        hint = "give the UUID: " .. uuid .. " or " .. found }
    end
    uuid = uuid or found
  end
  return uuid, problem
end

return function(request)
  local first, second = two_hosts(request.hosts)
  local hosts = async.parallel({ first, second }, function(name)
    return reconcile.reach(name, function() return host.connect(name) end)
  end)
  local source, destination = hosts[1], hosts[2]
  local _ <close> = setmetatable({}, { __close = function()
    for _, one in ipairs(hosts) do
      if one.close then one:close() end
    end
  end })
  local uuid, problem = find_uuid(source, destination, request.domain)
  if not uuid and problem then error(problem, 0) end
  if not uuid then
    errors.raise { code = "NO_DOMAIN", where = false, object = request.domain,
      message = ("neither %s nor %s has a domain '%s'"):format(source.name, destination.name, request.domain) }
  end
  local settled = reconcile.settle(source, destination, uuid,
    { act = request.act, wait = request.act and "30m" or "1s", patience = request.act and "20s" or "3s" })
  if request.json then
    settled.uuid = uuid
    print(json.encode(settled))
  else
    screen.say(("%s: %s"):format(source.name, settled.source))
    screen.say(("%s: %s"):format(destination.name, settled.destination))
    screen.say(settled.text .. (settled.todo and "; --act would " .. settled.todo or ""))
    if settled.hint then screen.say("  " .. settled.hint) end
  end
  return settled.outcome == "operator" and 3 or 0
end
