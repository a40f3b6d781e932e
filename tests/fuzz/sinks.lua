-- Hostile values through each shell that drover starts, here and over SSH: they come out as data, or are refused, and
-- never run. Whatever of them ran would leave a file in $PLACE/marks. Run by tests/fuzz/sinks, in namespaces.
local test = require "test"
local core = require "drover.core"
local errors = require "errors"
local lease = require "lease"
local script = require "script"

local place = assert(os.getenv "PLACE", "run it by tests/fuzz/sinks")
local seed = tonumber(os.getenv "DROVER_SEED" or "") or 20240501
math.randomseed(seed)

local here = host.connect "localhost"
local there = host.connect("root@127.0.0.1:2222", { config = place .. "/config",
  known_hosts = place .. "/known_hosts", identity_files = { place .. "/user" } })

local mark = "touch " .. place .. "/marks/ran"
local fragments = { "$(" .. mark .. ")", "`" .. mark .. "`", ";" .. mark .. ";", "|" .. mark, "&&" .. mark,
  "\n" .. mark .. "\n", "';" .. mark .. ";'", "\";" .. mark .. ";\"", "'$(" .. mark .. ")'", "-oProxyCommand=" .. mark,
  "'", "\"", "\\", "$IFS", "${HOME}", "~root", "*", "?", "-", "--", "-e", "-rf", "#", "!", "%s", "\t", " ", "\r", "\1",
  "\255", ";", "|", "&", "$", "`", "(", ")", "{a,b}", "[a]", "<x", ">x", "\\n", "a", "HOSTILE", "/", "..", "=" }

local function hostile()
  local parts = {}
  for index = 1, math.random(1, 5) do parts[index] = fragments[math.random(#fragments)] end
  return table.concat(parts)
end

local function one_line() return (hostile():gsub("[\r\n]", "_")) end
local function file_name() return "x" .. hostile():gsub("/", "_") end

local function nothing_ran()
  local ran = here:query({ "ls", place .. "/marks" }).output
  test.equal(ran, "", "seed " .. seed .. ": a value was run")
end

local function both(body)
  for _, one in ipairs { here, there } do body(one) end
  nothing_ran()
end

test.case("the marks would show a value that ran", function()
  here:exec { "sh", "-c", "echo " .. fragments[1] }
  test.raises("TEST_FAILED", nothing_ran)
  here:exec { "rm", place .. "/marks/ran" }
end)

test.case("arguments of programs come out as they went in", function()
  both(function(one)
    for _ = 1, 20 do
      local words, expected = { "printf", "%s\\0" }, {}
      for index = 1, 10 do
        expected[index] = hostile()
        words[index + 2] = expected[index]
      end
      test.equal(one:exec(words).output, table.concat(expected, "\0") .. "\0")
    end
  end)
end)

test.case("values of the environment and the input do too", function()
  both(function(one)
    for _ = 1, 20 do
      local value, input = hostile(), hostile()
      local result = one:exec { "sh", "-c", 'printf "%s\\0" "$V"; cat', environment = { V = value }, input = input }
      test.equal(result.output, value .. "\0" .. input)
    end
  end)
end)

test.case("a name of a variable, or a NUL byte, that no program can get is refused", function()
  for _, one in ipairs { here, there } do
    test.raises("BAD_ARGUMENT", one.exec, one, { "echo", "a\0b" })
    test.raises("BAD_ARGUMENT", one.exec, one, { "true", environment = { V = "a\0b" } })
    test.raises("BAD_ARGUMENT", one.exec, one, { "true", environment = { ["V;" .. mark] = "a" } })
  end
  nothing_ran()
end)

test.case("constant scripts get their values as positional arguments", function()
  both(function(one)
    for _ = 1, 20 do
      local values = { hostile(), hostile(), hostile() }
      local result = script.run(one, [[printf '%s\0' "$@"]], values)
      test.equal(result.output, table.concat(values, "\0") .. "\0")
    end
  end)
end)

test.case("files with any name are written, read, looked at and removed, and no other", function()
  both(function(one)
    for _ = 1, 12 do
      local folder = place .. "/work/" .. file_name()
      test.equal(one:make_directory(folder).created, true)
      local path = folder .. "/" .. file_name()
      one:write_file(path, "text")
      test.equal(one:read_file(path), "text")
      test.equal(one:stat(path).size_bytes, 4)
      one:disk_space(folder)
      test.equal(one:remove_file(path).removed, true)
      test.equal(one:remove_directory(folder).removed, true)
    end
    test.equal(here:query({ "ls", "-A", place .. "/work" }).output, "")
  end)
end)

-- What a kind asks of its host is recorded; libvirt and the firewall are not here.
local asked

local function recording(one)
  local function record(method)
    return function(_, request)
      asked[#asked + 1] = request
      request.timeout_ms = 3000
      return one[method](one, request)
    end
  end
  return setmetatable({ name = one.name, machine = one.machine, exec = record "exec", query = record "query" },
    { __index = function(_, name) errors.raise { code = "NOT_HERE", message = "no " .. name .. " in this test" } end })
end

local key_line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICf9svRenC/PLKIL9nk6K/pxQgoiFC41wTNvoIncOxs5"

-- Every argument of every stock kind, as the playbooks give them.
local kinds = {
  ["authorized-key"] = function()
    return { user = math.random(2) == 1 and "root" or one_line(), key = key_line, from = one_line(),
      command = one_line(), mark = hostile(), expires_at_s = 4102444800, foreseen = {},
      proof = { host = "y", run = file_name(), address = hostile(), port = 2222 } }
  end,
  ["after-move"] = function()
    return { uuid = hostile(), destination = hostile(), autostart = "carry", undefine_source = true }
  end,
  ["created-volume"] = function()
    return { path = place .. "/work/" .. file_name(), source_path = "/" .. file_name(), run = file_name(),
      free_at_s = 1 }
  end,
  ["domain-lock"] = function() return { uuid = hostile(), run = hostile(), process = hostile() } end,
  ["firewall-opening"] = function()
    return { from = hostile(), ports = { first = 1, last = 2 }, protocol = hostile(), mark = hostile(), timeout_s = 9 }
  end,
  ["private-key"] = function() return { run = file_name(), known_hosts = hostile() } end,
  ["probe-file"] = function() return { path = place .. "/work/" .. file_name() } end,
  ["run-directory"] = function() return { run = file_name(), qemu_user = hostile() } end,
  ["settle-domain"] = function() return { uuid = hostile(), before = "running" } end,
  tunnel = function()
    return { run = file_name(), address = hostile(), port = 2222, user = one_line(), limit_s = 2,
      destination = "anywhere", sockets = { { here = "/run/" .. file_name(), there = "/" .. file_name() } } }
  end,
}

local function use_kind(name, arguments, one)
  local kind = lease.find(name)
  local recorded = recording(one)
  local env = { run_id = arguments.run or "1", host = function() return recorded end, granted = {} }
  arguments.host, arguments.other_host, arguments.source = "x", "y", "x"
  local key = name == "private-key" and ssh.generate_key {} or nil
  local result
  for _, act in ipairs { "describe", "probe", "grant", "probe", "revoke", "undo", "follow_up" } do
    if kind[act] then
      local ok, value = core.pcall(kind[act], arguments, env, act == "grant" and key or result or { local_port = 1 })
      if act == "grant" and ok then result = value end
    end
  end
end

test.case("no kind of lease or undo lets a value of its arguments into a script", function()
  local names = {}
  for name in pairs(kinds) do names[#names + 1] = name end
  table.sort(names)  -- the same seed, the same values
  for _, name in ipairs(names) do
    both(function(one)
      for _ = 1, name == "tunnel" and 2 or 6 do
        asked = {}
        use_kind(name, kinds[name](), one)
        for _, request in ipairs(asked) do
          local text = request[1] == "sh" and request[2] == "-c" and request[3] or ""
          test.is_nil(text:find("HOSTILE", 1, true) or text:find(mark, 1, true), name .. ": a value in a script")
          test.is_true(request[1] == "sh" or request[1] == "stat", name .. " runs " .. request[1])
        end
      end
    end)
  end
end)

local project = assert((...):match "^(.*)/tests/fuzz/")

test.case("every stock kind is among them", function()
  local folder = project .. "/stdlib/kinds"
  for file in here:query({ "ls", folder }).output:gmatch("([%w_]+)%.lua") do
    test.is_true(kinds[file:gsub("_", "-")], "tests/fuzz/sinks.lua knows no arguments for " .. file)
  end
end)

test.case("names of hosts, users and files of keys never become options or commands of ssh", function()
  for _ = 1, 60 do
    local options = { config = place .. "/config", known_hosts = place .. "/known_hosts", connect_timeout_ms = 300,
      identity_files = { hostile() } }
    local target = hostile()
    if math.random(2) == 1 then target = target .. "@127.0.0.1:2222" end
    core.pcall(function() ssh.connect(target, options):close() end)
    core.pcall(function() host.connect(target, options):close() end)
    core.pcall(ssh.authorize, here.machine, { key = hostile(), mark = hostile(), user = hostile(), file = hostile() })
  end
  nothing_ran()
end)

test.case("a firewall takes no rule with such a value", function()
  local firewall_here = firewall.open(here.machine)
  for _ = 1, 20 do
    for _, change in ipairs { { from = hostile(), ports = { 1, 2 }, mark = "m" },
      { from = "10.0.0.1", ports = { 1, 2 }, mark = "m" .. fragments[math.random(9)] } } do
      test.raises("BAD_ARGUMENT", firewall_here.allow, firewall_here, change)
    end
  end
  nothing_ran()
end)

test.case("a playbook's parameters go no further than its checks", function()
  local drover = here:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")
  for _ = 1, 5 do
    for _, name in ipairs { "domain", "to", "from", "migrate-address", "listen-address", "new-name" } do
      local words = { drover, "check", "live-migrate", "--domain=d", "--to=127.0.0.1:1", check = false,
        timeout_ms = 20000 }
      words[#words + 1] = "--" .. name .. "=" .. hostile()
      test.is_true(here:query(words).exit_code ~= 0)
    end
  end
  nothing_ran()
end)
