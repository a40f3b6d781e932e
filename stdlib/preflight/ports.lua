-- Pre-flight: whether the source reaches the destination the way the move will: ssh for control, ports for the bytes.
local channel = require "migrate.channel"
local script = require "script"

local have = [[for p in "$@"; do command -v "$p" >/dev/null || echo "$p"; done; exit 0]]

-- A TCP connection and the first bytes of the answer: "SSH-2.0-..." from an sshd.
local ssh_banner = [[
timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && head -c 4 <&3' "$1" "$2" 2>&1; exit 0]]

local own_login = [[
timeout 20 ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10 \
  -p "$1" -l "$2" -- "$3" true </dev/null]]

local migration_certificates = [[
for d in /etc/pki/qemu /etc/pki/libvirt-migrate; do [ -r "$d/ca-cert.pem" ] && { echo "$d"; exit 0; }; done; exit 0]]

-- A named port is taken whatever is done with it; of the others the run leaves out those that are sent elsewhere.
local function warn_of_translation(move)
  local first, last = channel.port_range(move)
  local sent_elsewhere = require("migrate.translated").of(move)
  local told
  for port = first, last do
    local rule = sent_elsewhere(port)
    if rule and not told then told = { port, rule } end
    if not rule and not move.p.port then return end
  end
  if not told then return end
  move.ctx:warn(("%s sends what comes to port %d elsewhere: %s"):format(move.destination.name, told[1], told[2]),
    "the guest's memory would go there: name another --port, or use --channel ssh")
end

return {
  { "programs for the ssh connection", function(move)
    if not channel.needs_ssh(move) then return end
    local missing = script.read(move.source, have, { "ssh", "timeout", "setsid", "pgrep" }).output:gsub("%s+", " ")
    if missing ~= "" then
      move.ctx:fault("missing there: " .. missing, "apt install openssh-client coreutils util-linux procps",
        move.source.name)
    end
  end },

  { "ssh from source to destination", function(move)
    if not channel.needs_ssh(move) then return end
    local port = channel.ssh_port(move)
    local said = script.read(move.source, ssh_banner, { move.to_address, port }).output
    if not said:find("^SSH") then
      move.ctx:fault(("%s does not reach ssh on %s port %d: %s"):format(move.source.name, move.to_address, port,
        (said:match("([^:\n]+)%s*$") or "no answer"):gsub("^%s+", "")),
        "name the address that the source can reach with --migrate-address", move.source.name)
    end
  end },

  -- The tunnel is one of UNIX sockets, and is opened in the middle of the run.
  { "what sshd allows", function(move)
    if not channel.needs_ssh(move) then return end
    local rule = channel.ssh_refusal(move)
    if not rule then return end
    local address = move.from_address
    move.ctx:fault(("sshd refuses the source its connection or the tunnel in it: %s"):format(rule),
      ("let it have them in /etc/ssh/sshd_config (Match Address %s), and sshd read it again; or, without ssh: --mode "
        .. "managed --channel direct or tls, with --key none"):format(address), move.destination.name)
  end },

  { "the source's own key", function(move)
    if move.p.key ~= "existing" or not channel.needs_ssh(move) then return end
    -- A30: tried as the move will use it: by the source's user, without a question, known host keys only.
    local port, user = channel.ssh_port(move), move.destination:facts().user or "root"
    local result = script.read(move.source, own_login, { port, user, move.to_address }, { check = false })
    if result.exit_code ~= 0 then
      move.ctx:fault(("its own key does not log in as %s at %s: %s"):format(user, move.to_address,
        result.errors:match("([^\n]+)%s*$") or "no answer"),
        ("try it there: ssh -p %d %s@%s; or let drover make a key: --key ed25519"):format(port, user, move.to_address),
        move.source.name)
    end
  end },

  { "certificates for tls", function(move)
    if move.p.channel ~= "tls" then return end
    for _, one in ipairs { move.source, move.destination } do
      if script.read(one, migration_certificates).output == "" then
        move.ctx:fault("no certificates for encrypted migration in /etc/pki/qemu",
          "see https://libvirt.org/kbase/tlscerts.html, or use --channel ssh, which needs none", one.name)
      end
    end
  end },

  { "the port", function(move)
    if move.p.channel ~= "direct" and move.p.channel ~= "tls" then return end
    -- Known back ends only: an opening that nobody can make or take back is no opening; asking raises.
    if not move.destination.firewall:can_expire() then
      move.ctx:warn(("the opening on %s does not expire by itself: iptables there has no match 'time'"):format(
        move.destination.name), "the end of the run or drover recover closes it; when drover's machine may be lost "
        .. "before that: modprobe xt_time there, or --channel ssh, which opens nothing")
    end
    warn_of_translation(move)
    -- Copied disks take a port of their own, the next one.
    local message, hint = channel.port_problem(move)
    if message then move.ctx:fault(message, hint, move.destination.name) end
  end },
}
