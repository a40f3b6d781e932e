--- Which process is a domain's QEMU: what tells one life of a guest from the next.
-- Tested by tests/stdlib/migrate_held_test.lua and the lab's tests.
local script = require "script"

local domain_process = {}

-- Nothing when this user does not see it, or when the file names another process: that it is not seen later must mean
-- that it is gone. The twentieth field behind the name is the start [proc(5)].
local process_of = [[
pid=$(cat "/run/libvirt/qemu/$1.pid" 2>/dev/null) && grep -qaF -- "$2" "/proc/$pid/cmdline" 2>/dev/null || exit 0
read -r line < "/proc/$pid/stat" && read -r boot < /proc/sys/kernel/random/boot_id || exit 0
set -- ${line##*) } && echo "$pid ${20} $boot"
exit 0]]

--- Gives "PID START BOOT" of the QEMU of a domain that is active on a host; nil when that cannot be told. No two lives
-- of a guest have the same: a process number comes again, a start in clock ticks since the boot comes again after the
-- next boot, and the boot has an id.
function domain_process.read(one_host, name, uuid)
  return script.read(one_host, process_of, { name, uuid }).output:match("^%d+ %d+ %S+")
end

return domain_process
