-- Pre-flight: the hosts themselves, the domain's name and identifier at the destination, runs that are not finished.
local lease = require "lease"
local units = require "units"

local least_journal_bytes = 16 << 20

local function version_number(text)
  local major, minor, patch = tostring(text or ""):match("^(%d+)%.(%d+)%.?(%d*)")
  return major and tonumber(major) * 1000000 + tonumber(minor) * 1000 + (tonumber(patch) or 0) or nil
end

return {
  { "hypervisor and architecture", function(move)
    local here, there = move.source:facts(), move.destination:facts()
    if here.architecture and there.architecture and here.architecture ~= there.architecture then
      move.ctx:fault(("the source is %s, the destination %s"):format(here.architecture, there.architecture),
        "a running domain moves between hosts of one architecture only", move.destination.name)
    end
    if move.source.virt:type() ~= move.destination.virt:type() then
      move.ctx:fault(("the source runs %s, the destination %s"):format(move.source.virt:type(),
        move.destination.virt:type()), nil, move.destination.name)
    end
  end },

  { "versions", function(move)
    local here, there = move.source:facts(), move.destination:facts()
    for _, what in ipairs { "libvirt_version", "qemu_version" } do
      local old, new = version_number(here[what]), version_number(there[what])
      if old and new and new < old then
        local program = what:match("^%a+")
        move.ctx:fault(("%s is %s there and %s on the source"):format(program, there[what], here[what]),
          "a running domain does not move to an older " .. program, move.destination.name)
      end
    end
  end },

  { "clocks", function(move)
    local here, there = move.source:facts().clock_skew_ms, move.destination:facts().clock_skew_ms
    if here and there and math.abs(here - there) > 60000 then
      move.ctx:warn(("the hosts' clocks differ by %s"):format(units.format_duration(math.abs(here - there))),
        "the guest's clock and the expiry of the run's key depend on them: run an NTP client on both")
    end
  end },

  { "the name at the destination", function(move)
    local there = move.destination.virt:find_domain(move.new_name)
    if there and there:uuid() ~= move.uuid then
      move.ctx:fault(("another domain is named '%s' there (%s)"):format(move.new_name, there:uuid()),
        "choose another name with --new-name", move.destination.name)
    end
    local same = move.destination.virt:find_domain(move.uuid)
    if not same then return end
    if same:is_active() then
      move.ctx:fault("a domain with this UUID is active there",
        ("two hosts must never run the same domain; who has it: drover reconcile %s --hosts %s,%s"):format(move.name,
          move.source.name, move.destination.name), move.destination.name)
    else
      move.ctx:warn(("%s has an inactive definition of it, which the move replaces"):format(move.destination.name))
    end
  end },

  { "runs that are not finished", function(move)
    move.ctx:about(move.uuid)
    local lock = lease.find "domain-lock"
    for _, one in ipairs { move.source, move.destination } do
      local holder = lock.holder(one, move.uuid)
      if holder and holder.run ~= move.run_id and not lock.is_stale(holder, move.ctx.store) then
        move.ctx:fault(("run %s%s is at work on this domain"):format(holder.run, lock.where(holder)),
          lock.hint(one.name, move.uuid), one.name)
      end
    end
  end },

  { "autostart", function(move)
    if not move.autostart then return end
    if move.p.autostart == "off" then
      move.ctx:warn("it starts with its host now, and with --autostart off no host starts it any more")
    elseif not move.p.persistent then
      move.ctx:warn(("it starts with its host now, and without --persistent %s cannot start it"):format(
        move.destination.name), ("%s would start its old disks at boot: virsh autostart --disable %s"):format(
        move.source.name, move.name))
    end
  end },

  -- In a check and a plan too: there it is known before anybody begins.
  { "room for the journal", function(move)
    local folder = move.ctx.journal_path and move.ctx.journal_path:match("^(.*)/") or journal.folder()
    local machine <close> = host.connect("localhost")
    local existing = folder  -- the first run makes it
    while existing ~= "/" and not machine:stat(existing) do existing = existing:match("^(.+)/") or "/" end
    local free_bytes = machine:disk_space(existing).available_bytes
    if free_bytes < least_journal_bytes then
      move.ctx:fault(("the journal's disk has %s left"):format(units.format_size(free_bytes)),
        "drover acts only when it can write down how to undo it: free some space under " .. folder)
    end
  end },
}
