-- Run by tests/stdlib/kinds_test.lua in a mount namespace whose /run is its own tmpfs: the kinds that make files,
-- granted and taken back on this machine.
local test = require "test"
local lease = require "lease"

local run = "20261121-000000-aaaa"
local here = host.connect()
local env = { run_id = run, host = function() return here end }
local folder = "/run/drover/" .. run

-- Where only root is mapped, nothing can be given to anybody else.
local other_user = require("script").read(here, "cat /proc/self/uid_map", {}).output:match("%s1%s*$") and "0:0" or "1:1"

local function script_of(text, ...) return require("script").read(here, text, { ... }, { check = false }).output end

local function mode(path) return script_of([[stat -c '%a %U' "$1"]], path):gsub("\n", "") end

test.case("run-directory: on a tmpfs, private for root alone, and gone with what a run puts there", function()
  local kind, a = lease.find "run-directory", { host = "here", run = run, qemu_user = other_user }
  test.equal(kind.probe(a, env), "absent")
  test.equal(kind.grant(a, env), { path = folder })
  test.equal({ kind.probe(a, env), (mode(folder)), (mode(folder .. "/private")) }, { "ours", "711 root", "700 root" })
  test.matches(script_of([[stat -c '%u:%g' "$1"]], folder .. "/sockets"), "^" .. other_user)
  for _, name in ipairs { "private/key", "private/ssh.log", "sockets/memory" } do
    here.machine:write_file(folder .. "/" .. name, "x")
  end
  kind.revoke(a, env)
  test.equal({ kind.probe(a, env), here:stat "/run/drover" }, { "absent" })
  kind.revoke(a, env)  -- twice is harmless
end)

test.case("run-directory: somebody else's file in it stays, and so does the folder, which is said", function()
  local kind, a = lease.find "run-directory", { host = "here", run = run }
  kind.grant(a, env)
  here.machine:write_file(folder .. "/private/notes", "mine")
  local problem = test.raises("COMMAND_FAILED", kind.revoke, a, env)
  test.matches(problem.message, "notes")
  test.equal(kind.probe(a, env), "ours")
  here:exec { "rm", folder .. "/private/notes" }
  kind.revoke(a, env)
  test.equal(kind.probe(a, env), "absent")
end)

test.case("run-directory: the folder of another run of the same id is not taken over", function()
  local kind, a = lease.find "run-directory", { host = "here", run = run }
  kind.grant(a, env)
  test.equal(test.raises("NO_RUN_DIRECTORY", kind.grant, a, env).host, "here")
  kind.revoke(a, env)
end)

test.case("run-directory: a /run that is no tmpfs is refused", function()
  here:exec { "mount", "-t", "ramfs", "ramfs", "/run" }
  local kind, a = lease.find "run-directory", { host = "here", run = run }
  local problem = test.raises("NO_RUN_DIRECTORY", kind.grant, a, env)
  here:exec { "umount", "/run" }
  test.matches(problem.message, "/run is not a tmpfs")
end)

test.case("private-key: readable by root alone, with the known hosts beside it, and gone", function()
  local directory, kind = lease.find "run-directory", lease.find "private-key"
  local a = { host = "here", run = run, known_hosts = "kvm2 ssh-ed25519 AAAA\n" }
  directory.grant(a, env)
  test.equal(kind.probe(a, env), "absent")
  local pair = ssh.generate_key { type = "ed25519" }
  local result = kind.grant(a, env, pair)
  test.equal({ result, kind.probe(a, env), (mode(result.path)), (mode(result.known_hosts)) },
    { kind.planned(a), "ours", "600 root", "600 root" })
  test.equal(script_of([[ssh-keygen -y -f "$1"]], result.path):match("^%S+ %S+"), pair:public_line():match("^%S+ %S+"))
  test.equal(script_of([[cat "$1"]], result.known_hosts), a.known_hosts)
  kind.revoke(a, env)
  test.equal({ kind.probe(a, env), here:stat(result.known_hosts) }, { "absent" })
  directory.revoke(a, env)
end)

test.case("probe-file: made anew only, and gone; a pool that has it in its list forgets it", function()
  local kind, a = lease.find "probe-file", { host = "here", path = "/run/probe-" .. run }
  local asked, deleted = nil, 0
  local other = { query = function(_, request) return here:query(request) end,
    exec = function(_, request) return here:exec(request) end,
    virt = { volume_of_path = function(_, path)
      asked = path
      return { delete = function() deleted = deleted + 1 end }
    end } }
  local there = { host = function() return other end }
  test.equal(kind.probe(a, there), "absent")
  kind.grant(a, there)
  test.equal(kind.probe(a, there), "ours")
  test.raises("COMMAND_FAILED", kind.grant, a, there)
  kind.revoke(a, there)
  test.equal({ kind.probe(a, there), asked, deleted }, { "absent", a.path, 1 })
end)

test.case("tunnel: what ssh says is the error, and ending what never came up is harmless", function()
  local directory, kind = lease.find "run-directory", lease.find "tunnel"
  local a = { host = "here", run = run, address = "127.0.0.1", port = 1, user = "root", sockets = {}, limit_s = 30 }
  directory.grant(a, env)
  test.equal(kind.probe(a, env), "absent")
  local problem = test.raises("TUNNEL_FAILED", kind.grant, a, env)
  test.equal(problem.host, "here")
  test.matches(problem.message, "no ssh connection from here to 127.0.0.1: .*port 1: Connection refused")
  kind.revoke(a, env)
  test.equal(kind.probe(a, env), "absent")
  directory.revoke(a, env)
  test.is_nil(here:stat "/run/drover")
end)

-- An ssh that comes up at once, its process by pgrep, and an ss that lists its connection among others.
local fake_programs = {
  ssh = [[#!/bin/sh
case "$*" in *"-O check"*) exit 0 ;; *"-O exit"*) exit 0 ;; esac
while [ "$1" != -S ]; do shift; done
exec ssh-agent -D -a "$2"]],
  pgrep = [[#!/bin/sh
[ "$1" = -f ] && case "$3" in ^ssh*) echo 4242 ;; *) exit 1 ;; esac]],
  pkill = [[#!/bin/sh
echo "$*" >>"${0%/*}/killed"]],
  ss = [[#!/bin/sh
case "$*" in *dport*) echo '0 0 127.0.0.1:22 127.0.0.1:40112 users:(("sshd",pid=1,fd=4))'; exit ;; esac
echo '0      0              127.0.0.1:57800        127.0.0.1:22    users:(("ssh",pid=42420,fd=3))'
echo '0      0              127.0.0.1:40112        127.0.0.1:22    users:(("ssh",pid=4242,fd=3))']],
}

test.case("tunnel: the port that is kept is this end's, not the ssh server's", function()
  local directory, kind = lease.find "run-directory", lease.find "tunnel"
  local bin = here.machine:temp_directory { under = "/run" }
  for name, text in pairs(fake_programs) do
    here.machine:write_file(bin .. "/" .. name, text .. "\n")
    here:exec { "chmod", "755", bin .. "/" .. name }
  end
  local function asked(_, request)
    local words = { "env", "PATH=" .. bin .. ":/usr/sbin:/usr/bin:/sbin:/bin", check = request.check }
    table.move(request, 1, #request, #words + 1, words)
    return here:exec(words)
  end
  local faked = { run_id = run, host = function() return { name = "here", exec = asked, query = asked } end }
  local a = { host = "here", run = run, address = "127.0.0.1", port = 22, user = "root", sockets = {}, limit_s = 30,
    from = "127.0.0.1", since_s = 0, destination = "here" }
  directory.grant(a, env)
  local result = kind.grant(a, faked)
  here:exec { "pkill", "-f", "--", "^ssh-agent -D -a " .. result.control }
  here:exec { "rm", "-rf", bin, result.control }
  directory.revoke(a, env)
  test.equal({ result.local_address, result.local_port }, { "127.0.0.1", 40112 })
  test.matches(result.session or "", "^1:%d+$")
end)

test.case("authorized-key: a revocation is proven by a login that a real sshd refuses", function()
  if other_user == "0:0" then return end  -- sshd needs other users
  local directory, private, kind = lease.find "run-directory", lease.find "private-key", lease.find "authorized-key"
  local port = math.random(20000, 29999)
  local a = { host = "here", user = "root", from = "127.0.0.1", command = "/bin/false", expires_at_s = 4102444800,
    mark = "drover run=" .. run, proof = { host = "here", run = run, address = "127.0.0.1", port = port } }
  directory.grant({ host = "here", run = run }, env)
  local pair = ssh.generate_key { type = "ed25519" }
  a.key = pair:public_line():match "^%S+ %S+"
  script_of([[mkdir -p /run/sshd; ssh-keygen -q -t ed25519 -N "" -f /run/host_key]])
  private.grant({ host = "here", run = run, known_hosts = ("[127.0.0.1]:%d %s\n"):format(port,
    script_of "cat /run/host_key.pub":match "^%S+ %S+") }, env, pair)
  -- This sshd reads a second file, of which the one that drover asks about knows nothing.
  here.machine:write_file("/run/elsewhere", 'restrict,command="/bin/false" ' .. a.key .. "\n")
  local _ <close> = setmetatable({}, { __close = function() script_of "kill $(cat /run/sshd.pid)" end })
  test.equal(script_of([[$(command -v sshd || echo /usr/sbin/sshd) -f /dev/null -p "$1" -h /run/host_key \
    -o ListenAddress=127.0.0.1 -o AuthorizedKeysFile=/run/elsewhere -o StrictModes=no -o UsePAM=no \
    -o PermitRootLogin=yes -o PidFile=/run/sshd.pid -E /run/sshd.log; echo $?]], port), "0\n")
  local granted = { file = "/run/authorized_keys" }
  test.matches(test.raises("NOT_REVOKED", kind.revoke, a, env, granted).message, "still logs in")
  here.machine:write_file("/run/elsewhere", "")
  kind.revoke(a, env, granted)
  test.matches(script_of "cat /run/sshd.log", "Accepted publickey.*authenticating user root .*preauth")
  private.revoke({ host = "here", run = run }, env)
  directory.revoke({ host = "here", run = run }, env)
end)
