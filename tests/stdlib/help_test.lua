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

test.case("help without a name lists the modules", function()
  for _, name in ipairs { "virt", "ssh", "playbook" } do test.matches(help.text(), "\n  " .. name .. " +%u?%l") end
end)

test.case("an unknown name is an error with the nearest one", function()
  local problem = test.raises("NO_HELP", help.text, "virt.conect")
  test.matches(problem.hint, "virt%.connect")
end)
