-- Shows the ways to a daemon that are not ssh's own: TCP, TLS with certificates, and libvirt's libssh. A libvirtd
-- without rights, in a folder of its own, listens on 127.0.0.1; an sshd with keys of its own stands beside it.
local test = require "test"

local machine = require("native.host").local_machine()
local finish_daemon = test.load(..., "daemon").finish

local function run(text, ...) return machine:exec { "sh", "-ec", text, "test", ... } end

-- Certificates of an authority of our own for server and client: folder/ca, folder/pki as the client reads it.
local make_certificates = [[
mkdir -p "$1/pki" && cd "$1/pki"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout cakey.pem -out cacert.pem 2>/dev/null
for name in server client; do
  openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "${name}key.pem" -out "$name.csr" 2>/dev/null
  echo 'subjectAltName=IP:127.0.0.1' >"$name.ext"
  openssl x509 -req -in "$name.csr" -CA cacert.pem -CAkey cakey.pem -CAcreateserial -days 2 -extfile "$name.ext" \
    -out "${name}cert.pem" 2>/dev/null
done]]

local start_daemon = [[
cd "$1"
printf '%s\n' 'listen_tcp = 1' 'listen_tls = 1' 'listen_addr = "127.0.0.1"' "tcp_port = \"$2\"" "tls_port = \"$3\"" \
  'auth_tcp = "none"' "ca_file = \"$1/pki/cacert.pem\"" "cert_file = \"$1/pki/servercert.pem\"" \
  "key_file = \"$1/pki/serverkey.pem\"" 'tls_no_sanity_certificate = 1' >libvirtd.conf
chmod 755 "$1" && chown -R nobody "$1"
as=; [ "$(id -u)" != 0 ] || as='setpriv --reuid nobody --regid nogroup --clear-groups'
HOME=$1 XDG_RUNTIME_DIR=$1/run XDG_CONFIG_HOME=$1/config XDG_CACHE_HOME=$1/cache XDG_DATA_HOME=$1/data \
  $as libvirtd --daemon --listen --config "$1/libvirtd.conf" --timeout 30 --pid-file "$1/pid"]]

local function with_daemon(body)
  local folder = machine:temp_directory { under = "/tmp" }
  local port = 20000 + async.monotonic_ms() % 20000
  finish_daemon(folder, pcall(function()
    run(make_certificates, folder)
    run(start_daemon, folder, tostring(port), tostring(port + 1))
    body(folder, port, port + 1)
  end))
end

local function expect_answers(uri)
  local connection <close> = virt.connect(uri)
  test.equal(connection:pools(), {}, uri)
  test.equal(connection:is_alive(), true)
  return connection:is_encrypted()
end

test.case("a daemon answers over TCP, over TLS with certificates, and refuses a stranger's", function()
  with_daemon(function(folder, tcp_port, tls_port)
    test.equal(expect_answers(("storage+tcp://127.0.0.1:%d/session"):format(tcp_port)), false)
    local tls = ("storage+tls://127.0.0.1:%d/session?pkipath=%s"):format(tls_port, folder .. "/pki")
    test.equal(expect_answers(tls), true)
    run(make_certificates, folder .. "/stranger")
    local strange = ("storage+tls://127.0.0.1:%d/session?pkipath=%s"):format(tls_port, folder .. "/stranger/pki")
    test.matches(test.raises("AUTH_FAILED", virt.connect, strange).message, "peer's certificate")
  end)
end)

-- libvirt's own helper at the far end connects root to root's daemon alone: this one stands for nc -U.
local relay = [[
#!/usr/bin/perl
use IO::Socket::UNIX;
my $socket = IO::Socket::UNIX->new(Peer => $ARGV[-1]) or die "no socket\n";
my %other = (fileno(STDIN) => [ STDIN, $socket ], fileno($socket) => [ $socket, STDOUT ]);
while (1) {
  my $waiting = "";
  vec($waiting, $_, 1) = 1 for keys %other;
  select($waiting, undef, undef, undef);
  for (keys %other) {
    next unless vec($waiting, $_, 1);
    my ($from, $to) = @{$other{$_}};
    sysread($from, my $bytes, 65536) or exit 0;
    syswrite($to, $bytes);
  }
}
]]

-- sshd refuses keys below /tmp.
local start_sshd = [[
cd "$1"; mkdir -p /run/sshd
for key in host user; do ssh-keygen -q -t ed25519 -N "" -f "$key"; done
cp user.pub authorized_keys; chmod 600 authorized_keys
echo "[127.0.0.1]:$2 $(cut -d' ' -f1,2 host.pub)" >known_hosts
printf '%s\n' "Port $2" "ListenAddress 127.0.0.1" "HostKey $1/host" "AuthorizedKeysFile $1/authorized_keys" \
  "PidFile $1/pid" "UsePAM no" "PermitRootLogin yes" >sshd_config
printf %s "$3" >relay; chmod 755 relay
/usr/sbin/sshd -f sshd_config -E log
for i in $(seq 100); do [ -s pid ] && break; sleep 0.05; done]]

test.case("a daemon answers over libvirt's libssh, with the key and the known hosts that the URI names", function()
  with_daemon(function(folder, tcp_port)
    local keys = machine:exec({ "mktemp", "-d", "/root/.drover-ssh-lua-XXXXXX" }).output:gsub("\n", "")
    local _ <close> = setmetatable({}, { __close = function()
      run('kill "$(cat "$1/pid")"; rm -rf -- "$1"', keys)
    end })
    run(start_sshd, keys, tostring(tcp_port + 2), relay)
    local uri = ("storage+libssh://root@127.0.0.1:%d/session?keyfile=%s/user&known_hosts=%s/known_hosts"
      .. "&known_hosts_verify=normal&sshauth=privkey&proxy=netcat&netcat=%s/relay&socket=%s/run/libvirt/libvirt-sock")
      :format(tcp_port + 2, keys, keys, keys, folder)
    expect_answers(uri)
    machine:write_file(keys .. "/known_hosts", "")
    test.matches(test.raises("SSH_FAILED", virt.connect, uri).message, "host key")
  end)
end)
