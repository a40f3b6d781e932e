--- Ports of the destination that a rule of its own sends elsewhere (DNAT, redirect, TPROXY): a move to such a port
-- would reach another machine, and give it the guest's memory. Read from the text of the ruleset (Firewall.ruleset),
-- which has nft's rules and those of iptables. What a rule says beside port, address and protocol (an interface, a
-- mark) is not judged, so it may be told of one that does not apply.
-- Tested by tests/stdlib/migrate_translated_test.lua.
local core = require "drover.core"
local errors = require "errors"

local translated = {}

-- "49152", "49152-49160", "49152:49160", each perhaps with ": target" of a map or "timeout 5s" behind it.
local function ranges_of(text)
  local ranges = {}
  for item in text:gmatch "[^,{}]+" do
    local first, last = item:match "^%s*(%d+)[-:](%d+)"
    if not first then first = item:match "^%s*(%d+)" end
    if first then ranges[#ranges + 1] = { tonumber(first), tonumber(last or first) } end
  end
  return ranges
end

local function number_of(address)
  local a, b, c, d = address:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
  return a and (tonumber(a) << 24 | tonumber(b) << 16 | tonumber(c) << 8 | tonumber(d)) or nil
end

-- Whether an address may be meant by "10.0.0.0/24", "10.0.0.2" or something that is not judged here.
local function may_mean(pattern, address)
  local network, prefix = pattern:match "^([%x.:]+)/?(%d*)$"
  if not network then return true end
  local wanted, given = number_of(network), number_of(address)
  if not wanted or not given then return network == address or prefix ~= "" and wanted == nil and given == nil end
  local shift = 32 - (tonumber(prefix) or 32)
  return wanted >> shift == given >> shift
end

local function of_iptables(line, address)
  local chain = line:match "^%-A (%S+)"
  if not chain or chain == "OUTPUT" then return nil end
  if not (line:find "%-j DNAT" or line:find "%-j REDIRECT" or line:find "%-j TPROXY") then return nil end
  local protocol = line:match "[^!] %-p (%S+)"
  if protocol and protocol ~= "tcp" and protocol ~= "all" then return nil end
  local towards = line:match "[^!] %-d (%S+)"
  if towards and not may_mean(towards, address) then return nil end
  local ports = line:match "%-%-dports? (%S+)"
  return { ranges = ports and ranges_of(ports), except = line:find "! %-%-dports? " ~= nil, rule = line }
end

local function of_nft(line, sets, address)
  local sends = line:find "dnat to " or line:find "dnat ip6? to " or line:find "redirect *$" or line:find "redirect to "
    or line:find "redirect comment" or line:find "tproxy to " or line:find "tproxy ip6? to "
  if not sends then return nil end
  if line:find "udp dport" or line:find "l4proto udp" or line:find "protocol udp" then return nil end
  local towards = line:match "daddr ([%x.:/]+)"
  if towards and not may_mean(towards, address) then return nil end
  local negated, ports = line:match "dport (!?=? ?)({[^}]*})"
  if not ports then negated, ports = line:match "dport (!?=? ?)([@%w_-]+)" end
  if ports == "map" then ports = line:match "dport map ({[^}]*})" end
  local set = ports and ports:match "^@(.+)$"
  local ranges = set and (sets[set] or {}) or ports and ranges_of(ports) or nil
  return { ranges = ranges, except = (negated or ""):find "!" ~= nil, rule = line }
end

-- The elements of nft's sets, which may go over several lines.
local function sets_of(text)
  local sets = {}
  for name, body in text:gmatch "\n%s*set (%S+) (%b{})" do
    sets[name] = ranges_of(body:match "elements = (%b{})" or "")
  end
  return sets
end

-- What the ruleset sends elsewhere of what comes to an address.
local function rules_of(text, address)
  local rules, sets, hook = {}, sets_of("\n" .. text), nil
  for line in text:gmatch "[^\n]+" do
    line = line:match "^%s*(.-)%s*$"
    if line:find "^chain .+{$" then hook = nil end
    hook = line:match "hook (%a+)" or hook
    local rule = of_iptables(line, address) or hook ~= "output" and of_nft(line, sets, address) or nil
    if rule then rules[#rules + 1] = rule end
  end
  return rules
end

local function applies(rule, port)
  if not rule.ranges then return true end
  for _, range in ipairs(rule.ranges) do
    if port >= range[1] and port <= range[2] then return not rule.except end
  end
  return rule.except
end

--- Gives a function of a port: the text of the rule that sends elsewhere what comes to the address and that port, or
-- nil. text: of Firewall.ruleset.
function translated.finder(text, address)
  local rules = rules_of(text, address)
  return function(port)
    for _, rule in ipairs(rules) do
      if applies(rule, port) then return rule.rule end
    end
  end
end

--- The same for a move's destination; read once. A ruleset that cannot be read tells of no rule, which is said.
function translated.of(move)
  if not move.translated then
    local ok, text = core.pcall(function() return move.destination.firewall:ruleset() end)
    if not ok then
      if core.is_cancellation(text) then error(text, 0) end
      move.ctx:warn(("the firewall's rules on %s cannot be read: %s"):format(move.destination.name,
        errors.message(text)),
        "see that none of them sends the move's ports to another machine: it would get the guest's memory")
    end
    move.translated = translated.finder(ok and text or "", move.to_address)
  end
  return move.translated
end

return translated
