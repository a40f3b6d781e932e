-- drover reconcile DOMAIN --hosts a,b [--act] [--json]: asks both hosts who has the domain, and says, or does, what the
-- table of stdlib/reconcile.lua makes of it. The first host is the source: where the domain belongs if in doubt.
-- Tested by tests/stdlib/prelude_test.lua and tests/lab/suites/live_migrate.
local reconcile = require "reconcile"

local function two_hosts(text)
  local first, second = text:match("^([^,]+),([^,]+)$")
  if first and first ~= second then return first, second end
  errors.raise { domain = "usage", code = "BAD_HOSTS", where = false,
    message = ("--hosts: '%s' is not two hosts"):format(text),
    hint = "write it like --hosts kvm1,kvm2: source, destination" }
end

-- The UUID of the domain on whichever host has it. Two domains of one name are not one domain.
local function find_uuid(one, other, name)
  local uuid
  for _, at in ipairs { one, other } do
    local domain = at.virt:find_domain(name)
    local found = domain and domain:uuid()
    if found and uuid and found ~= uuid then
      errors.raise { code = "TWO_DOMAINS", where = false, object = name,
        message = ("%s and %s have different domains named '%s'"):format(one.name, other.name, name),
        hint = "give the UUID: " .. uuid .. " or " .. found }
    end
    uuid = uuid or found
  end
  return uuid
end

return function(request)
  local first, second = two_hosts(request.hosts)
  local source <close> = host.connect(first)
  local destination <close> = host.connect(second)
  local uuid = find_uuid(source, destination, request.domain)
  if not uuid then
    errors.raise { code = "NO_DOMAIN", where = false, object = request.domain,
      message = ("neither %s nor %s has a domain '%s'"):format(source.name, destination.name, request.domain) }
  end
  local settled = reconcile.settle(source, destination, uuid,
    { act = request.act, wait = request.act and "30m" or "1s" })
  if request.json then
    settled.uuid = uuid
    print(json.encode(settled))
  else
    print(("%s: %s"):format(source.name, settled.source))
    print(("%s: %s"):format(destination.name, settled.destination))
    print(settled.text .. (settled.todo and "; --act would " .. settled.todo or ""))
    if settled.hint then print("  " .. settled.hint) end
  end
  return settled.outcome == "operator" and 3 or 0
end
