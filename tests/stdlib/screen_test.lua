-- Shows what is written for readers without a terminal, for those with one, and for programs.
local test = require "test"
local screen = require "screen"

-- What a screen writes.
local function written(mode, body)
  local text = {}
  local _ <close> = test.replace(terminal, { write = function(part) text[#text + 1] = part return true end })
  body(screen.new(mode))
  return table.concat(text)
end

local function show(view)
  view:title("toy", "detail")
  view:step_began("outer")
  view:step_began("inner")
  view:step_ended("inner", 10, true)
  view:step_ended("outer", 1500, true)
  view:step_began("bad")
  view:step_ended("bad", 10, false, "why")
  view:warning("careful", "or else")
  view:progress("move web1", { remaining_bytes = 50, total_bytes = 100, rate_bytes_s = 1048576, estimate_ms = 2000 })
  view:progress("move web1", {})
  view:summary("done.", { { "a", "1" }, { "long", "2" } })
end

test.case("plain: a line a step with its time, no colour, no live line", function()
  test.equal(written("plain", show),
    "toy  detail\n  ok  outer  1.5 s\n  no  bad\n  warning  careful\n           or else\n"
    .. "\ndone.\n  a     1\n  long  2\n")
end)

test.case("json: an event a line", function()
  local events = {}
  for line in written("json", show):gmatch("[^\n]+") do events[#events + 1] = json.decode(line) end
  local names = {}
  for _, event in ipairs(events) do
    names[#names + 1] = event.event
    test.is_true(math.type(event.at_ms) == "integer", "time")
  end
  test.equal(table.concat(names, " "),
    "step_began step_began step_ended step_ended step_began step_ended warning progress "
    .. "progress summary")
  test.equal({ events[6].ok, events[6].error, events[10].fields.long }, { false, "why", "2" })
end)

test.case("a terminal's live line is replaced and never wider than the screen", function()
  local text = written("terminal", show)
  test.matches(text, "\r\27%[K")
  for line in text:gsub("\27%[%d*m", ""):gsub("\27%[K", ""):gmatch("[^\r\n]+") do test.is_true(#line <= 100, line) end
end)

test.case("what a host says commands no terminal: only the screen's own colours and live line do", function()
  local evil, colour <close> = "\27[2J\r\7\xc2\x9bx\xff", test.replace(os, { getenv = function() return nil end })
  local function show_evil(view)
    view:title(evil, evil)
    view:step_began(evil)
    view:step_ended(evil, 1500, false, evil)
    view:warning(evil, evil)
    view:note(evil)
    view:progress(evil, { remaining_bytes = 50, total_bytes = 100 })
    view:summary(evil, { { evil, evil } })
  end
  for _, mode in ipairs { "plain", "terminal", "json" } do
    local text = written(mode, show_evil)
    test.is_true(text:find("[2J", 1, true), "it is shown")
    if mode == "terminal" then
      test.is_true(text:find "\27%[3?[0-9]m", "coloured")
      text = text:gsub("\r\27%[K", ""):gsub("\27%[3?[0-9]m", "")
    end
    test.equal(text:match "[%z\1-\8\11-\31\127]", nil)
    test.is_true(utf8.len(text), "UTF-8")
    test.is_true(not text:find("\xc2\x9b", 1, true), "C1")
  end
  local said
  local _ <close> = test.replace(_G, { print = function(text) said = text end })
  screen.say(evil)
  test.equal(said, "\\x1b[2J\\x0d\\x07\\xc2\\x9bx\\xff")
  test.is_true(colour, "held to the end")
end)

test.case("what is no terminal is told from one, and has a hundred columns", function()
  local machine = host.local_machine()
  local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")
  local code = "return terminal.is_terminal 'stdout', terminal.width()"
  test.matches(machine:query({ drover, "eval", code }).output, "^false%s+100\n$")
  local line = ("stty cols 72; '%s' eval \"%s\""):format(drover, code)
  local inside = machine:query { "script", "-qec", line, "/dev/null" }
  test.matches(inside.output, "^true%s+72%s*$")
  test.raises("BAD_ARGUMENT", terminal.is_terminal, "stdwrong")
end)

test.case("terminal.visible writes out what would command a terminal, and leaves text as it is", function()
  for text, wanted in pairs { ["\27[2J"] = "\\x1b[2J", ["a\nb\tc"] = "a\nb\tc", ["\127\r"] = "\\x7f\\x0d",
    ["é\xc2\x9b"] = "é\\xc2\\x9b", ["\xff"] = "\\xff", [""] = "" } do test.equal(terminal.visible(text), wanted) end
  test.raises("BAD_ARGUMENT", terminal.visible, {})
end)
