-- Shows the table form of elements, and the differences that a plan prints.
local test = require "test"

local function one_line(element) return xml.build(element):to_text { indent = 0 } end

test.case("a table is an element: name, attributes, content in order", function()
  test.equal(one_line { "disk", type = "file", device = "disk", { "source", file = "/x" }, { "target", dev = "vda" } },
    '<disk device="disk" type="file"><source file="/x"/><target dev="vda"/></disk>')
  test.equal(one_line { "memory", unit = "KiB", 2048 }, '<memory unit="KiB">2048</memory>')
  test.equal(one_line { "a", "one ", { "b" }, " two" }, "<a>one <b/> two</a>")
end)

test.case("values can never become markup", function()
  test.equal(one_line { "name", "</name><evil/>" }, "<name>&lt;/name&gt;&lt;evil/&gt;</name>")
  test.equal(xml.parse(one_line { "s", file = [["><evil x="]] }):attributes(), { file = [["><evil x="]] })
  test.raises("BAD_NAME", xml.build, { "a><b" })
  test.raises("BAD_NAME", xml.build, { "a", ["x y"] = "1" })
  test.raises("BAD_TEXT", xml.build, { "a", "\1" })
  test.raises("BAD_TEXT", xml.build, { "a", x = "\xff" })
end)

test.case("false and nil are left out, nodes are copied in", function()
  test.equal(one_line { "a", x = false, false, nil, { "b" } }, "<a><b/></a>")
  local source = xml.parse("<source file='/x'/>")
  local disk = xml.build { "disk", source }
  source:set_attribute("file", "/y")
  test.equal(disk:value("source/@file"), "/x")
end)

test.case("a wrong table says where", function()
  local function message(element) return test.raises("BAD_ARGUMENT", xml.build, element).message end
  test.matches(message {}, "element%[1%]: expected the name of an element, got nil")
  test.matches(message { "a", { { "b" } } }, "a%[2%]%[1%]: expected the name of an element, got table")
  test.matches(message { "disk", readonly = true }, 'disk%.readonly: expected a string or an integer %("yes"')
  test.matches(message { "memory", 1.5 }, "memory%[2%]: expected .* got number 1.5")
  test.matches(message { "a", [1.5] = "x" }, "a: expected names of attributes and a list, got the key number 1.5")
  local cycle = { "a" }
  cycle[2] = cycle
  test.matches(message(cycle), "without a cycle")
  test.raises("BAD_ARGUMENT", xml.build, "<a/>")
end)

test.case("diff gives what changed, and format_diff shows it", function()
  local old = xml.parse("<domain><devices><disk><source file='/a'/><target dev='vda'/></disk></devices></domain>")
  local new = old:clone()
  test.equal(xml.diff(old, new), {})
  test.equal(xml.format_diff {}, "")
  new:set_value("devices/disk/source/@file", "/b")
  new:find("devices"):append { "video", { "model", type = "none" } }
  local changes = xml.diff(old, new:to_text())
  test.equal(changes[1], { path = "/domain/devices/disk/source/@file", kind = "changed", old = "/a", new = "/b" })
  test.equal(changes[2].kind, "added")
  test.equal(#changes, 2)
  test.equal(xml.format_diff(changes), table.concat({
    "~ /domain/devices/disk/source/@file: /a -> /b",
    "+ /domain/devices/video",
    "+     <video>",
    '+       <model type="none" />',
    "+     </video>", "" }, "\n"))
  test.raises("BAD_ARGUMENT", xml.diff, old)
  test.raises("BAD_XML", xml.diff, old, "<a>")
  test.raises("BAD_ARGUMENT", xml.format_diff, { { path = "/", kind = "moved" } })
end)
