-- Module ssh as scripts see it, against a private sshd. The C++ tests beside this file look into the corners.
local test = require "test"

local here = require("native.host").local_machine()
local key_line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICf9svRenC/PLKIL9nk6K/pxQgoiFC41wTNvoIncOxs5"

-- A server with keys and configuration of its own in a folder under /root (sshd refuses keys below /tmp).
local function with_server(body)
  local folder = here:exec({ "mktemp", "-d", "/root/.drover-ssh-lua-XXXXXX" }).output:gsub("\n", "")
  local function run(...) return here:exec { "sh", "-ec", ... } end
  local port = tostring(20000 + async.monotonic_ms() % 20000)
  run([[cd "$1"; mkdir -p /run/sshd
    for key in host user; do ssh-keygen -q -t ed25519 -N "" -f "$key"; done
    cp user.pub authorized_keys; : > known_hosts; : > config; chmod 600 authorized_keys
    printf '%s\n' "Port $2" "ListenAddress 127.0.0.1" "HostKey $1/host" "AuthorizedKeysFile $1/authorized_keys" \
      "PidFile $1/pid" "UsePAM no" "PermitRootLogin yes" "SetEnv HOME=$1" > sshd_config
    /usr/sbin/sshd -f sshd_config -E log
    for i in $(seq 100); do [ -s pid ] && break; sleep 0.05; done]], "test", folder, port)
  local options = { config = folder .. "/config", known_hosts = folder .. "/known_hosts",
    identity_files = { folder .. "/user" } }
  local ok, problem = pcall(body, { folder = folder, target = "root@127.0.0.1:" .. port, options = options, run = run })
  run('kill "$(cat "$1/pid")"; rm -rf -- "$1"', "test", folder)
  if not ok then error(problem, 0) end
end

test.case("a host is trusted, logged into, and used", function()
  with_server(function(server)
    local problem = test.raises("HOST_KEY_UNKNOWN", ssh.connect, server.target, server.options)
    local shown = ssh.host_key(server.target, server.options)
    test.equal(shown.known, "unknown")
    test.equal(shown.type, "ssh-ed25519")
    test.is_true(problem.message:find(shown.fingerprint_sha256, 1, true))
    local added = ssh.add_known_host(server.target, shown.public_key_line, { known_hosts = server.options.known_hosts })
    test.equal(added.added, true)
    test.equal(ssh.host_key(server.target, server.options).known, "known")
    test.equal(#ssh.find_known_host(server.target, server.options), 1)

    local machine <close> = ssh.connect(server.target, server.options)
    test.equal(machine:exec({ "echo", "it's", "$HOME" }).output, "it's $HOME\n")
    test.equal(machine:is_local(), false)
    machine:write_file(server.folder .. "/note", "text")
    test.equal(machine:read_file(server.folder .. "/note"), "text")
  end)
end)

test.case("a key of a run is granted, found and revoked, and its private half is on tmpfs for a while", function()
  with_server(function(server)
    local shown = ssh.host_key(server.target, server.options)
    server.options.host_key = shown.public_key_line
    local machine <close> = ssh.connect(server.target, server.options)
    local before = machine:read_file(server.folder .. "/authorized_keys")

    local key = ssh.generate_key { comment = "drover run=1" }
    test.matches(tostring(key), "^key pair ssh%-ed25519 SHA256:")
    test.matches(key:public_line(), "^ssh%-ed25519 AAAA%S+ drover run=1$")
    local folder = "/dev/shm/drover-lua-" .. async.monotonic_ms()
    local written = key:write_private(machine, folder .. "/key")
    test.equal(written, { path = folder .. "/key", made_directory = true })

    local grant = { key = key:public_line(), mark = "drover run=1 lease=1", file = server.folder .. "/authorized_keys",
      port_forwarding = true, from = "127.0.0.1" }
    local line = ssh.format_key_line(grant)
    local granted = ssh.authorize({ machine = machine }, grant)
    test.equal(granted.line, line)
    test.equal(granted.added, true)
    test.equal(ssh.probe_authorized(machine, { key = grant.key, mark = grant.mark, file = granted.file }), "ours")
    test.equal(ssh.probe_authorized(machine, { key = grant.key, mark = "other", file = granted.file }), "foreign")

    server.options.identity_files = { written.path }
    local restricted = ssh.connect(server.target, server.options)
    test.equal(restricted:exec({ "echo", "in" }).output, "in\n")
    restricted:close()

    local back = { key = grant.key, mark = grant.mark, file = granted.file, added_newline = granted.added_newline,
      made_file = granted.made_file, made_directory = granted.made_directory }
    test.equal(ssh.revoke(machine, back).removed, true)
    test.equal(ssh.revoke(machine, back).removed, false)
    test.equal(machine:read_file(server.folder .. "/authorized_keys"), before)
    test.raises("AUTH_FAILED", ssh.connect, server.target, server.options)
    test.equal(ssh.remove_private(machine, written).removed, true)
    test.equal(machine:stat(folder), nil)
  end)
end)

test.case("fifty programs at once take about as long as one", function()
  with_server(function(server)
    server.options.host_key = ssh.host_key(server.target, server.options).public_key_line
    local machine <close> = ssh.connect(server.target, server.options)
    local hosts = {}
    for i = 1, 50 do hosts[i] = i end
    local started_ms = async.monotonic_ms()
    async.parallel(hosts, function() machine:exec { "sleep", "1" } end)
    test.is_true(async.monotonic_ms() - started_ms < 2000, "under two seconds")
  end)
end)

test.case("a socket is forwarded, and gone after close", function()
  with_server(function(server)
    server.options.host_key = ssh.host_key(server.target, server.options).public_key_line
    local machine <close> = ssh.connect(server.target, server.options)
    local path = server.folder .. "/local.sock"
    local forward = ssh.forward_unix(machine, { local_path = path, remote_path = server.folder .. "/none.sock" })
    test.equal(forward:local_address(), path)
    test.equal(forward:status().open, true)
    test.equal(here:stat(path).type, "socket")
    forward:close()
    test.equal(here:stat(path), nil)
    test.equal(forward:status().open, false)
    test.raises("NOT_SSH", ssh.forward_unix, here, { local_path = path, remote_path = "/x" })
  end)
end)

test.case("wrong arguments are named", function()
  test.raises("BAD_TARGET", ssh.connect, "-oProxyCommand=x")
  test.raises("BAD_KEY", ssh.parse_key, "nonsense")
  test.raises("BAD_ARGUMENT", ssh.authorize, here, { mark = "x" })
  test.raises("UNKNOWN_OPTION", ssh.authorize, here, { key = key_line, mark = "x", froom = "1.2.3.4" })
  test.raises("BAD_ARGUMENT", ssh.generate_key, { type = "dsa" })
  test.raises("BAD_ARGUMENT", ssh.format_key_line, { key = key_line, mark = "x", command = "a\nb" })
  test.raises("NO_NAME", ssh.host_key, "no-such-host.invalid")
  test.equal(ssh.parse_key(key_line .. " comment").public_key_line, key_line)
end)
