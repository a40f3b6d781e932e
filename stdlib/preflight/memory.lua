-- Pre-flight: room for the domain's memory at the destination.
local units = require "units"

return {
  { "memory", function(move)
    local wanted_bytes = move.domain:info().memory_bytes
    local memory = move.destination:facts().memory
    if not (memory and memory.available_bytes) then return end
    if wanted_bytes > memory.available_bytes then
      move.ctx:fault(("it needs %s of memory, and %s is free"):format(units.format_size(wanted_bytes),
        units.format_size(memory.available_bytes)), "stop or move something there first", move.destination.name)
    elseif wanted_bytes > memory.available_bytes * 0.9 then
      move.ctx:warn(("after the move %s has %s of memory left"):format(move.destination.name,
        units.format_size(memory.available_bytes - wanted_bytes)))
    end
    if memory.swap_used_bytes and memory.swap_used_bytes > 64 << 20 then
      move.ctx:warn(("%s swaps (%s in use)"):format(move.destination.name, units.format_size(memory.swap_used_bytes)))
    end
  end },
}
