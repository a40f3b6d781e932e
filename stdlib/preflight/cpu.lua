-- Pre-flight: CPU, machine type, emulator, firmware at the destination.
local errors = require "errors"
local nvram = require "migrate.nvram"
local script = require "script"

local function domain_facts(move)
  return { emulator = move.live:value("/domain/devices/emulator"),
    architecture = move.live:value("/domain/os/type/@arch"),
    machine = move.live:value("/domain/os/type/@machine"), virtualization = move.live:value("/domain/@type") }
end

local is_there = [[for f in "$@"; do [ -e "$f" ] || echo "$f"; done; exit 0]]

-- libvirt makes the folder of its own NVRAM files when it is missing, and no other one; so does the run.
local nvram_there = [[
[ ! -e "$1" ] || { echo exists; exit 0; }
case "$1" in /var/lib/libvirt/qemu/nvram/*) exit 0;; esac
[ -d "${1%/*}" ] || echo "no folder"]]

local have = [[PATH=$PATH:/usr/local/bin:/usr/sbin
for p in "$@"; do command -v "$p" >/dev/null || echo "$p"; done; exit 0]]

return {
  { "the CPU", function(move)
    local cpu = move.live:find("/domain/cpu")
    if not cpu then return end
    local mode = cpu:attribute("mode")
    if mode == "host-passthrough" or mode == "maximum" then
      local here = move.capabilities.source:find("/capabilities/host/cpu")
      local there = move.capabilities.destination:find("/capabilities/host/cpu")
      if here and there and here:value("model") ~= there:value("model") then
        move.ctx:warn(("its CPU is the host's own (%s), and that is %s there and %s here"):format(mode,
          tostring(there:value("model")), tostring(here:value("model"))),
          "the guest may crash on an instruction that the other CPU lacks; a named CPU model is safe")
      end
      return
    end
    local facts = domain_facts(move)
    local compared = errors.catch({ "UNSUPPORTED", "OPERATION_INVALID" }, function()
      return move.destination.virt:compare_hypervisor_cpu(cpu:to_text(), facts)
    end)
    if compared ~= "incompatible" then return end
    local _, problem = errors.catch("CPU_INCOMPATIBLE", function()
      return move.destination.virt:compare_hypervisor_cpu(cpu:to_text(), { emulator = facts.emulator,
        architecture = facts.architecture, machine = facts.machine, virtualization = facts.virtualization,
        fail_incompatible = true })
    end)
    move.ctx:fault("its CPU does not fit: " .. (problem and errors.message(problem) or "features are missing there"),
      "give the domain a CPU model that both hosts have", move.destination.name)
  end },

  { "emulator and machine type", function(move)
    local facts = domain_facts(move)
    local missing = script.read(move.destination, is_there, { facts.emulator }).output:match("[^\n]+")
    if missing then
      move.ctx:fault("the emulator " .. missing .. " is missing", "install QEMU there at the same path",
        move.destination.name)
      return
    end
    local _, problem = errors.catch({ "UNSUPPORTED", "OPERATION_INVALID", "BAD_ARGUMENT", "INVALID_ARGUMENT" },
      move.destination.virt.domain_capabilities, move.destination.virt, facts)
    if problem then
      move.ctx:fault(("the destination does not know machine type %s: %s"):format(tostring(facts.machine),
        errors.message(problem)), "it needs the same QEMU, or a newer one", move.destination.name)
    end
  end },

  -- QEMU before 9.0 clears the marks of written memory without telling its own translation cache, so that later writes
  -- are not sent [QEMU 03bfc2188f; seen with 7.2]. The kernel's KVM does not have that fault. An emulator of the site's
  -- own may be mended: nothing is said of that one.
  { "memory without KVM", function(move)
    local facts, version = domain_facts(move), move.source:facts().qemu_version
    local major = tonumber((version or ""):match("^%d+"))
    if facts.virtualization ~= "qemu" or not major or major >= 9 or move.state.state == "paused" or
      not (facts.emulator or ""):find("^/usr/s?bin/") then
      return
    end
    local message = "it runs without KVM, and QEMU %s can lose what such a guest writes to its memory while it moves"
    local hint = "to be safe, pause it for the move: virsh suspend %s; QEMU 9.0 has it mended"
    move.ctx:warn(message:format(version), hint:format(move.name))
  end },

  { "firmware", function(move)
    local files = {}
    for _, path in ipairs { "/domain/os/loader", "/domain/os/kernel", "/domain/os/initrd", "/domain/os/dtb" } do
      files[#files + 1] = move.live:value(path)
    end
    if #files == 0 then return end
    for file in script.read(move.destination, is_there, files).output:gmatch("[^\n]+") do
      move.ctx:fault("the domain starts from " .. file .. ", which is missing",
        "copy it to the same path, or install the firmware package", move.destination.name)
    end
  end },

  -- A20: what is in it comes with the guest.
  { "NVRAM", function(move)
    local its = nvram.of(move)
    if not its then return end
    local said = script.read(move.destination, nvram_there, { its.path }).output:match("[^\n]*")
    local missing = its.is_device and said ~= "exists" and its.path or said == "no folder" and its.path:match("^(.*)/")
    if missing then
      move.ctx:fault(("its NVRAM is %s, and %s is missing"):format(its.path, missing),
        its.is_device and "attach the same device there" or ("mkdir -p %s"):format(missing), move.destination.name)
    elseif said == "exists" and not its.is_device then
      move.ctx:warn(("%s is there already, and is written anew with the guest's NVRAM"):format(its.path),
        "an earlier move leaves it; if it is another guest's, keep a copy of it")
    end
  end },

  -- A21: the TPM's state travels, but only to an swtpm.
  { "the emulated TPM", function(move)
    if not move.live:find("/domain/devices/tpm/backend[@type='emulator']") then return end
    local missing = script.read(move.destination, have, { "swtpm", "swtpm_setup" }).output:gsub("%s+", " ")
    if missing ~= "" then
      move.ctx:fault("the guest has an emulated TPM, and these are missing: " .. missing,
        "apt install swtpm swtpm-tools", move.destination.name)
    end
  end },

  { "vCPUs", function(move)
    local wanted = tonumber(move.live:value("/domain/vcpu") or "1")
    local most = errors.catch({ "UNSUPPORTED", "OPERATION_INVALID" }, move.destination.virt.max_vcpus,
      move.destination.virt, move.live:value("/domain/@type"))
    if most and wanted > most then
      move.ctx:fault(("it has %d vCPUs, and %d is the most there"):format(wanted, most), nil, move.destination.name)
    end
    local cpus = move.destination:facts().cpu_count
    if cpus and wanted > cpus then
      move.ctx:warn(("it has %d vCPUs, and the destination %d CPUs"):format(wanted, cpus))
    end
  end },
}
