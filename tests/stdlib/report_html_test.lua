-- Shows the page of a run: self-contained, well-formed, whatever a host said is text in it and nothing else, and each
-- part is there when there is something to show.
local test = require "test"
local report_html = require "report_html"
local fakes = test.load(..., "fakes")
local xml = require "xml"

local began_ms = 1795000000000

local function run(fields)
  local one = { id = "20261121-031320-a1b2c3", playbook = "live-migrate", playbook_file = "/stock/live-migrate.lua",
    state = "done", alive = false, kept = false, started_ms = began_ms, ended_ms = began_ms + 10000 }
  for name, value in pairs(fields or {}) do one[name] = value end
  return one
end

local function event(kind, after_ms, data) return { type = kind, at_ms = began_ms + after_ms, data = data } end

local function entry(kind, label, state, more)
  local one = { type = "lease", kind = kind, label = label, state = state, result = "{}", error = "" }
  for name, value in pairs(more or {}) do one[name] = value end
  return one
end

-- A move as live-migrate writes it.
local function a_move()
  local events = { event("step", 500, { step = "lock web1 on both hosts", elapsed_ms = 500, ok = true }),
    event("step", 2500, { step = "open the channel (ssh)", elapsed_ms = 2000, ok = true }) }
  for index = 0, 20 do
    events[#events + 1] = event("progress", 2500 + index * 300, { total_bytes = index > 0 and 100 << 20 or 0,
      remaining_bytes = (20 - index) * (5 << 20), dirty_bytes_s = index % 5 * 1000000 })
  end
  events[#events + 1] = event("step", 9000, { step = "move web1 to kvm2", elapsed_ms = 6500, ok = true })
  events[#events + 1] = event("warning", 9100, { message = "no guest agent", hint = "install it" })
  events[#events + 1] = event("ended", 9500, { kind = "private-key", label = "put the key", outcome = "revoked" })
  events[#events + 1] = event("summary", 9900, { { "sent", "107 MiB" }, { "domain", "web1 runs on kvm2" } })
  return run(), { entry("private-key", "put the key", "ended"),
    entry("settle-domain", "leave the domain on exactly one host", "ended", { type = "undo" }) }, events,
    { domain = "web1", from = "kvm1", to = "kvm2", copy_disks = { "vda" }, new_name = "" }
end

-- The page as a tree: HTML of ours is XML but for its first line and the meta tags.
local function tree(page)
  test.matches(page, "^<!doctype html><html lang=\"en\">")
  return xml.parse((page:gsub("^<!doctype html>", ""):gsub("(<meta [^>]*)>", "%1/>")))
end

local function texts(document, path)
  local found = {}
  for index, node in ipairs(document:find_all(path)) do found[index] = node:text() end
  return found
end

local function titles(document) return texts(document, "//section/h2") end

test.case("what a run changed without an undo is told, unless it is done", function()
  local events = { event("changed", 500, { text = "run: touch <x> on kvm1", step = "touch" }) }
  local page = tree(report_html.page(run { state = "failed" }, {}, events, {}))
  test.equal(titles(page), { "Run", "Changed and not undone" })
  test.equal(texts(page, "//section[2]//td"), { "run: touch <x> on kvm1" })
  test.equal(titles(tree(report_html.page(run(), {}, events, {}))), { "Run" })
end)

test.case("a move: its outcome, steps, curve, warnings, leases, undo entries, parameters", function()
  local page = tree(report_html.page(a_move()))
  test.equal(titles(page), { "Run", "Steps", "The move", "Warnings", "Granted for the time of the run",
    "To undo if the run fails", "Parameters" })
  test.equal({ page:value "//h1/span", page:value "//head/title" }, { "done", "live-migrate: web1 kvm1 -> kvm2, done" })
  test.equal(texts(page, "//div[@class='steps']/span[position() mod 4 = 2]"),
    { "lock web1 on both hosts", "open the channel (ssh)", "move web1 to kvm2" })
  test.equal(texts(page, "//table//td[3]"), { "taken back", "not needed" })
  test.equal(texts(page, "//dl/dt"), { "playbook", "began", "took", "sent", "domain", "copy_disks", "domain", "from",
    "to" })
  test.equal(page:value "//section[1]/dl/dd[3]", "10.0 s")
end)

test.case("the curve begins when the job has figures, and falls to nothing left", function()
  local page = tree(report_html.page(a_move()))
  local lines = page:find_all "//svg/polyline"
  test.equal(#lines, 2)
  local points = {}
  for x, y in lines[1]:attribute("points"):gmatch("([%d.]+),([%d.]+)") do
    points[#points + 1] = { tonumber(x), tonumber(y) }
  end
  test.equal({ #points, points[1][1], points[#points][1], points[1][2], points[#points][2] }, { 20, 70, 830, 20, 180 })
end)

test.case("disks and memory, which are counted one after the other, have a line each in the curve", function()
  local one, entries, events, parameters = a_move()
  local seen = 0
  for _, e in ipairs(events) do
    if e.type == "progress" then
      seen = seen + 1
      e.data.phase = seen <= 10 and "disks" or "memory"
    end
  end
  local page = tree(report_html.page(one, entries, events, parameters))
  test.equal(#page:find_all "//svg/polyline", 3)
  test.equal(page:value "//span[@class='left']", "left to send: first disks, then memory")
end)

test.case("a bar stands where its step was in the run", function()
  local page = tree(report_html.page(a_move()))
  local places = {}
  for index, node in ipairs(page:find_all "//span[@class='track']/i") do places[index] = node:attribute "style" end
  test.equal(places, { "left:0.0%;width:5.0%", "left:5.0%;width:20.0%", "left:25.0%;width:65.0%" })
end)

test.case("a run without a move has no curve; one that did nothing has neither steps nor leases", function()
  local one = run { playbook = "greet", state = "failed" }
  local page = tree(report_html.page(one, {}, { event("step", 5, { step = "greet", elapsed_ms = 5, ok = true }) },
    { who = "kvm2" }, { message = "no" }))
  test.equal(titles(page), { "Run", "Steps", "Parameters" })
  page = tree(report_html.page(one, {}, {}, {}, { message = "there is nobody", hint = "name somebody", host = "kvm1" }))
  test.equal({ titles(page), page:value "//span[@class='bad']" }, { { "Run" }, "kvm1: there is nobody" })
end)

test.case("what could not be taken back stands out, and so does a run that is not over", function()
  local page = tree(report_html.page(run { state = "needs_operator" }, { entry("mount", "mount x", "failed",
    { error = "device is busy" }), entry("key", "the key", "done") }, {}, {}, { message = "m" }))
  test.equal(texts(page, "//td[@class='bad']"), { "NOT taken back: device is busy", "OUT" })
  test.equal(page:value "//h1/span[@class='badge bad']", "needs an operator")
  page = tree(report_html.page(run { state = "running", alive = true, ended_ms = 0 },
    { entry("key", "the key", "done") }, { event("step", 100, { step = "s", elapsed_ms = 100, ok = true }) }, {}))
  test.equal({ page:value "//h1/span", page:value "//table//td[3]" }, { "at work", "in use" })
end)

test.case("hostile text from hosts and files stays text", function()
  local evil = [["><script>alert(1)</script><img src=x onerror='alert(2)'> & </style></title>]]
  local one = run { id = evil, playbook = evil, playbook_file = evil, state = "failed" }
  local data = { step = evil, elapsed_ms = 1, ok = false, message = evil, hint = evil }
  local page = report_html.page(one, { entry(evil, evil, "failed", { error = evil }),
    entry(evil, evil, evil, { type = "undo" }) }, { event("step", 1, data), event("warning", 1, data),
    event("log", 1, data), event("summary", 1, { { evil, evil } }),
    event("ended", 1, { kind = evil, label = evil, outcome = evil }) },
    { [evil] = evil, domain = evil, list = { evil } }, { message = evil, hint = evil, host = evil })
  local document = tree(page)
  test.equal({ #document:find_all "//script", #document:find_all "//img", #document:find_all "//style" }, { 0, 0, 1 })
  test.equal(document:value "//dl/dd/code", evil)
  test.is_nil(page:lower():find("<script", 1, true))
end)

test.case("it needs nothing from anywhere else", function()
  local page = report_html.page(a_move())
  for _, word in ipairs { "http:", "https:", "src=", "href=", "@import", "url(", "<script", "<link", "<iframe" } do
    test.is_nil(page:find(word, 1, true), word)
  end
end)

test.case("a history with missing fields is shown all the same", function()
  local page = tree(report_html.page(run(), {}, { event("step", 5, {}), event("progress", 5, {}),
    event("progress", 6, {}), event("warning", 7, {}), event("log", 7, {}),
    event("summary", 8, { 5, {}, { "a" } }) }, {}, {}))
  test.equal(titles(page), { "Run", "Steps", "Warnings", "Said" })
end)

-- For a person to look at: DROVER_PAGES=DIR drover test tests/stdlib/report_html_test.lua
local pages = os.getenv "DROVER_PAGES"
if pages then
  test.case("pages", function()
    fakes.write(pages .. "/move.html", report_html.page(a_move()))
    local one, entries, events, parameters = a_move()
    one.state, one.kept = "failed", true
    events[5].data.ok = false
    events[#events - 3].data.ok = false
    entries[1].state, entries[1].error = "failed", "kvm1: the connection is gone"
    fakes.write(pages .. "/failed.html", report_html.page(one, entries, events, parameters, { host = "kvm2",
      message = "libvirt reported no error, but the domain runs on kvm1 only", hint = "try again: " .. one.id }))
    fakes.write(pages .. "/checked.html", report_html.page(run { playbook = "greet", state = "failed" }, {}, {},
      { who = "nobody" }, { message = "there is nobody to greet", hint = "name somebody with --who" }))
  end)
end
