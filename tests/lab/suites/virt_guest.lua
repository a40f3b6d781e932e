-- More cases of the suite virt, with the guest "virtest" running on a: what the guest and its disks tell by events, and
-- the calls that change it while it runs.
local test = require "test"

local name = "virtest"

local function with_guest(body)
  local a <close> = virt.connect("qemu+ssh://root@a/system")
  body(a:domain(name), a)
end

-- The next event of which check says yes; fails after the time.
local function expect_event(events, what, check)
  local found = async.poll("90s", 0, function()
    local event = events:next(1000)
    return event and check(event) and event
  end)
  test.is_true(found, what)
  return found
end

test.case("a reset is the reset button: the guest boots again, and its agent comes back, which are events", function()
  with_guest(function(domain, a)
    local events <close> = a:events { kinds = { "reboot", "agent" }, domain = name }
    test.equal(domain:reset():name(), name)
    expect_event(events, "reboot", function(event) return event.kind == "reboot" and event.domain == name end)
    local gone = expect_event(events, "the agent goes", function(event) return event.event == "disconnected" end)
    test.equal({ gone.kind, gone.detail }, { "agent", "channel" })
    local back = expect_event(events, "the agent comes", function(event) return event.event == "connected" end)
    test.equal({ back.kind, back.detail }, { "agent", "channel" })
    test.is_true(async.poll("30s", 200, function()
      return pcall(domain.agent_query, domain, '{"execute":"guest-ping"}')
    end))
  end)
end)

test.case("a block job is an event when both disks are alike, and when it is ended", function()
  with_guest(function(domain, a)
    local h <close> = host.connect "a"
    local copy = "/var/lib/libvirt/images/virtest-copy.raw"
    local _ <close> = setmetatable({}, { __close = function() h:remove_file(copy) end })
    local events <close> = a:events { kinds = { "block_job" }, domain = name }
    h:exec { "virsh", "blockcopy", name, "vda", "--dest", copy, "--format", "raw", "--transient-job" }
    local ready = expect_event(events, "ready", function(event) return event.status == "ready" end)
    test.equal({ ready.kind, ready.disk, ready.type }, { "block_job", "vda", "copy" })
    local job = domain:block_job "vda"
    test.equal(job.type, "copy")
    domain:abort_block_job "vda"
    local ended = expect_event(events, "ended", function(event) return event.status ~= "ready" end)
    test.equal({ ended.disk, ended.type, ended.status }, { "vda", "copy", "canceled" })
    test.is_nil(domain:block_job "vda")
  end)
end)

test.case("a device of the running guest is changed, and whether its definition differs is told", function()
  with_guest(function(domain)
    local function link() return xml.parse(domain:xml {}):value("/domain/devices/interface/link/@state") end
    local before = xml.parse(domain:xml {}):find("/domain/devices/interface"):to_text()
    local changed = before:gsub("</interface>%s*$", "<link state='down'/></interface>")
    test.is_nil(link())
    test.equal(domain:update_device(changed, { live = true }):name(), name)
    test.equal(link(), "down")
    domain:update_device((changed:gsub("'down'", "'up'")), { live = true })
    test.equal(link(), "up")
    test.equal(domain:is_updated(), false)
    test.raises("NO_DEVICE", domain.update_device, domain, (changed:gsub("..(:..[\"'])", "0f%1")), { live = true })
  end)
end)

test.case("the guest's clock is set by its agent, which says when it cannot", function()
  with_guest(function(domain)
    -- The agent reads the hardware clock by a program that this small guest lacks.
    local problem = test.raises("AGENT_COMMAND_FAILED", domain.sync_time, domain)
    test.matches(problem.message, "guest%-set%-time")
  end)
end)

test.case("the page cache of compression is read and set", function()
  with_guest(function(domain)
    local before = domain:compression_cache_bytes()
    test.is_true(before > 0, before)
    domain:set_compression_cache_bytes(32 << 20)
    test.equal(domain:compression_cache_bytes(), 32 << 20)
    domain:set_compression_cache_bytes(before)
  end)
end)

test.case("a post-copy move that never broke is not resumed", function()
  local b <close> = virt.connect("qemu+ssh://root@b/system")
  with_guest(function(domain)
    local problem = test.raises("OPERATION_INVALID", domain.migrate, domain, b,
      { live = true, post_copy = true, post_copy_resume = true })
    test.matches(problem.message, "not being migrated")
    test.equal(domain:state().state, "running")
  end)
end)

test.case("the best CPU for several hosts is one that each of them has", function()
  with_guest(function(_, a)
    local function cpu(model) return ("<cpu><arch>x86_64</arch><model>%s</model></cpu>"):format(model) end
    local text = a:baseline_hypervisor_cpu({ cpu "Nehalem", cpu "Westmere" },
      { virtualization = "qemu", architecture = "x86_64" })
    test.equal(xml.parse(text):value "/cpu/model", "Nehalem")
    test.raises("BAD_XML", a.baseline_hypervisor_cpu, a, { "<nonsense/>" })
  end)
end)
