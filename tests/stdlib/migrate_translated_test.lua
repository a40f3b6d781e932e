-- Shows which ports of a host its own rules send elsewhere, as nft and iptables print them.
local test = require "test"
local translated = require "migrate.translated"

local function sends(text, port) return translated.finder(text, "10.0.0.2")(port) ~= nil end

local function nft(rule, hook)
  return ("# nft\ntable ip nat {\n\tset wide {\n\t\ttype inet_service\n\t\telements = { 49200,\n\t\t\t     "
    .. "49300-49310 timeout 5s }\n\t}\n\tchain c {\n\t\ttype nat hook %s priority dstnat; policy accept;\n\t\t%s"
    .. "\n\t}\n}\n"):format(hook or "prerouting", rule)
end

local function iptables(rule) return "# iptables-save\n*nat\n:PREROUTING ACCEPT\n" .. rule .. "\nCOMMIT\n" end

-- The rule, and whether it sends port 49200 elsewhere.
for _, row in ipairs {
  { nft "tcp dport 49200 counter dnat to 10.9.9.9:80", true },
  { nft "tcp dport 49152-49215 dnat to 10.9.9.9", true },
  { nft "iifname \"eth0\" tcp dport { 22, 49190-49201 } dnat ip to 10.9.9.9", true },
  { nft "tcp dport @wide dnat to 10.9.9.9 comment \"drover run=X\"", true },
  { nft "dnat to tcp dport map { 80 : 10.9.9.9, 49200 : 10.9.9.9 }", true },
  { nft "tcp dport 49200 redirect to :8080", true },
  { nft "tcp dport != 22 redirect", true },
  { nft "ip daddr 10.0.0.0/24 dnat to 10.9.9.9", true },
  { nft "ip daddr 10.0.0.2 tcp dport 49200 tproxy to :3128", true },
  { nft "ip daddr 10.0.1.0/24 dnat to 10.9.9.9", false },
  { nft "tcp dport 8080 dnat to 10.9.9.9:80", false },
  { nft "tcp dport != 49200 redirect to :8080", false },
  { nft "udp dport 49200 dnat to 10.9.9.9", false },
  { nft "tcp dport 49200 accept", false },
  { nft("tcp dport 49200 dnat to 10.9.9.9", "output"), false },
  { nft "tcp dport 49200 counter jump dnat_to_web", false },
  { iptables "-A PREROUTING -p tcp -m tcp --dport 49152:49215 -j DNAT --to-destination 10.9.9.9", true },
  { iptables "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 49200 -j DNAT --to-destination 172.17.0.2:80", true },
  { iptables "-A PREROUTING -p tcp -m multiport --dports 80,49200 -j REDIRECT --to-ports 8080", true },
  { iptables "-A PREROUTING -d 10.0.0.2/32 -j DNAT --to-destination 10.9.9.9", true },
  { iptables "-A PREROUTING -d 10.0.0.3/32 -j DNAT --to-destination 10.9.9.9", false },
  { iptables "-A PREROUTING -p tcp -m tcp ! --dport 49200 -j REDIRECT --to-ports 8080", false },
  { iptables "-A PREROUTING -p udp -m udp --dport 49200 -j DNAT --to-destination 10.9.9.9", false },
  { iptables "-A OUTPUT -p tcp -m tcp --dport 49200 -j DNAT --to-destination 10.9.9.9", false },
  { iptables "-A INPUT -p tcp -m tcp --dport 49200 -j ACCEPT", false },
  { "", false },
} do
  local rule = row[1]:match "\n%s*(%-A[^\n]+)" or row[1]:match "accept;\n%s*([^\n]+)" or "no rule"
  test.case((row[2] and "sends 49200 elsewhere: " or "leaves 49200 alone: ") .. rule, function()
    test.equal(sends(row[1], 49200), row[2])
  end)
end

test.case("the rule itself is told", function()
  local find = translated.finder(nft "tcp dport 49200 dnat to 10.9.9.9", "10.0.0.2")
  test.equal({ find(49200), find(49201) }, { "tcp dport 49200 dnat to 10.9.9.9" })
end)

test.case("a ruleset that cannot be read is said, once: a rule of it may send the memory elsewhere", function()
  local told = {}
  local move = { to_address = "10.0.0.2", ctx = { warn = function(_, message) told[#told + 1] = message end },
    destination = { name = "kvm2", firewall = { ruleset = function()
      errors.raise { code = "COMMAND_FAILED", message = "nft: Operation not permitted" }
    end } } }
  for _ = 1, 2 do test.is_nil(translated.of(move)(49200)) end
  test.equal(told, { "the firewall's rules on kvm2 cannot be read: nft: Operation not permitted" })
end)
