-- help: what a person reads about a function, a module, a class.
local core = require "drover.core"
local help = require "help"
local test = require "test"
local fakes = test.load(..., "fakes")

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

-- Each public function of the files of stdlib, as it is called.
local function each_word(visit)
  local lua_words = require "lua_words"
  local seen = 0
  for _, file in ipairs(require("files").list(core.stdlib)) do
    local name = file:match("^([%w_]+)%.lua$")
    for _, word in ipairs(name and lua_words.of(name, core.stdlib .. "/" .. file) or {}) do
      seen = seen + 1
      visit(word, name)
    end
  end
  return seen
end

test.case("every public word of stdlib has help: a sentence in its module's, and one of its own", function()
  local without = {}
  local seen = each_word(function(word, module)
    local name = word.owner .. word.separator .. word.name
    local ok, text = pcall(help.text, name)
    if not ok or not text:find("^[^\n]+%)\n\n%u[^\n]+") then without[#without + 1] = name end
    local of_module = help.text(word.owner == "h" and "h" or module == "context" and "ctx" or module)
    if not of_module:find(("\n  %s("):format(name), 1, true) then without[#without + 1] = name .. " in its module's" end
  end)
  test.equal(table.concat(without, "\n"), "")
  test.is_true(seen > 100, seen)
end)

test.case("every function that a module of stdlib gives to scripts is such a word", function()
  local without = {}
  for _, name in ipairs { "async", "errors", "inventory", "lease", "migrate", "playbook", "preflight", "reconcile",
    "units", "script", "host", "context", "test" } do
    local words = {}
    local lua_words = require "lua_words"
    for _, word in ipairs(lua_words.of(name, lua_words.path(name))) do words[word.name] = true end
    local found, native = pcall(require, "native." .. name)
    for key, value in pairs(require(name)) do
      local under = found and native[key]
      local bound = type(value) == "function" and (core.documentation(value) or under and core.documentation(under))
      -- async.await and the like are the prelude's own; what begins with __ is Lua's.
      if type(value) == "function" and not bound and not words[key] and not key:find("^__") then
        without[#without + 1] = name .. "." .. key
      end
    end
  end
  test.equal(table.concat(without, "\n"), "")
end)

test.case("the words that live-migrate uses are in the help of migrate", function()
  local text = help.text "migrate"
  local seen = 0
  for word in fakes.read(core.playbooks .. "/live-migrate.lua"):gmatch("migrate%.([%l_]+)%(") do
    seen = seen + 1
    test.is_true(text:find("\n  migrate." .. word .. "(", 1, true), word)
  end
  test.is_true(seen >= 9, seen)
end)

test.case("each kind of lease is found by its name, with its arguments, and listed by help lease", function()
  local kinds = require("lua_words").kinds()
  local text = help.text "lease"
  for _, kind in ipairs(kinds) do
    test.matches(text, "\n  " .. kind.name:gsub("%-", "%%-") .. "  %u")
    test.matches(help.text(kind.name), "^" .. kind.name:gsub("%-", "%%-") .. "\n\n.*Arguments: %a")
    test.equal(require("lease").find(kind.name).name, kind.name)
  end
  test.equal(#kinds, 10)
  test.equal(test.raises("NO_HELP", help.text, "firewall-openin").hint, "did you mean 'firewall-opening'?")
end)

test.case("what a host can do is found as playbooks write it, with what it takes", function()
  test.matches(help.text "h:exec", "^h:exec%(program%) %-> table\n\n.*\nTakes\n  program  table: ")
  test.matches(help.text "h:facts", "^h:facts%(options%)\n\nWhat the host is")
  test.matches(help.text "h", "\n  h:query%(program%)")
  local here <close> = host.connect()
  for name in help.text("h"):gmatch("\n  h:([%l_]+)%(") do test.equal(type(here[name]), "function", name) end
  test.raises("NO_HELP", help.text, "h:exce")
end)

test.case("help of a playbook says where its parameters are", function()
  test.matches(help.text "live-migrate", "^live%-migrate\n\n.*drover show live%-migrate\n")
end)

test.case("tostring is shown as it is called", function()
  test.matches(help.text "virt.Domain", "\n  tostring%(domain%)  ")
  test.is_nil(help.text("host.Machine"):find(":tostring", 1, true))
end)
