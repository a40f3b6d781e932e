-- Shows that the README is true: its commands and paths exist, its playbook and its one-liner run, the output at its
-- top is what live-migrate writes, and its tables say what the program says.
local core = require "drover.core"
local lease = require "lease"
local playbook = require "playbook"
local params = require "params"
local test = require "test"
local fakes = test.load(..., "fakes")

local root = (...):match("^(.*)tests/") or ""
if root == "" then root = "./" end
local readme = assert(fakes.read(root .. "README.md"))
local machine = host.local_machine()
local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")

local function blocks(language)
  local found = {}
  for body in readme:gmatch("```" .. language .. "\n(.-)```") do found[#found + 1] = body end
  return found
end

test.case("every drover command in the README exists", function()
  local help = machine:query({ drover, "--help" }).output
  local seen = 0
  local function check(command)
    seen = seen + 1
    test.matches(help, "\n  " .. command:gsub("%-", "%%-") .. " ")
  end
  for _, block in ipairs(blocks "console") do
    for command in block:gmatch("[#$] drover (%l[%l-]*)") do check(command) end
  end
  for command in readme:gmatch("`drover (%l[%l-]*)[ `]") do check(command) end
  test.is_true(seen >= 15, "commands seen: " .. seen)
end)

test.case("every parameter of live-migrate that the README names exists", function()
  local definition = playbook.load("live-migrate").definition
  local seen = 0
  for _, block in ipairs(blocks "console") do
    for words in block:gmatch("live%-migrate (%-%-[^\n#]+)") do
      local list = {}
      for word in words:gmatch("%S+") do
        if word ~= "--plan" then list[#list + 1] = word end
      end
      params.parse(definition.params, list, "live-migrate")
      seen = seen + 1
    end
  end
  test.is_true(seen >= 4, "runs seen: " .. seen)
end)

test.case("every path of the project in the README is there", function()
  local seen = 0
  local function check(path)
    seen = seen + 1
    test.is_true(io.open(root .. path), path)
  end
  for path in readme:gmatch("%./(tests/[%w/_-]+)") do check(path) end
  for path in readme:gmatch("`(%l+/[%l/]*)`") do check(path) end
  test.is_true(seen >= 10, "paths seen: " .. seen)
end)

test.case("the README's own playbook runs", function()
  local loaded = playbook.load_text(blocks("lua")[1], "README.md")
  local values = params.parse(loaded.definition.params, { "--domain", "test", "--hosts", "one,two" }, loaded.name)
  local rows = {}
  local ctx = {
    host = function(_, name) return { virt = { find_domain = function(_, domain)
      return name == "two" and domain == "test" and { state = function() return { state = "running" } end } or nil
    end } } end,
    parallel = function(_, list, limit, body) return async.parallel(list, limit, body) end,
    report = function(_, name, text) rows[name] = text end,
  }
  loaded.definition.run(ctx, values)
  test.equal(rows, { two = "running" })
  test.is_true(core.version, "a version")
end)

test.case("the README's own inventory loads", function()
  local folder <close> = fakes.folder()
  inventory.load(fakes.write(folder.path .. "/hosts.lua", blocks("lua")[2]))
  test.equal({ inventory.names(), inventory.find("kvm1").migrate_address, inventory.group "rack1" },
    { { "kvm1", "kvm2" }, "10.1.0.11", { "kvm2" } })
  inventory.load()
end)

-- The steps and the summary of a run as the README's first block has them.
local function shown()
  local block = blocks("console")[1]
  local steps, rows = {}, {}
  for label in block:gmatch("\n  ok  ([^\n]+)") do steps[#steps + 1] = label:gsub("  [%d.]+ m?s$", "") end
  for name in block:match("done in [^\n]+\n(.*)"):gmatch("  (%S.-)  +[^\n]+\n") do rows[#rows + 1] = name end
  return block, steps, rows
end

test.case("the steps at the README's top are those of live-migrate, in their order", function()
  local block, steps = shown()
  local words = {}
  for word in block:match("live%-migrate ([^\n]+)"):gmatch("%S+") do words[#words + 1] = word end
  local definition = playbook.load("live-migrate").definition
  local values = params.parse(definition.params, words, "live-migrate")
  local seen = {}
  local ctx = setmetatable({ step = function(_, label) seen[#seen + 1] = label end },
    { __index = function() return function() end end })
  local move = { source = { name = values.from }, destination = { name = values.to }, ctx = ctx, p = values }
  local _ <close> = test.replace(migrate, { open = function() return move end, summarise = function() end })
  definition.run(ctx, values)
  test.equal(steps, seen)
end)

test.case("the rows of its summary are those that a move writes, and its leases are stock ones", function()
  local block, _, rows = shown()
  local source = fakes.read(core.stdlib .. "/migrate/after.lua") .. fakes.read(core.stdlib .. "/run.lua")
    .. fakes.read(core.stdlib .. "/command/run.lua")
  test.is_true(#rows >= 6, "rows seen: " .. #rows)
  for _, name in ipairs(rows) do test.is_true(source:find(('"%s"'):format(name), 1, true), name) end
  for kind in block:match("taken back +([^\n]+)"):gmatch("[%l-]+") do test.equal(lease.find(kind).name, kind) end
end)

test.case("its table of exit codes has those of the program", function()
  local program = fakes.read(root .. "host/cli/program.h")
  local codes, told = {}, {}
  for code in program:gmatch("\n  exit_%l+[_%l]* = (%d+)") do codes[#codes + 1] = code end
  for code in readme:match("### Exit codes(.-)##"):gmatch("\n| (%d+) |") do told[#told + 1] = code end
  test.equal(told, codes)
end)

test.case("what it says of ctx, of a host and of scripts is there", function()
  for name in readme:gmatch("`ctx:([%l_]+)") do test.equal(type(require("context")[name]), "function", name) end
  local here <close> = host.connect()
  for name in readme:gmatch("`h[:.]([%l_]+)") do
    local opens = name == "virt" or name == "firewall"  -- properties, which take libvirt and root
    test.is_true(opens or here[name], name)
  end
  local code = readme:match("`drover eval '([^']*virt[^']*)'`")
  local result = machine:query { drover, "eval", (code:gsub("qemu:///system", "test:///default")) }
  test.matches(result.output, "^%S+\n$")
  for name in readme:gmatch("`drover help ([%w.]+)`") do
    test.matches(machine:query({ drover, "help", name }).output, "^" .. name)
  end
end)

test.case("every package that it says drover stands on is in the list of packages", function()
  local list = fakes.read(root .. "tests/packages/build.list"):lower()
  local seen = 0
  for names in readme:match("| package | why |(.-)\n\n"):gmatch("\n| ([^|]+) |") do
    for name in names:lower():gmatch("%a+[%a%d-]*") do
      if not name:find("^lua") and name ~= "c" then
        seen = seen + 1
        test.is_true(list:find(name, 1, true), name)
      end
    end
  end
  test.is_true(seen >= 8, "packages seen: " .. seen)
end)
