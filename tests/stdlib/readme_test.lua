-- Shows that the README is true: its commands exist, its files are there, its playbook runs.
local core = require "drover.core"
local playbook = require "playbook"
local params = require "params"
local test = require "test"

local root = (...):match("^(.*)tests/") or ""
if root == "" then root = "./" end
local file <close> = assert(io.open(root .. "README.md", "rb"))
local readme = file:read "a"

local function blocks(language)
  local found = {}
  for body in readme:gmatch("```" .. language .. "\n(.-)```") do found[#found + 1] = body end
  return found
end

local function help_of_the_program()
  local machine = host.local_machine()
  local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")
  return machine:query({ drover, "--help" }).output
end

test.case("every drover command in the README exists", function()
  local help = help_of_the_program()
  local seen = 0
  for _, block in ipairs(blocks "console") do
    for command in block:gmatch("[#$] drover (%l[%l-]*)") do
      seen = seen + 1
      test.matches(help, "\n  " .. command:gsub("%-", "%%-") .. " ")
    end
  end
  test.is_true(seen >= 7, "commands seen: " .. seen)
end)

test.case("every parameter of live-migrate that the README names exists", function()
  local definition = playbook.load("live-migrate").definition
  for _, block in ipairs(blocks "console") do
    for words in block:gmatch("live%-migrate (%-%-[^\n#]+)") do
      local list = {}
      for word in words:gmatch("%S+") do
        if word ~= "--plan" then list[#list + 1] = word end
      end
      params.parse(definition.params, list, "live-migrate")
    end
  end
end)

test.case("every path of the project in the README is there", function()
  for path in readme:gmatch("%./(tests/[%w/_-]+)") do
    test.is_true(io.open(root .. path), path)
  end
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
