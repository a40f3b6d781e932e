-- Pre-flight: the domain itself: its state, jobs, snapshots, and devices that cannot move.
local converge = require "migrate.converge"
local errors = require "errors"
local script = require "script"
local units = require "units"

-- What libvirt 9.0 refuses to move [src/qemu/qemu_migration.c, qemuMigrationSrcIsAllowed], and what to do about it.
local immovable = {
  { "/domain/devices/hostdev[@type='pci' or @mode='subsystem' and @type='pci']", "a host PCI device is attached" },
  { "/domain/devices/interface[@type='hostdev'][not(teaming)]", "an interface is a PCI device of this host" },
  { "/domain/devices/hostdev[@type='usb']", "a host USB device is attached" },
  { "/domain/devices/hostdev[@type='scsi' or @type='mdev']", "a host SCSI or mediated device is attached" },
  { "/domain/devices/filesystem", "a host folder is shared with the guest (filesystem)" },
  { "/domain/devices/disk/transient", "a disk is transient: its changes live in a file of this host" },
  { "/domain/devices/shmem", "shared memory (shmem) is attached" },
  { "/domain/cpu/feature[@name='invtsc' and @policy='require']", "its CPU has invtsc, tied to this host's clock" },
}

-- [Linux Documentation/admin-guide/sysctl/vm.rst, unprivileged_userfaultfd]
local userfaultfd = [[cat /proc/sys/vm/unprivileged_userfaultfd 2>/dev/null || echo 1]]

return {
  { "post-copy", function(move)
    if not converge.wants_post_copy(move.p) then return end
    local label = move.capabilities.destination:value("/capabilities/host/secmodel[model='dac']/baselabel") or ""
    local is_root = label:find("^%+0:") ~= nil
    if not is_root and script.read(move.destination, userfaultfd).output:find("^0") then
      move.ctx:fault("the kernel gives post-copy's userfaultfd to root only, and QEMU runs as another user",
        "sysctl vm.unprivileged_userfaultfd=1", move.destination.name)
    end
  end },

  { "the domain's state", function(move)
    local state = move.state.state
    if state == "running" or state == "paused" and move.state.reason == "user" then return end
    if state == "shutoff" then
      move.ctx:fault(("'%s' is shut off"):format(move.name),
        "a live move is one of a running domain: virsh start " .. move.name, move.source.name)
    else
      move.ctx:fault(("'%s' is %s (%s)"):format(move.name, state, tostring(move.state.reason)),
        ("what the hosts say of it: drover reconcile %s --hosts %s,%s"):format(move.name, move.source.name,
          move.destination.name), move.source.name)
    end
  end },

  { "jobs", function(move)
    if not move.domain:is_active() then return end
    local job = errors.catch({ "OPERATION_INVALID", "UNSUPPORTED" }, move.domain.job, move.domain)
    if job and job.type ~= "none" then
      move.ctx:fault(("a job is running on it (%s)"):format(tostring(job.operation or job.type)),
        "wait for its end: virsh domjobinfo " .. move.name, move.source.name)
    end
    for _, disk in ipairs(move.disks) do
      if disk.has_source and disk.device == "disk" and move.domain:block_job(disk.target) then
        move.ctx:fault("a block job is running on disk " .. disk.target,
          ("virsh blockjob %s %s --abort"):format(move.name, disk.target), move.source.name)
      end
    end
  end },

  { "snapshots", function(move)
    local names = move.domain:snapshots()
    if #names > 0 then
      move.ctx:fault(("it has %d snapshot(s): %s"):format(#names, table.concat(names, ", ", 1, math.min(3, #names))),
        ("libvirt does not move a domain with snapshots; delete them: virsh snapshot-delete %s NAME"):format(move.name),
        move.source.name)
    end
    local checkpoints = move.domain:checkpoints()
    if #checkpoints > 0 then
      move.ctx:fault(("it has %d backup checkpoint(s)"):format(#checkpoints),
        ("virsh checkpoint-delete %s NAME --metadata"):format(move.name), move.source.name)
    end
  end },

  { "devices", function(move)
    for _, row in ipairs(immovable) do
      if move.live:find(row[1]) then
        move.ctx:fault(row[2], "libvirt cannot move it while it runs; detach it first", move.source.name)
      end
    end
    if move.live:find("/domain/devices/tpm/backend[@type='emulator']") and move.ctx.verbose then
      move.ctx:warn("it has an emulated TPM; its state travels with the domain")
    end
  end },

  { "the guest's agent", function(move)
    local channel = move.live:find("/domain/devices/channel/target[@name='org.qemu.guest_agent.0']")
    if not channel or channel:attribute("state") == "disconnected" then
      move.ctx:warn("the guest has no agent that answers: its addresses cannot be compared after the move")
    end
  end },

  { "options that exclude each other", function(move)
    local p, ctx = move.p, move.ctx
    if p.channel == "tunnel" and p.mode ~= "p2p" then
      ctx:fault("--channel tunnel needs --mode p2p", "libvirt tunnels only between its own daemons")
    end
    if p.channel == "tunnel" and #require("migrate.storage").copied(move) > 0 then
      ctx:fault("--channel tunnel cannot carry disks", "use --channel ssh: it is encrypted too")
    end
    if p.channel == "tunnel" and converge.wants_post_copy(p) then
      ctx:fault("--channel tunnel cannot switch to post-copy", "use --channel ssh")
    end
    if p.parallel > 1 and (p.channel == "ssh" or p.channel == "tunnel") then
      ctx:fault("--parallel needs --channel direct or tls", "several connections do not fit one forwarded socket")
    end
    local version = move.source:facts().libvirt_version or ""
    local major, minor = version:match("^(%d+)%.(%d+)")
    if p.compression == "zstd" and major and tonumber(major) * 1000 + tonumber(minor) < 9001 then
      ctx:fault(("libvirt %s does not know zstd for a move"):format(version),
        "it came with 9.1; --compression xbzrle or mt work here", move.source.name)
    end
    if p.compression == "zstd" and p.parallel <= 1 then
      ctx:fault("--compression zstd needs --parallel 2 or more", "QEMU compresses so on parallel connections only")
    end
    if p.compression == "mt" and p.parallel > 1 then
      ctx:fault("--compression mt and --parallel exclude each other", "use --compression zstd")
    end
    if converge.wants_post_copy(p) and p.parallel > 1 then
      ctx:fault("--post-copy and --parallel exclude each other in this libvirt")
    end
    -- A slip that virsh teaches, whose --bandwidth counts in MiB/s: "100" would be the slowest move there is.
    if p.bandwidth and p.bandwidth > 0 and p.bandwidth < 1 << 20 then
      ctx:fault(("--bandwidth %d is %s a second, and libvirt can be told no less than 1 MiB"):format(p.bandwidth,
        units.format_size(p.bandwidth)), ("write the unit: --bandwidth %dMiB"):format(p.bandwidth))
    end
    if p.undefine_source and not p.persistent then
      ctx:fault("--undefine-source without --persistent would leave no definition anywhere")
    end
    if p.key == "none" and (p.channel == "ssh" or p.mode == "p2p") then
      ctx:fault(("--key none means no ssh from the source at all, and %s needs it"):format(
        p.channel == "ssh" and "--channel ssh" or "--mode p2p"),
        "use --mode managed with --channel direct or tls; --key existing is the one that the source has")
    end
  end },
}
