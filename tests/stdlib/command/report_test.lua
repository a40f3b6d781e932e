-- Shows the report of a run that really went, as text, as data and as a page: steps, leases, undo entries, the error.
local test = require "test"
local fakes = test.load((...):gsub("command/", ""), "fakes")
local machine = require("native.host").local_machine()
local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")

local toy = [[
local there = {}
lease.kind { name = "toy", describe = function(a) return { host = "kvm2", text = "make " .. a.name } end,
  probe = function(a) return there[a.name] and "ours" or "absent" end,
  grant = function(a) there[a.name] = true end,
  revoke = function(a)
    if a.stuck then errors.raise { code = "STUCK", host = "kvm2", message = "the device is busy" } end
    there[a.name] = nil
  end }
lease.undo_kind { name = "toy-undo", describe = function(a) return { text = "delete " .. a.path } end,
  undo = function(a) return a.gone and "absent" or "deleted " .. a.path end }
return playbook { name = "toy", summary = "A toy.",
  params = { { "domain", "name", default = "web1", doc = "x." }, { "to", "host", default = "kvm2", doc = "x." },
    { "how", "choice", choices = { "well", "badly", "stuck" }, default = "well", doc = "x." } },
  run = function(ctx, p)
    ctx:undo("toy-undo", { path = "/images/a" })
    ctx:undo("toy-undo", { path = "/images/b", gone = true })
    ctx:lease("toy", { name = "the key", stuck = p.how == "stuck" })
    ctx:warn("mind the gap", "look down")
    ctx:step("make it", function() ctx:log("%d made", 1) end)
    if p.how == "well" then
      ctx:commit()
      ctx:report("sent", "107 MiB")
    else
      ctx:step("break it", function()
        errors.raise { code = "BROKEN", host = "kvm1", message = "it broke", hint = "try again" }
      end)
    end
  end }
]]

-- A world with one run of the toy; gives a function that calls drover in it.
local function world(how)
  local folder = fakes.folder()
  fakes.write(folder.path .. "/toy.lua", toy)
  local function call(...)
    return machine:exec { check = false, environment = { DROVER_STATE = folder.path .. "/state" }, drover, ... }
  end
  call("run", folder.path .. "/toy.lua", "--how", how)
  return setmetatable({ path = folder.path }, { __call = function(_, ...) return call(...) end,
    __close = function() getmetatable(folder).__close() end })
end

local function plain(text)
  return (text:gsub("%d%d%d%d%d%d%d%d%-%d%d%d%d%d%d%-%x+", "RUN"):gsub("%d+ ms", "N ms")
    :gsub("%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d", "DATE"):gsub(" +\n", "\n"))
end

test.case("a run that ended well: undo entries were not needed, leases are taken back", function()
  local call <close> = world "well"
  local result = call("report")
  test.equal({ result.exit_code, plain(result.output) }, { 0, [[
run RUN: toy, web1 kvm2
  done, began DATE UTC, took N ms

  warning  mind the gap
      1 made
  ok  make it                                            N ms

  sent  107 MiB

Granted for the time of the run:
  taken back  make the key on kvm2

To undo if the run fails:
  not needed  delete /images/a
  not needed  delete /images/b
]] })
end)

test.case("a run that failed: its error with host and hint, and what each undo did", function()
  local call <close> = world "badly"
  test.equal(plain(call("report").output), [[
run RUN: toy, web1 kvm2
  failed, began DATE UTC, took N ms
  kvm1: it broke
    try again

  warning  mind the gap
      1 made
  ok  make it                                            N ms
  no  break it                                           N ms

Granted for the time of the run:
  taken back  make the key on kvm2

To undo if the run fails:
  done             deleted /images/a
  nothing to undo  delete /images/b
]])
end)

test.case("what could not be taken back is named, with its error", function()
  local call <close> = world "stuck"
  local output = plain(call("report").output)
  test.matches(output, "\n  needs an operator, began")
  test.matches(output, "\n  once that is settled: drover recover RUN\n")
  test.matches(output, "\n  NOT taken back  make the key on kvm2: the device is busy\n")
end)

test.case("as data it has the run, its entries and its events, decoded", function()
  local call <close> = world "badly"
  local data = json.decode(call("--json", "report").output)
  test.equal({ data.run.state, data.run.parameters.how, data.run.error.code, data.run.playbook_text },
    { "failed", "badly", "BROKEN" })
  local kinds, types = {}, {}
  for index, entry in ipairs(data.entries) do kinds[index] = entry.kind .. " " .. entry.state end
  for index, event in ipairs(data.events) do types[index] = event.type end
  test.equal(kinds, { "toy-undo ended", "toy-undo ended", "toy ended" })
  test.equal(types, { "lease", "warning", "log", "step", "step", "ended", "ended", "ended" })
  test.equal(data.events[5].data.error, "it broke")
end)

test.case("as a page it is a whole document", function()
  local call <close> = world "stuck"
  local page = call("report", "--html").output
  test.matches(page, "^<!doctype html>.*</html>\n$")
  for _, part in ipairs { "needs an operator", "make the key on kvm2", "NOT taken back: the device is busy",
    "kvm1: it broke", "toy: web1 kvm2" } do test.is_true(page:find(part, 1, true), part) end
end)

test.case("a run is named by its id or the beginning of it; one that is not there is wrong use", function()
  local call <close> = world "well"
  local id = json.decode(call("report", "--json").output).run.id
  test.matches(call("report", id).output, "^run " .. id:gsub("%-", "%%-"))
  test.matches(call("report", id:sub(1, 8)).output, "^run ")
  local result = call("report", "1999")
  test.equal({ result.exit_code, result.errors }, { 2, "drover: there is no run 1999\n  'drover runs' lists them\n" })
end)

test.case("what a host said commands no terminal, in whatever way a run is shown", function()
  local folder <close> = fakes.folder()
  fakes.write(folder.path .. "/evil.lua", [[
local evil = "\27[2J\r\7 \xc2\x9b"
lease.kind { name = "evil", describe = function() return { host = evil, text = evil, lines = { evil } } end,
  probe = function() return "absent" end, grant = function() return {} end, revoke = function() end,
  verified_by_grant = true }
return playbook { name = "evil", summary = "A" .. evil, description = evil,
  params = { { "how", "text", default = evil, doc = evil } },
  run = function(ctx)
    ctx:lease("evil", {})
    ctx:warn(evil, evil)
    ctx:report(evil, evil)
    ctx:step("make " .. evil, function() errors.raise { code = "BROKEN", host = evil, message = evil, hint = evil } end)
  end }
]])
  local function call(...)
    local result = machine:exec { check = false, environment = { DROVER_STATE = folder.path .. "/state" }, drover, ... }
    return result.output .. result.errors
  end
  local file = folder.path .. "/evil.lua"
  for _, words in ipairs { { "run", file }, { "run", file, "--plan" }, { "run", file, "-v" }, { "run", file, "--json" },
    { "run", file, "--plan", "--json" }, { "report" }, { "report", "--json" }, { "report", "--html" }, { "runs" },
    { "runs", "--json" }, { "show", file }, { "check", file } } do
    local shown, said = call(table.unpack(words)), table.concat(words, " ", 1)
    test.equal(shown:match "[%z\1-\8\11-\31\127]" or shown:match "\xc2\x9b", nil, said)
    if words[1] ~= "check" and words[1] ~= "runs" then test.is_true(shown:find("[2J", 1, true), said) end
  end
end)
