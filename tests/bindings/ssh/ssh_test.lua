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

-- A connection to the server, whose key is taken for what it shows.
local function trusted(server)
  server.options.host_key = ssh.host_key(server.target, server.options).public_key_line
  return ssh.connect(server.target, server.options)
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
    local machine <close> = trusted(server)
    local hosts = {}
    for i = 1, 50 do hosts[i] = i end
    local started_ms = async.monotonic_ms()
    async.parallel(hosts, function() machine:exec { "sleep", "1" } end)
    test.is_true(async.monotonic_ms() - started_ms < 2000, "under two seconds")
  end)
end)

test.case("a socket is forwarded, and gone after close", function()
  with_server(function(server)
    local machine <close> = trusted(server)
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

test.case("a port is forwarded to what the host sees, and closed after close", function()
  with_server(function(server)
    local machine <close> = trusted(server)
    local own_port = math.tointeger(server.target:match("%d+$"))
    local forward = ssh.forward_tcp(machine, { remote_port = own_port })
    local port = math.tointeger(tostring(forward):match("127%.0%.0%.1:(%d+)"))
    local function banner()
      return here:exec { "bash", "-c", 'exec 3<>"/dev/tcp/127.0.0.1/$1" && head -c 4 <&3', "x", tostring(port),
        check = false }.output
    end
    test.is_true(port ~= own_port, "a port of its own")
    test.equal(banner(), "SSH-")
    test.raises("PORT_BUSY", ssh.forward_tcp, machine, { local_port = port, remote_port = own_port })
    forward:close()
    test.equal(banner(), "")
    test.raises("NOT_SSH", ssh.forward_tcp, here, { remote_port = own_port })
    test.raises("BAD_ARGUMENT", ssh.forward_tcp, machine, { remote_port = 0 })
  end)
end)

test.case("what a grant would make beside its line is foreseen, without making anything", function()
  with_server(function(server)
    local machine <close> = trusted(server)
    local file = server.folder .. "/new/keys"
    for _, before in ipairs { { made_file = true, made_directory = true }, { made_file = true }, { made_file = false },
      { text = "# no newline", added_newline = true } } do
      if before.made_file and not before.made_directory then machine:make_directory(server.folder .. "/new") end
      if before.made_file == false then machine:write_file(file, "", { mode = 384 }) end  -- 0600
      if before.text then machine:write_file(file, before.text, { mode = 384 }) end
      local foreseen = ssh.foresee_authorize(machine, { file = file })
      test.equal({ foreseen.file, foreseen.added, foreseen.made_file, foreseen.made_directory, foreseen.added_newline },
        { file, false, before.made_file == true, before.made_directory == true, before.added_newline == true })
      local granted = ssh.authorize(machine, { key = key_line, mark = "drover run=1", file = file })
      for _, field in ipairs { "file", "user", "made_file", "made_directory", "added_newline" } do
        test.equal(granted[field], foreseen[field], field)
      end
      local back = { key = key_line, mark = "drover run=1" }
      for field, value in pairs(foreseen) do
        if field ~= "added" then back[field] = value end
      end
      test.equal(ssh.revoke(machine, back).removed, true)
      if before.text then test.equal(machine:read_file(file), before.text) end
    end
  end)
end)

test.case("a password comes by a descriptor, and is tried when no key is taken", function()
  with_server(function(server)
    here:write_file(server.folder .. "/password", "not the one\nrest")
    local program = here:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")
    local key = ssh.host_key(server.target, server.options).public_key_line
    local code = ([[local _, problem = pcall(ssh.connect, %q, { config = %q, password_fd = 3, host_key = %q,
      identity_files = { "/nowhere" } })
      return problem.code, problem.message]]):format(server.target, server.options.config, key)
    local said = here:exec { "sh", "-c", 'exec 3<"$1"; exec "$2" eval "$3"', "x", server.folder .. "/password", program,
      code, check = false, environment = { SSH_AUTH_SOCK = "" } }
    test.matches(said.output, "^AUTH_FAILED%s.*: tried .*, the password\n")
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
