-- Shows how the words of a command line become the values of a playbook, and what each wrong word says.
local test = require "test"
local params = require "params"

local declarations = {
  { "domain", "name", doc = "Domain." },
  { "to", "host", doc = "Host." },
  { "uri", "uri", doc = "URI.", required = false },
  { "file", "path", doc = "Path.", required = false },
  { "port", "port", doc = "Port.", required = false },
  { "range", "ports", doc = "Ports.", required = false },
  { "size", "size", doc = "Size.", default = "1GiB" },
  { "timeout", "duration", doc = "Time.", default = "30m" },
  { "share", "percent", doc = "Percent.", default = 50 },
  { "count", "integer", doc = "Count.", default = 1, least = 1, most = 64 },
  { "any", "integer", doc = "Any.", required = false },
  { "live", "boolean", doc = "Flag.", default = true },
  { "force", "boolean", doc = "Flag.", default = false },
  { "channel", "choice", choices = { "ssh", "direct" }, doc = "Channel.", default = "ssh" },
  { "copy-disks", "list", of = "name", doc = "Disks.", default = {} },
  { "network", "map", doc = "Networks.", default = {} },
  { "note", "text", doc = "Text.", default = "" },
}

local function parse(...) return params.parse(declarations, { "--domain", "web1", "--to", "kvm2", ... }, "toy") end

test.case("defaults are filled in, and names with dashes are fields with underscores", function()
  local values = parse()
  test.equal(values, { domain = "web1", to = "kvm2", size = 1 << 30, timeout = 1800000, share = 50, count = 1,
    live = true,
    force = false, channel = "ssh", copy_disks = {}, network = {}, note = "" })
  values.copy_disks[1] = "vda"
  test.equal(parse().copy_disks, {})
end)

for _, row in ipairs {
  { { "--size", "12GiB" }, "size", 12 << 30 }, { { "--size=5" }, "size", 5 },
  { { "--timeout", "1h" }, "timeout", 3600000 }, { { "--share", "20%" }, "share", 20 }, { { "--share=0" }, "share", 0 },
  { { "--count", "64" }, "count", 64 }, { { "--any", "-5" }, "any", -5 }, { { "--port", "65535" }, "port", 65535 },
  { { "--range", "10-20" }, "range", { first = 10, last = 20 } }, { { "--range", "10" }, "range", { first = 10,
    last = 10 } },
  { { "--force" }, "force", true }, { { "--no-live" }, "live", false }, { { "--live=no" }, "live", false },
  { { "--live=on" }, "live", true }, { { "--channel", "direct" }, "channel", "direct" },
  { { "--channel", "direct", "--channel", "ssh" }, "channel", "ssh" },
  { { "--copy-disks", "vda,vdb" }, "copy_disks", { "vda", "vdb" } },
  { { "--copy-disks", "vda", "--copy-disks=vdb" }, "copy_disks", { "vda", "vdb" } },
  { { "--network", "a=b,c=d" }, "network", { a = "b", c = "d" } },
  { { "--network", "a=b", "--network", "c=d" }, "network", { a = "b", c = "d" } },
  { { "--note", "a=b\nc" }, "note", "a=b\nc" }, { { "--note=" }, "note", "" }, { { "--note", "--dashes" }, "note",
    "--dashes" },
  { { "--uri", "qemu+ssh://a/system" }, "uri", "qemu+ssh://a/system" }, { { "--file", "/a b" }, "file", "/a b" },
} do
  test.case("read: " .. table.concat(row[1], " "):gsub("\n", " "), function()
    test.equal(parse(table.unpack(row[1]))[row[2]], row[3])
  end)
end

for _, row in ipairs {
  { { "--size", "big" }, "BAD_PARAMETER", "--size: 'big' is not a size" },
  { { "--timeout", "30" }, "BAD_PARAMETER", "--timeout: '30' is not a duration" },
  { { "--share", "101" }, "BAD_PARAMETER", "--share: '101' is not a percentage from 0 to 100" },
  { { "--count", "65" }, "BAD_PARAMETER", "--count: '65' is not a whole number from 1 to 64" },
  { { "--count", "1.5" }, "BAD_PARAMETER", "'1.5' is not a whole number" },
  { { "--any", "x" }, "BAD_PARAMETER", "--any: 'x' is not a whole number$" },
  { { "--any", "99999999999999999999" }, "BAD_PARAMETER", "is not a whole number$" },
  { { "--port", "0" }, "BAD_PARAMETER", "--port: '0' is not a port from 1 to 65535" },
  { { "--range", "20-10" }, "BAD_PARAMETER", "'20%-10' is not a range of ports" },
  { { "--range", "1-70000" }, "BAD_PARAMETER", "'70000' is not a port" },
  { { "--live=maybe" }, "BAD_PARAMETER", "--live: 'maybe' is not yes or no" },
  { { "--channel", "shh" }, "BAD_PARAMETER", "is not one of ssh, direct" },
  { { "--network", "a" }, "BAD_PARAMETER", "--network: 'a' is not a pair" },
  { { "--copy-disks", "a/b" }, "BAD_PARAMETER", "'a/b' is not a name" },
  { { "--uri", "nothing" }, "BAD_PARAMETER", "is not a URI" },
  { { "--domain", "a/b" }, "BAD_PARAMETER", "--domain: 'a/b' is not a name" },
  { { "--to", "-oProxyCommand=x" }, "BAD_PARAMETER", "is not a host" },
  { { "--to", "a b" }, "BAD_PARAMETER", "is not a host" },
  { { "--chanel", "ssh" }, "UNKNOWN_PARAMETER", "toy has no parameter '%-%-chanel'" },
  { { "--no-channel" }, "UNKNOWN_PARAMETER", "no parameter '%-%-no%-channel'" },
  { { "--no-live=yes" }, "UNKNOWN_PARAMETER", "no%-live" },
  { { "stray" }, "UNEXPECTED_ARGUMENT", "'stray' stands alone" },
  { { "-x" }, "UNEXPECTED_ARGUMENT", "'%-x' stands alone" },
  { { "--size" }, "MISSING_VALUE", "%-%-size needs a value %(SIZE%)" },
  { { "--port", "--to", "b" }, "MISSING_VALUE", "%-%-port needs a value" },
} do
  test.case("refused: " .. table.concat(row[1], " "), function()
    local problem = test.raises(row[2], parse, table.unpack(row[1]))
    test.matches(problem.message, row[3])
    test.equal(problem.domain, "usage")
  end)
end

test.case("hints name what was probably meant", function()
  test.equal(test.raises("UNKNOWN_PARAMETER", parse, "--chanel").hint, "did you mean '--channel'?")
  test.equal(test.raises("BAD_PARAMETER", parse, "--channel", "shh").hint, "did you mean 'ssh'?")
  test.matches(test.raises("UNKNOWN_PARAMETER", parse, "--qqqqqqq").hint, "drover show toy")
end)

test.case("everything that is missing is named at once", function()
  local problem = test.raises("MISSING_PARAMETER", params.parse, declarations, {}, "toy")
  test.equal(problem.message, "toy needs --domain and --to")
end)

local function declared(...) return test.raises("BAD_PLAYBOOK", params.check_declarations, { ... },
  "toy.lua").message end

test.case("a wrong declaration is named", function()
  test.matches(declared { "Bad Name", "text", doc = "x" }, "its name must be like")
  test.matches(declared { "a", "tex", doc = "x" }, "unknown type 'tex'; did you mean 'text'")
  test.matches(declared { "a", "text" }, "it has no doc")
  test.matches(declared { "a", "choice", doc = "x" }, "a choice needs choices")
  test.matches(declared({ "a", "text", doc = "x" }, { "a", "text", doc = "x" }), "declared twice")
  test.matches(declared { "a", "size", doc = "x", default = "big" }, "its default: ")
  test.matches(declared { "a", "integer", doc = "x", default = 9, most = 5, least = 1 }, "its default: ")
  test.matches(declared { "a", "boolean", doc = "x", default = "perhaps" }, "its default: ")
  test.matches(declared { "a", "integer", doc = "x", default = {} }, "its default is a table")
  test.matches(declared { "a", "list", doc = "x", default = 5 }, "its default is a number")
  test.matches(declared { "a", "list", of = "nam", doc = "x" }, "unknown type of items 'nam'")
  test.matches(declared { "plan", "boolean", doc = "x" }, "belongs to 'drover run' itself")
  test.matches(declared { "a", "integer", doc = "x", lest = 2 }, "unknown key 'lest'; did you mean 'least'%?")
  test.matches(declared "a", "parameter 1: it is written { \"name\", \"type\", doc = \"%.%.%.\" }")
end)

test.case("a parameter that is not declared cannot be read, one that was left out is nil", function()
  local values = parse()
  test.is_nil(values.port)
  test.equal(json.decode(json.encode(values)).domain, "web1")
  local problem = test.raises("UNKNOWN_PARAMETER", function() return values.copy_diks end)
  test.equal({ problem.message, problem.hint }, { "toy has no parameter 'copy_diks'", "did you mean p.copy_disks?" })
  test.matches(problem.where, "params_test.lua:%d+$")
end)

test.case("help has every parameter, its choices and its default, within the width", function()
  local lines = params.help(declarations, 80)
  local text = table.concat(lines, "\n")
  for _, expected in ipairs { "%-%-channel ssh|direct +Channel%. %[ssh%]", "%-%-%[no%-%]live +Flag%. %[yes%]",
    "Domain%. Required%." } do
    test.matches(text, expected)
  end
  for _, line in ipairs(lines) do test.is_true(#line <= 80, line) end
end)
