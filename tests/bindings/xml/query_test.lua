-- Shows XPath from Lua: what it finds, how values go in, and how a wrong query is refused.
local test = require "test"

local function devices()
  return xml.parse [[<domain><devices>
    <disk device='disk'><source file="/a'b"/><target dev='vda'/></disk>
    <disk device='cdrom'><target dev='sda'/></disk>
    <interface><mac address='52:54:00:00:00:01'/></interface>
  </devices><memory unit='KiB'>2048</memory></domain>]]
end

test.case("find gives the first element, nil when none is there", function()
  local root = devices()
  test.equal(root:find("devices/disk"):value("target/@dev"), "vda")
  test.equal(root:find("/domain/devices/disk[2]"):attribute("device"), "cdrom")
  test.is_nil(root:find("devices/video"))
end)

test.case("a query is relative to its element", function()
  local disk = devices():find("devices/disk[2]")
  test.equal(disk:count("target"), 1)
  test.equal(disk:count("disk"), 0)
  test.equal(disk:find("..").name(disk:find("..")), "devices")
  test.equal(disk:count("//disk"), 2)
end)

test.case("find_all is in the order of the document", function()
  local names = {}
  for _, node in ipairs(devices():find_all("//mac | //target")) do
    names[#names + 1] = node:attribute("dev") or node:attribute("address")
  end
  test.equal(names, { "vda", "sda", "52:54:00:00:00:01" })
  test.equal(devices():find_all("//video"), {})
end)

test.case("values go in as variables and cannot change the query", function()
  local root = devices()
  test.equal(root:find("devices/disk[target/@dev=$dev]", { dev = "sda" }):attribute("device"), "cdrom")
  test.equal(root:count("//disk[source/@file=$file]", { file = "/a'b" }), 1)
  test.is_nil(root:find("//disk[target/@dev=$dev]", { dev = "x' or '1'='1" }))
  test.equal(root:find("devices/disk[position()=$n]", { n = 2 }):attribute("device"), "cdrom")
  test.equal(root:count("devices/disk[$all]", { all = true }), 2)
end)

test.case("value reads attributes, texts and expressions", function()
  local root = devices()
  test.equal(root:value("memory"), "2048")
  test.equal(root:value("memory/@unit"), "KiB")
  test.equal(root:value("memory/text()"), "2048")
  test.is_nil(root:value("memory/@dumpCore"))
  test.equal(root:value("count(devices/disk)"), "2")
  test.equal(root:value("boolean(devices/video)"), "false")
end)

test.case("set_value sets what is there and refuses what is not", function()
  local root = devices()
  root:set_value("memory", "4096"):set_value("memory/@unit", "MiB")
  root:set_value("devices/disk[target/@dev=$dev]/source/@file", "/new", { dev = "vda" })
  test.equal(root:value("memory"), "4096")
  test.equal(root:value("memory/@unit"), "MiB")
  test.equal(root:value("devices/disk/source/@file"), "/new")
  local problem = test.raises("NO_NODE", root.set_value, root, "devices/video/@x", "1")
  test.matches(problem.message, "'devices/video/@x' matches nothing in <domain>")
  test.raises("BAD_TEXT", root.set_value, root, "memory", "\0")
end)

test.case("remove_all says how many it took, also of elements in each other", function()
  local root = devices()
  test.equal(root:remove_all("devices/disk"), 2)
  test.equal(root:remove_all("devices/disk"), 0)
  local nested = xml.parse("<r><a><a><a/></a></a><b/></r>")
  local innermost = nested:find("a/a/a")
  test.equal(nested:remove_all("//a"), 3)
  test.equal(nested:to_text { indent = 0 }, "<r><b/></r>")
  test.equal(innermost:name(), "a")
end)

test.case("a wrong query is BAD_XPATH and says what is wrong with it", function()
  local root = devices()
  for _, query in ipairs { "", "devices/", "disk[", "disk[@x=$unknown]", "nofunction()", "a b", "@@" } do
    local problem = test.raises("BAD_XPATH", root.find, root, query)
    test.is_true(problem.message:find("'" .. query .. "'", 1, true), query)
  end
  test.matches(test.raises("BAD_XPATH", root.find, root, "devices/disk/@device").message, "value%(%) reads")
  test.raises("BAD_XPATH", root.find, root, "memory/text()")
  test.raises("BAD_XPATH", root.find_all, root, "count(disk)")
  test.raises("BAD_XPATH", root.count, root, "1 + 1")
  test.raises("BAD_XPATH", root.set_value, root, "1 + 1", "x")
  test.raises("BAD_XPATH", root.find, root, ("("):rep(5000))
  test.raises("BAD_XPATH", root.find, root, ("("):rep(4000))
end)

test.case("a variable of a wrong type is refused", function()
  local root = devices()
  test.raises("BAD_ARGUMENT", root.find, root, "a[$x]", { x = {} })
  test.raises("BAD_ARGUMENT", root.find, root, "a[$x]", { "x" })
  test.raises("BAD_ARGUMENT", root.find, root, "a[$x]", "x")
  test.raises("BAD_ARGUMENT", root.find, root)
end)

test.case("a prefix is a part of the name", function()
  local root = xml.parse("<d xmlns:q='http://q'><q:arg value='-S'/></d>")
  test.equal(root:value("q:arg/@value"), "-S")
end)
