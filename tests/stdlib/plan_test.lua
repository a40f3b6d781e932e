-- Shows a plan as a person and as a program read it. What a plan records of a playbook, and that it changes nothing, is
-- shown by run_test.lua.
local test = require "test"
local plan = require "plan"
local machine = require("native.host").local_machine()

local function a_plan()
  local one = plan.new()
  one.step = "open"
  one:add { host = "kvm2", text = "allow the key", lines = { "restrict ssh-ed25519 AAAA" }, temporary = true }
  one.step = "move"
  one:add { host = "kvm1", text = "move web1" }
  one:add { host = "kvm2", text = "define web1" }
  one:connection { from = "kvm1", to = "kvm2", port = 22, encrypted = true, purpose = "ssh" }
  one:connection { from = "kvm1", to = "kvm2", port = 49152, encrypted = false, purpose = "memory" }
  return one
end

test.case("changes stand by host, with the number of their order over all hosts", function()
  test.equal(table.concat(a_plan():text(), "\n"), [[
Changes, numbered in the order in which they happen:

  on kvm2
    open:
      1. allow the key  (taken away again)
           restrict ssh-ed25519 AAAA
    move:
      3. define web1

  on kvm1
    move:
      2. move web1

Connections:
  kvm1 -> kvm2 port 22, encrypted: ssh
  kvm1 -> kvm2 port 49152, NOT encrypted: memory]])
end)

test.case("a long change is broken at the width, and goes on below its text", function()
  local one = plan.new()
  one:add { host = "kvm1", text = "put the key into /run/drover/20261121-075750-c4bff1/private", temporary = true }
  local text = table.concat(one:text(60), "\n")
  test.matches(text, "\n      1%. put the key into\n         /run/drover/20261121%-075750%-c4bff1/private %(taken\n"
    .. "         away again%)\n")
end)

test.case("an empty plan says that there is nothing", function()
  test.equal(plan.new():text(),
    { "Changes, numbered in the order in which they happen:", "  none", "", "Connections:", "  none" })
end)

test.case("what will be written is broken at the width, and loses no word", function()
  local one = plan.new()
  local words = {}
  for index = 1, 60 do words[index] = "word" .. index end
  one:add { host = "kvm1", text = "write", lines = { table.concat(words, " "), ("x"):rep(200) } }
  local text, seen = one:text(60), {}
  for number = 5, #text do
    test.is_true(#text[number] <= 60 or not text[number]:find("%S%s+%S"), text[number])
    for word in text[number]:gmatch("word%d+") do seen[#seen + 1] = word end
  end
  test.equal(seen, words)
  test.equal(#one:text(), 9)  -- whole without a width
end)

test.case("as data it has changes in order, with host, step and whether they are taken back", function()
  test.equal(json.decode(json.encode(a_plan():data())), {
    changes = {
      { host = "kvm2", text = "allow the key", lines = { "restrict ssh-ed25519 AAAA" }, temporary = true,
        step = "open" },
      { host = "kvm1", text = "move web1", step = "move" }, { host = "kvm2", text = "define web1", step = "move" } },
    connections = { { from = "kvm1", to = "kvm2", port = 22, encrypted = true, purpose = "ssh" },
      { from = "kvm1", to = "kvm2", port = 49152, encrypted = false, purpose = "memory" } } })
  test.equal(json.encode(plan.new():data()), '{"changes":[],"connections":[]}')
end)

test.case("drover's own connections are in the plan, each once", function()
  local one = plan.new()
  local kvm2 = { name = "kvm2", query = function() return { output = "root 2222\n" } end }
  one:own_connection(kvm2)
  one:own_connection(kvm2)
  one:own_connection(kvm2, "qemu+tls://kvm2/system?no_tty=1")
  one:own_connection(kvm2, "qemu+tcp://kvm2:16000/system")
  local text = one:text()
  test.equal(table.concat(text, "\n", 4), [[
Connections:
  here -> kvm2 port 2222, encrypted: ssh as root: drover's own programs, and libvirt's control
  here -> kvm2 port 16514, encrypted: libvirt's control, qemu+tls://kvm2/system
  here -> kvm2 port 16000, NOT encrypted: libvirt's control, qemu+tcp://kvm2:16000/system]])
end)

test.case("a binding that changes something is recorded with its object and arguments", function()
  local one = plan.new()
  one.step = "write"
  local connection <close> = virt.connect "test:///default"
  one:record(function() connection:domain("test"):set_title "Shop" end)
  test.equal(#one.changes, 1)
  test.equal({ one.changes[1].host, one.changes[1].text }, { "localhost", "set title of test: Shop" })
  test.equal(connection:domain("test"):title(), "")
end)

test.case("calls of bindings are told in the words of a person", function()
  local one = plan.new()
  one.step = "act"
  local connection <close> = virt.connect "test:///default"
  one:record(function()
    machine:exec { "touch", "/tmp/a b", "it's", timeout_ms = 5 }
    machine:exec { "sh", "-c", "\nset -e\ntouch $1", "drover", "x" }
    machine:remove_file "/tmp/x"
    connection:domain("test"):suspend()
    connection:domain("test"):set_autostart(true)
    connection:define "<domain>\n  <name>web1</name>\n</domain>"
    connection:domain("test"):agent_command([[{"execute":"guest-ping"}]], {})
  end)
  local texts = {}
  for index, change in ipairs(one.changes) do texts[index] = change.text end
  test.equal(texts, { [[run: touch '/tmp/a b' 'it'\''s']], "run: sh -c 'set -e...' drover x", "remove file /tmp/x",
    "suspend test", "set autostart of test: true", "define", [[agent command of test: {"execute":"guest-ping"}]] })
  test.equal({ one.changes[6].lines, one.changes[6].host, one.changes[1].host },
    { { "<domain>", "  <name>web1</name>", "</domain>" }, "localhost", "localhost" })
end)

test.case("after a plan, also one that failed, changes are made again", function()
  local path = machine:temp_directory { under = "/tmp" }
  local one = plan.new()
  one.step = "write"
  local ok, problem = pcall(one.record, one, function() error "in the middle" end)
  test.equal(ok, false)
  test.matches(tostring(problem), "in the middle")
  machine:remove_directory(path)
  test.is_nil(machine:stat(path))
  test.equal(table.pack(one:record(function() return 1, nil, 3 end)), { 1, nil, 3, n = 3 })
end)
