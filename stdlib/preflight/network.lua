-- Pre-flight: each bridge and network of the domain at the destination, MTU, MAC addresses, listen addresses.
local async = require "async"
local errors = require "errors"
local script = require "script"
local xml = require "xml"

local mtu_of = [[
for l in "$@"; do printf '%s %s\n' "$l" "$(cat "/sys/class/net/$l/mtu" 2>/dev/null || echo none)"; done]]

-- So many definitions are asked for at once: a host may have hundreds, and be far away.
local at_once = 32

local function mtus(one, bridges)
  local found = {}
  if #bridges == 0 then return found end
  for name, mtu in script.read(one, mtu_of, bridges).output:gmatch("(%S+) (%S+)\n") do found[name] = tonumber(mtu) end
  return found
end

local function compare_mtu(move, what, here, there, hint)
  if here and there and here > there then
    move.ctx:fault(("%s has an MTU of %d, and %d on the source"):format(what, there, here), hint:format(here),
      move.destination.name)
  end
end

return {
  { "bridges", function(move)
    local here, there = {}, {}
    for _, node in ipairs(move.live:find_all("/domain/devices/interface[@type='bridge']/source")) do
      local name = node:attribute("bridge")
      if name then
        here[#here + 1] = name
        there[#there + 1] = move.p.network[name] or name
      end
    end
    local source_mtu, destination_mtu = mtus(move.source, here), mtus(move.destination, there)
    for index, name in ipairs(there) do
      if not destination_mtu[name] then
        move.ctx:fault(("there is no bridge '%s'"):format(name),
          ("make it, or rename it for the move: --network %s=OTHER"):format(here[index]), move.destination.name)
      else
        compare_mtu(move, "bridge " .. name, source_mtu[here[index]], destination_mtu[name],
          "ip link set " .. name .. " mtu %d")
      end
    end
  end },

  -- macvtap: the interface sits on a device of the host, which a move does not rename.
  { "host devices under interfaces", function(move)
    local names = {}
    for _, node in ipairs(move.live:find_all("/domain/devices/interface[@type='direct']/source[@dev]")) do
      names[#names + 1] = node:attribute("dev")
    end
    local source_mtu, destination_mtu = mtus(move.source, names), mtus(move.destination, names)
    for _, name in ipairs(names) do
      if not destination_mtu[name] then
        move.ctx:fault(("there is no network device '%s', and an interface of the guest sits on it"):format(name),
          "give the device there that name (ip link set OLD name " .. name .. "), or let the guest use a network of "
            .. "libvirt's, which may differ", move.destination.name)
      else
        compare_mtu(move, "device " .. name, source_mtu[name], destination_mtu[name], "ip link set " .. name
          .. " mtu %d")
      end
    end
  end },

  { "networks", function(move)
    local here, there = {}, {}
    for _, node in ipairs(move.live:find_all("/domain/devices/interface/source[@network]")) do
      local old = node:attribute("network")
      local name = move.p.network[old] or old
      local network = move.destination.virt:find_network(name)
      if not network then
        move.ctx:fault(("there is no network '%s'"):format(name),
          ("define it, or rename it for the move: --network %s=OTHER"):format(old), move.destination.name)
      elseif not network:is_active() then
        move.ctx:fault(("the network '%s' is not active"):format(name), "virsh net-start " .. name,
          move.destination.name)
      else
        local own = move.source.virt:find_network(old)
        local bridge, bridge_there = own and own:bridge_name(), network:bridge_name()
        if bridge and bridge_there then
          here[#here + 1] = bridge
          there[#there + 1] = { bridge = bridge_there, network = name }
        end
      end
    end
    local bridges_there = {}
    for index, one in ipairs(there) do bridges_there[index] = one.bridge end
    local source_mtu, destination_mtu = mtus(move.source, here), mtus(move.destination, bridges_there)
    for index, one in ipairs(there) do
      compare_mtu(move, ("the network '%s' (bridge %s)"):format(one.network, one.bridge), source_mtu[here[index]],
        destination_mtu[one.bridge], "virsh net-edit " .. one.network .. ": <mtu size='%d'/>")
    end
  end },

  { "--network", function(move)
    local has = {}
    for _, node in ipairs(move.live:find_all("/domain/devices/interface/source")) do
      has[node:attribute("network") or ""] = true
      has[node:attribute("bridge") or ""] = true
    end
    for old in pairs(move.p.network) do
      if not has[old] then
        move.ctx:fault(("it has no interface on '%s'"):format(old), "--network is written old=new", move.source.name)
      end
    end
  end },

  { "MAC addresses", function(move)
    local ours = {}
    for _, node in ipairs(move.live:find_all("/domain/devices/interface/mac")) do
      ours[(node:attribute("address") or ""):lower()] = true
    end
    if not next(ours) then return end
    async.parallel(move.destination.virt:domains { active = true }, at_once, function(other)
      if other:uuid() == move.uuid then return end
      local text = errors.catch({ "NO_DOMAIN", "OPERATION_INVALID" }, other.xml, other, {})  -- it may stop meanwhile
      for _, node in ipairs(text and xml.parse(text):find_all("/domain/devices/interface/mac") or {}) do
        local address = (node:attribute("address") or ""):lower()
        if ours[address] then
          move.ctx:fault(("'%s' there has the same MAC address %s"):format(other:name(), address),
            "two guests with one address answer for each other: change one", move.destination.name)
        end
      end
    end)
  end },

  { "listen addresses", function(move)
    for _, node in ipairs(move.live:find_all("/domain/devices/graphics[@listen]")) do
      local address = node:attribute("listen")
      local any = address == "0.0.0.0" or address == "127.0.0.1" or address == "::" or address == "::1" or address == ""
      if not any then
        move.ctx:warn(("its %s listens on %s, an address of this host"):format(node:attribute("type"), address),
          "it may not start at the destination; 127.0.0.1 or 0.0.0.0 does everywhere")
      end
    end
  end },
}
