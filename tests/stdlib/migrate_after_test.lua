-- Shows what is compared after a move, that each difference is told and keeps the source's definition, and the summary.
local test = require "test"
local after = require "migrate.after"
local storage = require "migrate.storage"
local xml = require "xml"

local definition = [[<domain type='kvm'><name>web1</name><memory>1024</memory><devices>
  <disk type='file' device='disk'><source file='%s'/><target dev='vda'/></disk>
  <disk type='network' device='disk'><source protocol='rbd' name='pool/%s'/><target dev='vdb'/></disk>
  <disk type='file' device='cdrom'>%s<target dev='sda'/><readonly/></disk>
  <interface type='bridge'><source bridge='br0'/></interface>
  %s</devices></domain>]]
local iso = "<source file='/iso/cd.iso'/>"
local before_xml = definition:format("/a/one.img", "image", iso, "")

-- A domain of tables; what is said of it comes from fields, which a case changes.
local function domain_of(fields)
  local methods = { state = function() return fields.state end,
    xml = function(_, options) return fields[options.inactive and "inactive" or options.migratable and "migratable"
      or "live"] end,
    is_persistent = function() return fields.persistent end, is_active = function() return fields.active end,
    autostart = function() return fields.autostart end,
    block_job = function(_, target) return fields.block_jobs[target] end,
    block_info = function() return { capacity_bytes = fields.capacity_bytes } end,
    addresses = function()
      if fields.addresses then return fields.addresses end
      errors.raise { code = "AGENT_UNRESPONSIVE", message = "no agent" }
    end,
    job_completed = function() return { type = "completed" } end,
    undefine = function(_, options) fields.undefined = options end }
  return methods
end

local function interface(address) return { { name = "eth0", addresses = { { address = address } } } } end

-- A guest that has moved well from kvm1 to kvm2; change(there, left, move) makes one thing wrong: there and left are
-- the fields of the domain at the destination and at the source.
local function moved(change, p)
  local there = { state = { state = "running", reason = "migrated" }, inactive = before_xml, live = before_xml,
    persistent = true, autostart = false, block_jobs = {}, addresses = interface "10.0.0.5", capacity_bytes = 1 << 30 }
  local left = { persistent = true, autostart = false, active = false }
  local warned, rows = {}, {}
  local ctx = { granted = {}, warn = function(_, message, hint) warned[#warned + 1] = { message, hint } end,
    report = function(_, name, text) rows[name] = text end }
  local function a_host(name, fields)
    return { name = name, ping = 0, virt = { domain = function() return domain_of(fields) end,
      find_domain = function() return not fields.gone and domain_of(fields) or nil end },
      stat = function(self, path) return path ~= self.missing and { size_bytes = 1 } or nil end,
      query = function(self) return { exit_code = self.ping, output = "", errors = "" } end }
  end
  local move = { ctx = ctx, name = "web1", new_name = "web1", uuid = "uuid-1", elapsed_ms = 1000,
    source = a_host("kvm1", left), destination = a_host("kvm2", there), live = xml.parse(before_xml),
    inactive = xml.parse(before_xml),
    before = { state = "running", persistent = true, autostart = false, agent = true,
      addresses = interface "10.0.0.5" },
    p = setmetatable(p or {}, { __index = { persistent = true, suspend = false, cdrom = "keep", network = {},
      autostart = "carry" } }) }
  move.disks = storage.disks(move)
  move.disks[1].action, move.disks[1].capacity_bytes = "copy", 1 << 30
  move.disks[2].action, move.disks[3].action = "shared", "skip"
  if change then change(there, left, move) end
  return move, left, warned, rows
end

-- What verify says; and whether the source's definition would be removed then.
local function verify(change, p)
  local move, left, warned = moved(change, p)
  after.verify(move)
  local messages = {}
  for index, one in ipairs(warned) do messages[index] = one[1] end
  after.undefine_source(move)
  return messages, left.undefined ~= nil, warned
end

for _, row in ipairs {
  -- what is as asked, the change, other parameters
  { "nothing has changed", function() end },
  { "a guest that was paused stays so", function(there, _, move)
    move.before.state, there.state = "paused", { state = "paused" } end },
  { "--suspend", function(there) there.state = { state = "paused" } end, { suspend = true } },
  { "--new-name", function(there, _, move)
    move.new_name, there.inactive = "web2", before_xml:gsub("<name>web1", "<name>web2") end },
  { "--network", function(there) there.inactive = before_xml:gsub("br0", "br1") end, { network = { br0 = "br1" } } },
  { "--cdrom eject", function(there)
    there.live = definition:format("/a/one.img", "image", "", "")
    there.inactive = there.live
  end, { cdrom = "eject" } },
  { "what libvirt makes anew", function(there)
    there.inactive = before_xml:gsub("</devices>", "</devices><seclabel type='dynamic'/>") end },
  { "autostart that was carried", function(there, _, move)
    move.before.autostart, there.autostart = true, true end },
  { "autostart that was not to be carried", function(_, _, move) move.before.autostart = true end,
    { autostart = "off" } },
  { "a volume of a pool that is elsewhere there", function(there, _, move)
    local volume = before_xml:gsub("<disk type='file' device='disk'><source file='/a/one.img'/>",
      "<disk type='volume' device='disk'><source pool='fast' volume='one.img'/>")
    there.live, there.inactive = volume, volume
    move.live, move.inactive = xml.parse(volume), xml.parse(volume)
    move.disks = storage.disks(move)
    move.disks[1].action, move.disks[1].path_there, move.disks[1].type = "copy", "/b/one.img", "file"
  end },
  { "a guest without an agent", function(there, _, move)
    move.before.agent, move.before.addresses, there.addresses = false, nil, nil end },
} do
  test.case("no difference: " .. row[1], function()
    local messages, undefined = verify(row[2], row[3])
    test.equal({ messages, undefined }, { {}, true })
  end)
end

local migratable = before_xml:gsub("<domain ", "<domain id='7' ")

for _, row in ipairs {
  -- what is told, the change, other parameters
  { "the domain was running and is paused (ioerror)", function(there)
    there.state = { state = "paused", reason = "ioerror" } end },
  { "the domain was paused and is running (unpaused)", function(there, _, move)
    move.before.state, there.state = "paused", { state = "running", reason = "unpaused" } end },
  { "the definition at the destination differs: /domain/memory", function(there)
    there.inactive = before_xml:gsub("1024", "2048") end },
  { "disk vda should be /a/one.img there and is /a/other.img", function(there)
    there.live = definition:format("/a/other.img", "image", iso, "") end },
  { "disk vdb should be rbd pool/image there and is rbd pool/other", function(there)
    there.live = definition:format("/a/one.img", "other", iso, "") end },
  { "disk vda should be /a/one.img there and is missing", function(there)
    there.live = before_xml:gsub("<target dev='vda'/>", "<target dev='vdz'/>") end },
  { "disk sda should be /iso/cd.iso there and is nothing", function(there)
    there.live = definition:format("/a/one.img", "image", "", "") end },
  { "disk sda should be nothing there and is /iso/cd.iso", function(there)
    there.inactive = definition:format("/a/one.img", "image", "", "") end, { cdrom = "eject" } },
  { "the file of disk vda, /a/one.img, is gone there: its data is lost when the guest stops",
    function(_, _, move) move.destination.missing = "/a/one.img" end },
  { "disk vda was 1.0 GiB large and is 2.0 GiB", function(there) there.capacity_bytes = 2 << 30 end },
  { "it does not start with its host, and was to", function(_, _, move) move.before.autostart = true end },
  { "it starts with its host now, and was not to", function(there) there.autostart = true end },
  { "it starts with its host now, and was not to", function(there, _, move)
    move.before.autostart, there.autostart = true, true end, { autostart = "off" } },
  { "kvm1 starts it at boot too, over its old disks", function(_, left) left.autostart = true end },
  { "the guest's agent answered before the move and does not answer now", function(there) there.addresses = nil end },
  { "the guest's address was 10.0.0.5 and is 10.0.0.6", function(there) there.addresses = interface "10.0.0.6" end },
  { "block jobs are left on vda", function(there) there.block_jobs.vda = { type = "copy" } end },
} do
  test.case(("told, and the source keeps its definition: %s"):format(row[1]), function()
    local poll = async.poll
    local _ <close> = test.replace(async, { poll = function(_, pause, body) return poll("1ms", pause, body) end })
    local messages, undefined, warned = verify(row[2], row[3])
    test.equal({ messages, undefined }, { { row[1] }, false })
    test.equal(warned[2], { "kvm1 keeps its definition of web1, for the comparison found: " .. row[1],
      "look at it on kvm2, then on kvm1: virsh undefine web1 --keep-nvram" })
  end)
end

test.case("a definition that the destination does not have is told", function()
  local move, _, warned = moved(function(there) there.persistent = false end)
  after.verify(move)
  test.equal(warned[1], { "the domain has no definition at the destination: it is gone when it stops" })
end)

test.case("a definition that the source does not have any more, before anybody removed it, is told", function()
  local move, _, warned = moved(function(_, left) left.gone = true end)
  after.verify(move)
  test.equal(warned, { { "the definition on kvm1, the way back, is gone",
    "it is kept in the journal: drover report --json" } })
end)

test.case("of a domain that is transient on one side, what runs is compared", function()
  local function with(there_xml)
    local move, _, warned = moved(function(there, _, move)
      there.persistent, there.migratable = false, there_xml
      move.inactive, move.before.persistent, move.before.definition = nil, false, migratable
    end, { persistent = false })
    after.verify(move)
    return warned
  end
  test.equal(with((migratable:gsub("id='7'", "id='1'"))), {})
  test.equal(with((migratable:gsub("1024", "2048"))), { { "the definition at the destination differs: /domain/memory",
    "look: virsh dumpxml --migratable" } })
end)

test.case("A39: a guest that does not answer ping is told; it may never have, so that is no difference", function()
  local poll = async.poll
  local _ <close> = test.replace(async, { poll = function(_, pause, body) return poll("1ms", pause, body) end })
  local messages, undefined = verify(function(_, _, move) move.destination.ping = 1 end)
  test.equal({ messages, undefined }, { { "10.0.0.5 does not answer ping from kvm2" }, true })
  test.equal({ verify(function(_, _, move) move.destination.ping = 9 end) }, { {}, true, {} })  -- a host without ping
end)

-- ---- the source's definition ----

test.case("the definition at the source is removed with all that hangs on it, and only where there is one", function()
  local move, left = moved()
  after.undefine_source(move)
  test.equal(left.undefined, { nvram = "keep", managed_save = "remove", snapshots = "remove_metadata" })
  move, left = moved(function(_, other) other.gone = true end)
  after.undefine_source(move)
  test.is_nil(left.undefined)
end)

test.case("a definition is not removed when the destination has none", function()
  local move, left = moved(function(there) there.persistent = false end)
  local problem = test.raises("NOT_PERSISTENT", after.undefine_source, move)
  test.equal({ problem.message, problem.host, left.undefined },
    { "the domain has no definition here, so the source keeps its own", "kvm2" })
end)

test.case("A3: a definition is not removed of a domain that is active at the source", function()
  local move, left = moved(function(_, other) other.active = true end)
  local problem = test.raises("STILL_ACTIVE", after.undefine_source, move)
  test.equal({ problem.message, problem.host, problem.needs_operator, left.undefined },
    { "web1 is active here too; its definition stays", "kvm1", true })
end)

test.case("a plan compares nothing, and says what it would remove", function()
  local move, left = moved()
  local plan = {}
  move.ctx.planning, move.ctx.plan = true, { add = function(_, one) plan[#plan + 1] = one.host .. ": " .. one.text end }
  after.verify(move)
  after.undefine_source(move)
  test.equal({ plan, left.undefined, move.differences }, { { "kvm1: undefine web1 (its disks stay)" } })
end)

-- ---- the summary ----

test.case("the summary says in which state the guest was seen at the destination", function()
  local function summary(state, verified)
    local move, _, _, rows = moved(function(there, _, move)
      there.state, move.before.state = { state = state }, state
    end)
    if verified then after.verify(move) end
    after.summarise(move)
    return rows.domain
  end
  for _, verified in ipairs { true, false } do
    test.equal({ summary("running", verified), summary("paused", verified) },
      { "web1 runs on kvm2", "web1 is paused on kvm2" })
  end
end)

test.case("the summary names what was copied and how long it took", function()
  local move, _, _, rows = moved()
  move.stood_still_ms = 40
  after.summarise(move)
  test.equal(rows, { domain = "web1 runs on kvm2", ["the move took"] = "1.0 s",
    ["of it the guest stood still"] = "40 ms", disks = "vda copied; the source's files stay" })
end)
