-- Shows reading, editing and writing of XML from Lua, and that an element that was taken out stays usable.
local test = require "test"

local domain_text = [[
<domain type='kvm'>
  <name>web</name>
  <devices>
    <disk type='file' device='disk'><source file='/var/a.qcow2'/><target dev='vda' bus='virtio'/></disk>
    <disk type='file' device='cdrom'><target dev='sda'/><readonly/></disk>
    <interface type='network'><mac address='52:54:00:00:00:01'/></interface>
  </devices>
</domain>]]

test.case("parse gives the root element", function()
  local root = xml.parse(domain_text)
  test.equal(root:name(), "domain")
  test.equal(root:attribute("type"), "kvm")
  test.is_nil(root:attribute("id"))
  test.equal(root:child("name"):text(), "web")
  test.is_nil(root:child("memory"))
  test.is_nil(root:parent())
  test.equal(root:child("devices"):child("disk"):root():name(), "domain")
  test.equal(tostring(root), "xml.Node <domain>")
end)

test.case("children are elements, all or those of a name", function()
  local devices = xml.parse("<d><!-- c -->text<disk/><disk/><x/></d>")
  test.equal(#devices:children(), 3)
  test.equal(#devices:children("disk"), 2)
  test.equal(devices:children("none"), {})
end)

test.case("attributes are a table, and a copy", function()
  local node = xml.parse("<a x='1' y='&lt;'/>")
  local attributes = node:attributes()
  test.equal(attributes, { x = "1", y = "<" })
  attributes.x = "2"
  test.equal(node:attribute("x"), "1")
end)

test.case("BAD_XML names the line", function()
  local problem = test.raises("BAD_XML", xml.parse, "<a>\n<b></a>")
  test.matches(tostring(problem), "line 2: expected </b>, which line 2 opens, found </a>")
  test.equal(problem.domain, "xml")
end)

test.case("texts and attributes are set, escaped, and taken away", function()
  local node = xml.parse("<a x='1'><b/></a>")
  node:set_attribute("x", nil):set_attribute("y", "\"<&>'"):set_attribute("n", 12)
  node:child("b"):set_text("<evil/> & co")
  test.equal(node:to_text { indent = 0 },
    '<a y="&quot;&lt;&amp;>\'" n="12"><b>&lt;evil/&gt; &amp; co</b></a>')
  node:child("b"):set_text("")
  test.equal(node:child("b"):text(), "")
end)

test.case("what XML cannot hold is refused and changes nothing", function()
  local node = xml.parse("<a x='1'>t</a>")
  test.raises("BAD_TEXT", node.set_text, node, "a\0b")
  test.raises("BAD_TEXT", node.set_attribute, node, "x", "\27[0m")
  test.raises("BAD_NAME", node.set_attribute, node, "x y", "1")
  test.raises("BAD_ARGUMENT", node.set_attribute, node, "x", true)
  test.raises("BAD_ARGUMENT", node.set_text, node, 5)
  test.equal(node:to_text { indent = 0 }, '<a x="1">t</a>')
end)

test.case("append, insert_before and insert_after put copies in and give them back", function()
  local root = xml.parse("<a><m/></a>")
  local middle = root:child("m")
  test.equal(root:append({ "z", k = "v" }):attribute("k"), "v")
  middle:insert_before({ "y" })
  local other = xml.parse("<o><p/></o>")
  middle:insert_after(other:child("p")):set_attribute("copy", "yes")
  test.equal(root:to_text { indent = 0 }, '<a><y/><m/><p copy="yes"/><z k="v"/></a>')
  test.equal(other:to_text { indent = 0 }, "<o><p/></o>")
end)

test.case("an element may be put into itself", function()
  local root = xml.parse("<a><b/></a>")
  root:append(root)
  test.equal(root:to_text { indent = 0 }, "<a><b/><a><b/></a></a>")
end)

test.case("remove takes out what stays usable and may be put in elsewhere", function()
  local root = xml.parse(domain_text)
  local disk = root:find("devices/disk")
  local target = disk:child("target")
  test.equal(disk:remove():attribute("device"), "disk")
  test.equal(root:count("devices/disk"), 1)
  root = nil -- luacheck: ignore
  collectgarbage()
  test.equal(target:attribute("dev"), "vda")
  test.equal(target:root():name(), "disk")
  local other = xml.parse("<devices/>")
  other:append(disk)
  test.equal(other:value("disk/target/@dev"), "vda")
end)

test.case("replace_with and set_text keep what a script still holds", function()
  local root = xml.parse("<a><b><c>kept</c></b></a>")
  local c = root:find("b/c")
  local made = root:child("b"):replace_with { "d" }
  test.equal(made:parent():name(), "a")
  test.equal(root:to_text { indent = 0 }, "<a><d/></a>")
  test.equal(c:text(), "kept")
  root:set_text("plain")
  test.equal(made:name(), "d")
  test.equal(made:root():name(), "d")
end)

test.case("the root cannot be removed, replaced or given a neighbour", function()
  local root = xml.parse("<a/>")
  test.raises("IS_ROOT", root.remove, root)
  test.raises("IS_ROOT", root.replace_with, root, { "b" })
  test.raises("IS_ROOT", root.insert_after, root, { "b" })
  test.raises("IS_ROOT", root.remove_all, root, "/a")
end)

test.case("a clone is independent", function()
  local root = xml.parse("<a><b/></a>")
  local copy = root:clone()
  copy:child("b"):set_text("x")
  test.equal(root:to_text { indent = 0 }, "<a><b/></a>")
end)

test.case("to_text indents by two, and as told", function()
  local root = xml.parse("<a><b>t</b></a>")
  test.equal(root:to_text(), "<a>\n  <b>t</b>\n</a>\n")
  test.equal(root:to_text { indent = 1 }, "<a>\n <b>t</b>\n</a>\n")
  test.raises("BAD_ARGUMENT", root.to_text, root, { indent = 17 })
  local problem = test.raises("UNKNOWN_OPTION", root.to_text, root, { indnet = 2 })
  test.matches(problem.hint, "did you mean 'indent'")
end)

test.case("a tree cannot be grown beyond the depth that can be read", function()
  local root = xml.parse("<a/>")
  local problem = test.raises("TOO_DEEP", function()
    for _ = 1, 20 do root:append(root) ; root = root:find("(//a[not(*)])[last()]") end
    for _ = 1, 300 do root = root:append { "a" } end
  end)
  test.matches(problem.message, "nested deeper than 200")
end)

test.case("thousands of handles are freed without harm", function()
  local root = xml.build { "list" }
  for index = 1, 2000 do root:append { "item", n = index } end
  for index, item in ipairs(root:children()) do
    if index % 2 == 0 then item:remove() end
  end
  collectgarbage()
  test.equal(root:count("item"), 1000)
  test.equal(root:value("item[last()]/@n"), "1999")
end)
