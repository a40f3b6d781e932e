-- help: what a person reads about a function, a module, a class.
local help = require "help"
local test = require "test"

test.case("help of a bound function shows its call, its parameters and its errors", function()
  local text = help.text(virt.connect)
  test.matches(text, "^virt%.connect%(uri, %[options%]%) %-> virt%.Connection\n")
  test.matches(text, "uri  string: libvirt URI")
  test.matches(text, "\nRaises .*AUTH_FAILED")
end)

test.case("help of a method names its class", function()
  local connection <close> = virt.connect "test:///default"
  test.matches(help.text(connection:domain("test").xml), "^virt%.Domain:xml%(")
  test.matches(help.text "virt.Domain:xml", "^virt%.Domain:xml%(")
  test.matches(help.text(connection), "^virt%.Connection\n")
end)

test.case("help of a Lua function is the comment above it", function()
  local text = help.text(async.parallel)
  test.matches(text, "^async%.parallel%(list, limit, body%)\n\nRuns body")
  test.matches(text, "Read it: .*async%.lua:%d+$")
  test.equal(help.text "async.parallel", text)
end)

test.case("help of a module lists its bound functions and those of stdlib", function()
  local text = help.text "async"
  test.matches(text, "async%.spawn%(")
  test.matches(text, "async%.parallel%(list, limit, body%)  Runs")
  test.matches(help.text "xml", "xml%.Node  ")
end)

test.case("help is broken at the width of the terminal, below what it belongs to, and loses nothing", function()
  for _, what in ipairs { "virt.Domain", "async", "virt.connect", "units" } do
    local whole = help.text(what)
    local narrow = help.text(what, 60)
    test.equal((narrow:gsub("%s+", " ")), (whole:gsub("%s+", " ")))
    for line in narrow:gmatch("[^\n]+") do test.is_true(#line <= 60 or line:find("^  %S+%b() ?%-?>? ?%S*$"), line) end
  end
  test.matches(help.text("virt.connect", 60), "\n  options  table, [^\n]+\n           %S")
end)

test.case("where a file is tested is not part of its help, and its sentences are joined", function()
  for _, name in ipairs { "units", "async", "recovery", "migrate", "reconcile" } do
    test.is_nil(help.text(name):find("Tested"), name)
  end
  test.matches(help.text "units", "\n\nSizes and durations as people write them%. Sizes are bytes, durations are "
    .. "milliseconds, both integers%.\n")
end)

test.case("what a playbook calls ctx is found under that name, its methods as they are called there", function()
  local text = help.text "ctx"
  test.matches(text, "^ctx\n")
  test.is_nil(text:find("\n  context"))
  test.matches(text, "\n  ctx:ensure%(condition, format, %.%.%.%)  Raises CHECK_FAILED")
  test.matches(text, "\n  ctx:parallel%(list, limit, body%)")
  test.equal(help.text "ctx:step", help.text "ctx.step")
  test.matches(help.text "ctx.step", "^ctx:step%(label, body%)\n\nRuns body as a step")
  test.equal(test.raises("NO_HELP", help.text, "ctx:stp").message, "there is no help for 'ctx:stp'")
end)

test.case("the first sentence of a function is whole, also over two lines", function()
  test.matches(help.text "context", "an opening that the firewall's reload closed%.\n")
end)

test.case("help of playbooks names every type of parameter, and no other", function()
  local params = require "params"
  local types = help.text("playbook"):match("\nTypes: (.-)%.\n") or help.text("playbook"):match("Types: (.-)%.\n")
  local seen = 0
  for name in types:gsub("%b()", ""):gmatch("%l+") do
    params.check_declarations({ { "x", name, doc = "X.", choices = name == "choice" and {} or nil } }, "test")
    seen = seen + 1
  end
  local problem = test.raises("BAD_PLAYBOOK", params.check_declarations, { { "x", "zzzzzzzz", doc = "X." } }, "test")
  local _, count = problem.message:match("it knows (.*)"):gsub("%l+", "")
  test.equal(seen, count)
end)

test.case("help without a name lists the modules", function()
  for _, name in ipairs { "virt", "ssh", "playbook" } do test.matches(help.text(), "\n  " .. name .. " +%u?%l") end
end)

test.case("an unknown name is an error with the nearest one", function()
  local problem = test.raises("NO_HELP", help.text, "virt.conect")
  test.matches(problem.hint, "virt%.connect")
end)
