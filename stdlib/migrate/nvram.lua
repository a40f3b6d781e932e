--- The NVRAM of a guest with UEFI: a small file beside the disks, which both hosts have of their own.
--
-- libvirt makes the file at the destination of its template when it is missing, and leaves it there when the move
-- fails (seen with 9.0). So the run makes it first, as the source has it, and takes it back like a disk; no template is
-- needed then. While the guest moves, QEMU writes it anew.
-- Tested by tests/stdlib/nvram_test.lua and tests/lab/suites/live_migrate.
local lease = require "lease"
local script = require "script"

local nvram = {}

--- Where the domain keeps it: { path =, is_device = }; nil for a guest without, and for one whose NVRAM is reached over
-- the network.
function nvram.of(move)
  local node = move.live:find("/domain/os/nvram")
  if not node then return nil end
  local device = node:value("source/@dev")
  local path = device or node:value("source/@file") or node:text()
  if path:sub(1, 1) ~= "/" then return nil end
  return { path = path, is_device = device ~= nil }
end

-- The host's clock when nothing has that name, else nothing.
local free_at = [[if [ -e "$1" ] || [ -L "$1" ]; then exit 0; fi; date +%s]]

-- Empty at first: only then is it known to be this run's, whenever the run dies.
-- The folder is libvirt's own, which QEMU's user must be able to enter: any other that is missing stopped the check.
local make = [[mkdir -p -- "${1%/*}"; umask 077; set -C; : > "$1"]]
local fill = [[cat > "$1"]]

--- Makes it at the destination, when there is none. One that is there, of an earlier move, is written anew by QEMU.
function nvram.prepare(move)
  local its = nvram.of(move)
  if not its or its.is_device then return end
  local source, destination, ctx = move.source, move.destination, move.ctx
  local free_at_s = tonumber(script.read(destination, free_at, { its.path }).output)
  if not free_at_s then return end
  if ctx.planning then
    ctx.plan:add { host = destination.name,
      text = ("make %s, the guest's NVRAM, as on %s"):format(its.path, source.name) }
    return
  end
  local contents = source:read_file(its.path)
  local sequence = ctx:undo("created-volume", { host = destination.name, other_host = source.name, path = its.path,
    source_path = its.path, run = move.run_id, uuid = move.uuid, free_at_s = free_at_s, format = "raw",
    capacity_bytes = #contents })
  script.run(destination, make, { its.path })
  ctx:made(sequence, lease.find("created-volume").identity(destination, its.path))
  script.run(destination, fill, { its.path }, { input = contents })
  move.made_nvram = true
end

return nvram
