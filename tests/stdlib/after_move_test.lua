-- Shows what is done for a domain that has moved when the run ended before its own steps did it.
local test = require "test"
local lease = require "lease"

local kind = lease.find "after-move"

-- Two hosts that have the domain; flags keeps what set_autostart was told on each.
local function world(source_has_it, persistent)
  local flags = {}
  local function a_host(name, has_it)
    local domain = { name = function() return "web1" end, is_persistent = function() return persistent ~= false end,
      set_autostart = function(_, on) flags[name] = on end }
    return { name = name, virt = { domain = function() return domain end,
      find_domain = function() return has_it and domain or nil end } }
  end
  local hosts = { a = a_host("a", source_has_it), b = a_host("b", true) }
  return { host = function(_, name) return hosts[name] end }, flags
end

local function follow_up(arguments, ...)
  local env, flags = world(...)
  arguments.source, arguments.destination, arguments.uuid = "a", "b", "uuid"
  return kind.follow_up(arguments, env), flags
end

test.case("A3: the destination starts it at boot, and the source does not any more", function()
  test.equal({ follow_up({ autostart = "carry" }, true) },
    { "b starts it at boot now, a does not", { a = false, b = true } })
  test.equal({ follow_up({ autostart = "off" }, true) }, { "no host starts it at boot now", { a = false } })
end)

test.case("A3: should drover die between the two, then no host starts it at boot, and not both", function()
  local order, env = {}, world(true)
  for _, name in ipairs { "a", "b" } do
    local domain = { is_persistent = function() return true end,
      set_autostart = function(_, on) order[#order + 1] = name .. (on and " on" or " off") end }
    local one = { virt = { domain = function() return domain end, find_domain = function() return domain end } }
    local others = env.host
    env.host = function(self, wanted) return wanted == name and one or others(self, wanted) end
  end
  kind.follow_up({ source = "a", destination = "b", uuid = "uuid", autostart = "carry" }, env)
  test.equal(order, { "a off", "b on" })
end)

test.case("a definition that was to be removed stays, and is named", function()
  test.equal({ follow_up({ undefine_source = true }, true) },
    { "not done: --undefine-source; look at it on b, then on a: virsh undefine web1 --keep-nvram", {} })
  test.equal(follow_up({ undefine_source = true }, false), "absent")
end)

test.case("nothing to do is nothing to say", function() test.equal({ follow_up({}, true) }, { "absent", {} }) end)
