-- Shows bulk statistics on libvirt's test driver: which domains, which groups, and names as libvirt has them. Figures
-- of a real guest are shown in the lab (tests/lab/suites/virt.lua).
local test = require "test"
local with_node = test.load(..., "node").with_node

local function by_name(list)
  local found = {}
  for _, one in ipairs(list) do found[one.name] = one.stats end
  return found
end

test.case("each domain of a host has its statistics in one call", function()
  with_node(function(connection)
    local list = connection:all_domain_stats { stats = { "state" } }
    local found = by_name(list)
    test.equal({ #list, #list[1].uuid, found.web["state.state"], found.idle["state.state"] }, { 2, 36, 1, 5 })
  end)
end)

test.case("domains are chosen by what they are", function()
  with_node(function(connection)
    local function names(options)
      local found = {}
      for name in pairs(by_name(connection:all_domain_stats(options))) do found[#found + 1] = name end
      table.sort(found)
      return table.concat(found, " ")
    end
    test.equal({ names { active = true }, names { inactive = true }, names { running = true, shutoff = true },
      names { transient = true }, names {} }, { "web", "idle", "idle web", "", "idle web" })
    connection:domain("web"):suspend()
    test.equal({ names { paused = true }, names { running = true } }, { "web", "" })
  end)
end)

test.case("one domain has the same figures as in the list", function()
  with_node(function(connection)
    test.equal(connection:domain("web"):stats { stats = { "state" } },
      by_name(connection:all_domain_stats { stats = { "state" } }).web)
  end)
end)

test.case("groups that there are not are named, and wrong options are refused", function()
  with_node(function(connection)
    local problem = test.raises("BAD_ARGUMENT", connection.all_domain_stats, connection, { stats = { "stat" } })
    test.matches(problem.message, "balloon.*'stat'")
    local web = connection:domain "web"
    test.raises("BAD_ARGUMENT", web.stats, web, { stats = "state" })
    test.raises("UNKNOWN_OPTION", web.stats, web, { active = true })
    test.raises("BAD_ARGUMENT", web.stats, web, { nowait = "yes" })
  end)
end)

test.case("what the host cannot tell is left out, or UNSUPPORTED when it is insisted on", function()
  with_node(function(connection)
    local web = connection:domain "web"
    test.equal(web:stats { stats = { "dirtyrate" } }, {})
    test.raises("UNSUPPORTED", web.stats, web, { stats = { "dirtyrate" }, enforce = true })
  end)
end)

test.case("a closed connection tells nothing", function()
  with_node(function(connection)
    local web = connection:domain "web"
    connection:close()
    test.raises("CONNECTION_CLOSED", web.stats, web)
    test.raises("CONNECTION_CLOSED", connection.all_domain_stats, connection)
  end)
end)
