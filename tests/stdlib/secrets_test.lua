-- Shows that the password of a display goes to libvirt where it must, and to nobody else: not into the journal, a plan,
-- a report, an error or the log, even of a playbook that asks for it.
local test = require "test"
local job = require "migrate.job"
local fakes = test.load(..., "fakes")

local machine = require("native.host").local_machine()
local password = "hunter22"

local leak = [==[
local definition = [[<domain type='test'><name>vault</name><memory>1024</memory><os><type>hvm</type></os><devices>
  <graphics type='vnc' port='-1' passwd='hunter22'/></devices></domain>]]
return playbook { name = "leak", summary = "Does all that could show a password.", params = {},
  run = function(ctx)
    local connection = ctx:use(virt.connect "test:///default")
    local domain = ctx:step("define it", function() return connection:define(definition) end)
    local with_password = domain:xml { secure = true }
    ctx:ensure(with_password:find("hunter22", 1, true), "libvirt gives no password")
    ctx:archive("definition", { host = "here", xml = domain:xml {} })
    ctx:archive("definition", { host = "there", xml = with_password })
    ctx:warn(xml.format_diff(xml.diff(domain:xml {}, with_password)))
    ctx:report("difference", xml.format_diff(xml.diff("<domain/>", with_password)))
    ctx:step("define it badly", function() connection:define((definition:gsub("<devices>", "<devices><oops>"))) end)
  end }
]==]

test.case("a run that handles a password leaves it nowhere", function()
  local folder <close> = fakes.folder()
  local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")
  fakes.write(folder.path .. "/leak.lua", leak)
  machine:exec { "mkdir", folder.path .. "/state", folder.path .. "/seen" }
  local environment = { DROVER_STATE = folder.path .. "/state", DROVER_LOG = "trace", HOME = folder.path }
  local function run_drover(name, ...)
    local words = { drover, ... }
    words.check, words.environment = false, environment
    local result = machine:exec(words)
    fakes.write(folder.path .. "/seen/" .. name, result.output .. result.errors)
    return result
  end
  local first = run_drover("run", "--json", "-v", "run", folder.path .. "/leak.lua")
  test.equal(first.exit_code, 1)
  test.matches(first.errors .. first.output, "define it badly")
  run_drover("run plainly", "-v", "run", folder.path .. "/leak.lua")
  run_drover("report", "report")
  run_drover("report as json", "report", "--json")
  run_drover("report as html", "report", "--html")

  local function files_with(text)
    return machine:query({ "grep", "-rlaF", "--", text, folder.path .. "/state", folder.path .. "/seen",
      check = false }).output
  end
  -- The names that are searched for are there, so the search is one; the playbook's own text is the person's own.
  for _, name in ipairs { "/state/journal.db", "/seen/run", "/seen/report as json" } do
    test.is_true(files_with("vault"):find(name, 1, true) or files_with("***"):find(name, 1, true), name)
  end
  local journal_path = folder.path .. "/state/journal.db"
  local store <close> = journal.open { path = journal_path }
  local definitions = 0
  for _, one in ipairs(store:runs()) do
    for _, event in ipairs(store:events(one.id)) do
      if event.type == "definition" then definitions = definitions + 1 end
      test.is_nil(event.data:find(password, 1, true), "an event " .. event.type)
    end
    test.is_nil(one.error:find(password, 1, true), "the error of the run")
  end
  test.equal(definitions, 4)
  for name in machine:query({ "ls", folder.path .. "/seen" }).output:gmatch("[^\n]+") do
    test.is_nil(fakes.read(folder.path .. "/seen/" .. name):find(password, 1, true), name)
  end
end)

local definition = [[<domain><name>web1</name><devices><graphics type='vnc'%s/>
  <interface type='bridge'><source bridge='br0'/></interface></devices></domain>]]

-- A move whose domain gives its password to who asks for it, as libvirt does.
local function a_move()
  local shown = {}
  local move = { p = { mode = "p2p", channel = "ssh", persistent = true, timeout_action = "abort", policy = "none",
    listen_address = "", bandwidth = 0, parallel = 1, compression = "none", network = { br0 = "br1" } }, run_id = "RUN",
    name = "web1", new_name = "web1", disks = {}, inactive = {}, source = { name = "a" }, destination = { name = "b" },
    domain = { xml = function(_, options)
      return definition:format(options.secure and (" passwd='%s'"):format(password) or "")
    end } }
  local plan = { add = function(_, change) shown[#shown + 1] = table.concat(change.lines, "\n") end }
  move.ctx = { planning = true, plan = plan }
  return move, shown
end

test.case("a definition that is changed on the way keeps its password: the display would be open without", function()
  local options = job.options((a_move()))
  for _, text in ipairs { options.destination_xml, options.persistent_xml } do
    test.equal(xml.parse(text):value("//graphics/@passwd"), password)
    test.equal(xml.parse(text):value("//source/@bridge"), "br1")
  end
end)

test.case("the plan of such a move shows the change and not the password", function()
  local move, shown = a_move()
  job.describe(move)
  test.matches(shown[1], "br0 %-> br1")
  test.is_nil(shown[1]:find(password, 1, true) or shown[1]:find("passwd", 1, true))
end)
