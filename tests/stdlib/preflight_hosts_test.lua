-- Shows what is compared of the two hosts before a move: versions, clocks, CPU, firmware, memory, names, other runs.
local test = require "test"
local fakes = test.load(..., "fakes")
local world = test.load(..., "preflight_fakes")
local xml = require "xml"
local a_move, check = world.a_move, world.check

-- ---- the hosts themselves ----

test.case("versions and architecture", function()
  local move = a_move()
  move.source.facts_of = { libvirt_version = "9.0.0", qemu_version = "7.2.4", architecture = "x86_64" }
  move.destination.facts_of = { libvirt_version = "8.0.0", qemu_version = "7.2.11", architecture = "x86_64" }
  test.equal(check("identity", "versions", move), { "kvm2: libvirt is 8.0.0 there and 9.0.0 on the source" })
end)

test.case("another architecture or another hypervisor", function()
  local function with(architecture, kind)
    local move = a_move()
    move.source.facts_of, move.destination.facts_of = { architecture = "x86_64" }, { architecture = architecture }
    move.source.virt = { type = function() return "QEMU" end }
    move.destination.virt = { type = function() return kind end }
    return check("identity", "hypervisor and architecture", move)
  end
  test.equal(with("x86_64", "QEMU"), {})
  test.equal(with("aarch64", "QEMU"), { "kvm2: the source is x86_64, the destination aarch64" })
  test.equal(with("x86_64", "LXC"), { "kvm2: the source runs QEMU, the destination LXC" })
end)

test.case("clocks that differ by more than a minute", function()
  local function warned(skew_ms)
    local move = a_move()
    move.source.facts_of, move.destination.facts_of = { clock_skew_ms = -1000 }, { clock_skew_ms = skew_ms }
    return select(2, check("identity", "clocks", move))
  end
  test.equal(warned(59000), {})
  test.equal(warned(119000), { "the hosts' clocks differ by 2m00s" })
end)

test.case("the name or the UUID is taken at the destination", function()
  local function with(by_name, by_uuid)
    local move = a_move()
    move.destination.virt = { find_domain = function(_, wanted)
      return wanted == "web1" and by_name or wanted == "uuid-1" and by_uuid or nil
    end }
    return check("identity", "the name at the destination", move)
  end
  local function domain(uuid, active)
    return { uuid = function() return uuid end, is_active = function() return active end }
  end
  test.equal(with(), {})
  test.equal(with(domain "uuid-2"), { "kvm2: another domain is named 'web1' there (uuid-2)" })
  test.equal(with(domain("uuid-1", true), domain("uuid-1", true)), { "kvm2: a domain with this UUID is active there" })
  local lines, warned = with(nil, domain("uuid-1", false))
  test.equal({ lines, warned }, { {}, { "kvm2 has an inactive definition of it, which the move replaces" } })
end)

test.case("A41: an autostart that will not be carried is told before", function()
  local function warned(p, on)
    return select(2, check("identity", "autostart", a_move(p, { autostart = on })))
  end
  test.equal({ (warned({}, true)), (warned({ autostart = "off" }, false)) }, { {}, {} })
  test.equal(warned({ autostart = "off" }, true),
    { "it starts with its host now, and with --autostart off no host starts it any more" })
  test.equal(warned({ persistent = false }, true),
    { "it starts with its host now, and without --persistent kvm2 cannot start it" })
end)

test.case("A13: a run of the same domain that is at work on a host is named", function()
  local lock = require("lease").find "domain-lock"
  local function with(holder, stale)
    local _ <close> = test.replace(lock, { holder = function(one) return one.name == "kvm2" and holder or nil end,
      is_stale = function() return stale end, where = function() return " on ctl" end })
    local move = a_move()
    function move.ctx.about() end
    return check("identity", "runs that are not finished", move)
  end
  test.equal(with { run = "OTHER" }, { "kvm2: run OTHER on ctl is at work on this domain" })
  test.equal({ with({ run = "OTHER" }, true), with { run = "RUN" }, (with()) }, { {}, {}, {} })
end)

test.case("room for the journal is looked for in a check too, also where its folder is not made yet", function()
  local folder <close> = fakes.folder()
  local asked
  local function with(free_bytes, store)
    local _ <close> = test.replace(host, { connect = function()
      return setmetatable({ stat = function(_, path) return #path <= #folder.path or nil end,
        disk_space = function(_, path) asked = path return { available_bytes = free_bytes } end },
        { __close = function() end })
    end })
    local _ <close> = test.replace(journal, { folder = function() return folder.path .. "/new/drover" end })
    local move = a_move()
    move.ctx.store = store
    return check("identity", "room for the journal", move)
  end
  local expected = { "the journal's disk has 1.0 MiB left" }
  test.equal({ with(1 << 20), with(1 << 20, {}), (with(1 << 30)) }, { expected, expected, {} })
  test.equal(asked, folder.path)
end)

-- ---- memory, CPU, machine ----

test.case("memory at the destination", function()
  local domain = { info = function() return { memory_bytes = 4 << 30 } end }
  local move = a_move({}, { domain = domain })
  move.destination.facts_of.memory = { available_bytes = 2 << 30 }
  test.equal(check("memory", "memory", move), { "kvm2: it needs 4.0 GiB of memory, and 2.0 GiB is free" })
  move = a_move({}, { domain = domain })
  move.destination.facts_of.memory = { available_bytes = (4 << 30) + 1000, swap_used_bytes = 1 << 30 }
  local faults, warned = check("memory", "memory", move)
  test.equal({ faults, #warned }, { {}, 2 })
end)

test.case("a running guest without KVM may lose memory with QEMU before 9.0", function()
  local function warned(kind, emulator, version, state)
    local definition = ("<domain type='%s'><devices><emulator>%s</emulator></devices></domain>"):format(kind, emulator)
    local move = a_move({}, { xml = definition, state = { state = state or "running" } })
    move.source.facts_of.qemu_version = version
    local _, warnings = check("cpu", "memory without KVM", move)
    return warnings[1]
  end
  local usual = "/usr/bin/qemu-system-x86_64"
  test.equal(warned("qemu", usual, "7.2.22"),
    "it runs without KVM, and QEMU 7.2.22 can lose what such a guest writes to its memory while it moves")
  test.equal(warned("kvm", usual, "7.2.22"), nil)
  test.equal(warned("qemu", usual, "9.0.0"), nil)
  test.equal(warned("qemu", usual, "10.1.0"), nil)
  test.equal(warned("qemu", usual, nil), nil)
  test.equal(warned("qemu", "/opt/qemu/qemu", "7.2.22"), nil)
  test.equal(warned("qemu", usual, "7.2.22", "paused"), nil)
end)

local machine_xml = "<domain type='kvm'><vcpu>8</vcpu><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type>%s</os>"
  .. "<cpu mode='%s'/><devices><emulator>/usr/bin/qemu</emulator>%s</devices></domain>"
local function machine(os, mode, devices)
  return { xml = machine_xml:format(os or "", mode or "custom", devices or "") }
end

test.case("the CPU of the host passed through to the guest, and another one there", function()
  local function warned(mode, there)
    local move = a_move({}, machine("", mode))
    local text = "<capabilities><host><cpu><model>%s</model></cpu></host></capabilities>"
    move.capabilities = { source = xml.parse(text:format "Skylake"), destination = xml.parse(text:format(there)) }
    return select(2, check("cpu", "the CPU", move))
  end
  test.equal(warned("host-passthrough", "Skylake"), {})
  test.equal(warned("host-passthrough", "EPYC"),
    { "its CPU is the host's own (host-passthrough), and that is EPYC there and Skylake here" })
  test.equal(#warned("maximum", "EPYC"), 1)
end)

test.case("A17: the features that the destination lacks are named", function()
  local move = a_move({}, machine())
  move.destination.virt = { compare_hypervisor_cpu = function(_, _, options)
    if not options.fail_incompatible then return "incompatible" end
    errors.raise { code = "CPU_INCOMPATIBLE", message = "missing features: avx512f", where = false }
  end }
  test.equal(check("cpu", "the CPU", move), { "kvm2: its CPU does not fit: missing features: avx512f" })
end)

test.case("A23: the emulator's path and the machine type", function()
  local function with(missing, problem)
    local move = a_move({}, machine())
    move.destination.answers["-e \"$f\""] = { output = missing }
    move.destination.virt = { domain_capabilities = function(_, facts)
      test.equal({ facts.emulator, facts.machine }, { "/usr/bin/qemu", "pc-q35-7.2" })
      if problem then errors.raise { code = "INVALID_ARGUMENT", message = problem, where = false } end
    end }
    return check("cpu", "emulator and machine type", move)
  end
  test.equal(with "", {})
  test.equal(with "/usr/bin/qemu\n", { "kvm2: the emulator /usr/bin/qemu is missing" })
  test.equal(with("", "unknown machine"),
    { "kvm2: the destination does not know machine type pc-q35-7.2: unknown machine" })
end)

test.case("firmware and kernel files that are missing there", function()
  local move = a_move({}, machine("<loader>/fw/code.fd</loader><kernel>/boot/k</kernel>"))
  move.destination.answers["-e \"$f\""] = function(request) return table.concat(request, "\n", 5) .. "\n" end
  test.equal(check("cpu", "firmware", move), { "kvm2: the domain starts from /fw/code.fd, which is missing",
    "kvm2: the domain starts from /boot/k, which is missing" })
end)

for _, row in ipairs {
  -- the definition, what the destination says, what the check makes of it
  { "<nvram>/images/web1.fd</nvram>", "" },
  { "<nvram>/images/web1.fd</nvram>", "exists\n", "/images/web1.fd is there already, and is written anew" },
  { "<nvram>/images/web1.fd</nvram>", "no folder\n", "its NVRAM is /images/web1.fd, and /images is missing" },
  { "<nvram type='file'><source file='/images/web1.fd'/></nvram>", "no folder\n", "and /images is missing" },
  { "<nvram type='block'><source dev='/images/web1.fd'/></nvram>", "", "and /images/web1.fd is missing" },
  { "<nvram type='block'><source dev='/images/web1.fd'/></nvram>", "exists\n" },
  { "", "no folder\n" },
} do
  test.case(("A20: NVRAM %q and %q there: %s"):format(row[1], row[2], row[3] or "well"), function()
    local move = a_move({}, machine(row[1]))
    move.destination.answers["no folder"] = { output = row[2] }
    local faults, warnings = check("cpu", "NVRAM", move)
    test.equal(#faults + #warnings, row[3] and 1 or 0)
    if row[3] then test.matches(faults[1] or warnings[1], row[3]) end
  end)
end

test.case("A20: the question about the NVRAM is understood by a real host", function()
  local folder <close> = fakes.folder()
  fakes.write(folder.path .. "/there.fd", "")
  local here <close> = host.connect "localhost"
  local function with(path)
    local move = a_move({}, machine(("<nvram>%s</nvram>"):format(path)))
    move.destination.query = function(_, request) return here:query(request) end
    local faults, warnings = check("cpu", "NVRAM", move)
    return faults[1] or warnings[1]
  end
  test.matches(with(folder.path .. "/there.fd"), "is there already")
  test.is_nil(with(folder.path .. "/new.fd"))
  test.matches(with("/nowhere/new.fd"), "and /nowhere is missing$")
  test.is_nil(with("/var/lib/libvirt/qemu/nvram/new.fd"))  -- libvirt makes that folder
end)

test.case("A21: a guest with an emulated TPM needs swtpm there", function()
  local function with(devices, missing)
    local move = a_move({}, machine("", "custom", devices))
    move.destination.answers["command -v"] = { output = missing }
    return check("cpu", "the emulated TPM", move)
  end
  local emulated = "<tpm><backend type='emulator' version='2.0'/></tpm>"
  test.equal(with(emulated, "swtpm\nswtpm_setup\n"),
    { "kvm2: the guest has an emulated TPM, and these are missing: swtpm swtpm_setup " })
  test.equal(with(emulated, ""), {})
  test.equal(with("", "swtpm\n"), {})
end)

test.case("more vCPUs than the destination's QEMU takes, or than it has CPUs", function()
  local function with(most, cpu_count)
    local move = a_move({}, machine())
    move.destination.facts_of.cpu_count = cpu_count
    move.destination.virt = { max_vcpus = function() return most end }
    return check("cpu", "vCPUs", move)
  end
  test.equal(with(4, 64), { "kvm2: it has 8 vCPUs, and 4 is the most there" })
  local lines, warned = with(255, 4)
  test.equal({ lines, warned }, { {}, { "it has 8 vCPUs, and the destination 4 CPUs" } })
end)
