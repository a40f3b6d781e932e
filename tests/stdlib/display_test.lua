-- Shows how values are printed for a person: bounded, in order, and never with an error of its own.
local test = require "test"
local display = require "display"

test.case("values are shown by their fields in order, bounded in depth", function()
  test.equal(display.value("text"), "text")
  test.equal(display.value({ 1, "two", b = true, a = { x = 1 } }), '{ 1, "two", a = { x = 1 }, b = true }')
  test.equal(display.value({}), "{}")
  local cycle = {}
  cycle.own = cycle
  test.equal(display.value(cycle), "{ own = <cycle> }")
  test.equal(display.value({ ["a b"] = 1, [true] = 2 }), '{ [true] = 2, ["a b"] = 1 }')
  local deep = {}
  local at = deep
  for _ = 1, 50 do at.x = {} at = at.x end
  test.matches(display.value(deep), "{...}")
  test.equal(display.value(errors.new { code = "X", message = "the message" }), "the message")
end)

test.case("a value that does not fit in a line has a line for each field, indented by its depth", function()
  local wide = { name = ("n"):rep(60), list = { ("a"):rep(50), ("b"):rep(50) } }
  test.equal(display.value(wide), '{\n  list = {\n    "' .. ("a"):rep(50) .. '",\n    "' .. ("b"):rep(50)
    .. '"\n  },\n  name = "' .. ("n"):rep(60) .. '"\n}')
end)

test.case("the same table twice is no cycle, and a long list is cut", function()
  local one = { 1 }
  test.equal(display.value({ one, one }), "{ { 1 }, { 1 } }")
  local long = {}
  for index = 1, 1000 do long[index] = index end
  local text = display.value(long)
  test.matches(text, "200")
  test.is_true(not text:find("201", 1, true), "cut after 200")
end)

test.case("text inside a table is quoted, with its line breaks and bytes visible", function()
  test.equal(display.value({ "two\nlines", "a\0b" }), '{ "two\\nlines", "a\\0b" }')
  test.equal(display.value("two\nlines"), "two\nlines")
end)

test.case("what has its own text is shown by it", function()
  local connection <close> = virt.connect "test:///default"
  test.equal(display.value(connection:domain "test"), tostring(connection:domain "test"))
  test.equal(display.value({ setmetatable({ 1 }, { __tostring = function() return "own" end }) }), "{ own }")
  test.equal(display.value(nil), "nil")
end)
