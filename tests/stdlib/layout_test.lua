-- Shows how text is broken for a terminal: no line too wide, no word lost, and columns under one another.
local test = require "test"
local layout = require "layout"

test.case("lines are broken at spaces, and go on where they are told to", function()
  test.equal(layout.wrap("one two three four", 9), { "one two", "three", "four" })
  test.equal(layout.wrap("one two three four", 12, "- ", "    "), { "- one two", "    three", "    four" })
  test.equal(layout.wrap("one", 1), { "one" })
  test.equal(layout.wrap("", 10, "x "), { "x " })
  test.equal(layout.wrap("a bcdefghij k", 5), { "a", "bcdefghij", "k" })
end)

test.case("whatever the width, no word is lost and no line too wide that could be broken", function()
  local words = {}
  for index = 1, 40 do words[index] = ("w"):rep(index * 7 % 13 + 1) end
  local long = table.concat(words, " ")
  for width = 3, 60 do
    local lines = layout.wrap(long, width, "  ", "    ")
    test.equal((table.concat(lines, " "):gsub("%s+", " "):gsub("^ ", "")), long)
    for _, line in ipairs(lines) do test.is_true(#line <= width or not line:find("%S%s+%S"), line) end
  end
end)

test.case("a letter of several bytes is one column", function()
  test.equal(layout.wrap("äöü äöü", 7), { "äöü äöü" })
  test.equal(layout.columns { { "ä", "x" }, { "bb", "y" } }, { "ä   x", "bb  y" })
end)

test.case("paragraphs are joined and broken anew; lists and indented lines stay lines", function()
  local text = "One sentence\nthat was broken.\n\nAnother:\n- a point\n- a point that is long\n  code here\n"
  test.equal(layout.flow(text, 30), { "One sentence that was broken.", "", "Another:", "- a point",
    "- a point that is long", "  code here" })
  test.equal(layout.flow(text, 14), { "One sentence", "that was", "broken.", "", "Another:", "- a point",
    "- a point that", "    is long", "  code here" })
  test.equal(layout.flow("", 10), { "" })
  -- Rows of a table, but not code that happens to begin below a word.
  test.equal(layout.flow("  grant(a)   makes it, and\n             gives it\n  revoke(a)  takes it", 80),
    { "  grant(a)   makes it, and gives it", "  revoke(a)  takes it" })
  test.equal(layout.flow("  kvm1 = { address = 1,\n           user = 2 }", 80),
    { "  kvm1 = { address = 1,", "           user = 2 }" })
end)

test.case("columns are as wide as their widest cell, and end without spaces", function()
  test.equal(layout.columns { { "RUN", "ABOUT" }, { "a", "x" }, { "longer", "" } },
    { "RUN     ABOUT", "a       x", "longer" })
  test.equal(layout.columns {}, {})
end)

test.case("pairs: the texts begin in one column, and go on below it", function()
  test.equal(layout.pairs({ { "a", "one two three four five six seven eight" }, { "long", "x" } }, 34, "  "), {
    "  a     one two three four five", "        six seven eight", "  long  x" })
  test.equal(layout.pairs({ { "a", ("word "):rep(40) } }, math.maxinteger, ""), { "a  " .. ("word "):rep(39)
    .. "word" })
  test.equal(layout.pairs({}, 30, ""), {})
end)
