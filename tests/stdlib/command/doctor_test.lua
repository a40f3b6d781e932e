-- Shows what drover doctor says of a machine that lacks something, and the command that mends it: with this machine's
-- own programs taken off the PATH, and on hosts of tables.
local test = require "test"
local fakes = test.load((...):gsub("command/", ""), "fakes")
local machine = require("native.host").local_machine()
local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")

-- drover doctor on this machine with a PATH of these programs alone: names of its own, or texts of scripts by name.
-- Gives the rows by check, the exit code, and the output.
local function doctor(programs, environment)
  local folder <close> = fakes.folder()
  local path = folder.path .. "/bin"
  machine:make_directory(path)
  for _, name in ipairs { "sh", "cat", "stat", "id", "uname", "readlink", "df", "date", "hostname",
    "head", "timeout", "sed", "cut", "tr" } do
    machine:exec { "sh", "-c", [[ln -s "$(command -v "$1")" "$2/$1"]], "sh", name, path }
  end
  for name, text in pairs(programs) do
    machine:write_file(path .. "/" .. name, "#!/bin/sh\n" .. text .. "\n", { mode = 493 })  -- 0755
  end
  local variables = { PATH = path, DROVER_STATE = folder.path .. "/state" }
  for name, value in pairs(environment or {}) do variables[name] = value end
  local result = machine:exec { drover, "--json", "doctor", check = false, environment = variables }
  local rows = {}
  for _, row in ipairs(json.decode(result.output)[1].checks) do rows[row.check] = row end
  return rows, result.exit_code
end

local complete = { ssh = "echo 'OpenSSH_9.2p1, OpenSSL 3' >&2", ip = "echo 'ip utility, iproute2-6.1.0'",
  ["qemu-system-x86_64"] = "echo 'QEMU emulator version 7.2.4 (Debian)'" }

test.case("what is there is told with its version", function()
  local rows = doctor(complete)
  test.equal({ rows["ssh client"].ok, rows["ssh client"].text, rows.routes.text, rows.QEMU.text },
    { true, "OpenSSH_9.2p1", "ip utility, iproute2-6.1.0", "QEMU 7.2.4" })
  test.equal({ rows.QEMU.mend, rows.journal.ok }, { nil, true })
  test.matches(rows.journal.text, "/state can be written$")
end)

test.case("a program that is missing, or broken, is named with what installs it; the exit code is 1", function()
  local rows, code = doctor { ip = "exit 1", ssh = "echo broken >&2; exit 1" }
  test.equal(code, 1)
  for check, mend in pairs { ["ssh client"] = "openssh%-client", routes = "iproute2?", QEMU = "qemu",
    programs = "util%-linux diffutils procps" } do
    test.equal(rows[check].ok, false, check)
    test.matches(rows[check].mend, "^%a+ install " .. mend)
  end
end)

test.case("each program that drover runs on hosts is missed by name, and a package is named once", function()
  local rows = doctor(complete)
  test.equal({ rows.programs.ok, rows.programs.text },
    { false, "missing: flock, cmp, setsid, pgrep, pkill, ss, bash" })
  local all = {}
  for _, name in ipairs { "flock", "cmp", "setsid", "pgrep", "pkill", "ss", "bash" } do all[name] = "exit 0" end
  rows = doctor(all)
  test.equal({ rows.programs.ok, rows.programs.mend }, { true, nil })
end)

test.case("what sshd would do with the run's key and its tunnel is asked of sshd itself", function()
  local function said(settings)
    return doctor({ sshd = "echo 'port 22'\n" .. settings })["ssh server"]
  end
  test.equal(said("echo 'allowstreamlocalforwarding yes'").ok, true)
  test.equal(said("echo 'allowstreamlocalforwarding local'").ok, true)
  for setting, mend in pairs { ["allowstreamlocalforwarding no"] = "AllowStreamLocalForwarding yes",
    ["disableforwarding yes"] = "DisableForwarding no", ["pubkeyauthentication no"] = "PubkeyAuthentication yes",
    ["permitrootlogin no"] = "PermitRootLogin prohibit%-password" } do
    local row = said("echo '" .. setting .. "'")
    test.equal(row.ok, false, setting)
    test.matches(row.mend, "^" .. mend .. " in /etc/ssh/sshd_config")
  end
  test.equal(said("exit 1").ok, true)
end)

test.case("a journal that cannot be written is said, with where to put it", function()
  local rows = doctor(complete, { DROVER_STATE = "/proc/nowhere" })
  test.equal(rows.journal.ok, false)
  test.matches(rows.journal.text, "/proc/nowhere")
  test.matches(rows.journal.mend, "DROVER_STATE")
end)

-- ---- on hosts of tables ----

-- A host that has everything; fields replace what it has.
local function a_host(name, fields)
  local one = { name = name, domain = {}, backend = "nftables", run = "tmpfs", facts_of = { libvirt_version = "9.0.0",
    qemu_version = "7.2.4", user_id = 0, user = "root", distribution = { id = "debian" } }, kvm = {},
    pools = { default = true }, daemon = "libvirtd", sshd = "port 22\n", said = "SSH-" }
  for field, value in pairs(fields or {}) do one[field] = value end
  local function no_libvirt()
    if one.no_libvirt then errors.raise { domain = "virt", code = "NO_CONNECTION", message = "no socket" } end
  end
  one.virt = { hostname = function()
    no_libvirt()
    return name
  end, pools = function(_, filter)
    no_libvirt()
    local list = {}
    for pool, active in pairs(one.pools) do
      if active == (filter.active == true) then list[#list + 1] = { name = function() return pool end } end
    end
    return list
  end }
  one.firewall = { backend = function()
    if not one.backend then errors.raise { domain = "firewall", code = "UNKNOWN", message = "no idea" } end
    return one.backend
  end }
  function one:facts() return self.facts_of end
  function one.virt_uri() return "qemu+ssh://" .. name .. "/system" end
  function one:stat() return self.kvm end
  function one.is_local() return false end
  function one:address_for(other)
    if not self.address then
      errors.raise { domain = "host", code = "NO_ADDRESS", message = other.name .. " knows no address of it" }
    end
    return self.address
  end
  function one.close() one.is_closed = true end
  function one:query(request)
    if request[1] == "sh" then
      local text = request[3]
      local answer = text:find("virtqemud", 1, true) and self.daemon .. "\n"
        or text:find("hostkey", 1, true) and "port 2222\nssh-ed25519 AAAA\n"
        or text:find("sshd -T", 1, true) and self.sshd
        or text:find("/dev/tcp/", 1, true) and self.said .. " " .. request[5] .. " " .. request[6] or ""
      return { exit_code = 0, output = answer, errors = "" }
    end
    local output = request[1] == "ssh" and "" or request[1] == "stat" and self.run .. "\n" or "ip utility\n"
    return { exit_code = 0, output = output, errors = "OpenSSH_9.2p1, x\n" }
  end
  return setmetatable(one, { __close = function() end })
end

-- What doctor prints for hosts by name (a function raises), and its exit code.
local function of_hosts(hosts, names, as_json)
  local lines = {}
  local _ <close> = test.replace(host, { connect = function(name)
    if type(hosts[name]) == "function" then hosts[name]() end
    return a_host(name, hosts[name])
  end })
  local _ <close> = test.replace(_G, { print = function(text) lines[#lines + 1] = tostring(text) end })
  local code = require "command.doctor" { hosts = names, json = as_json }
  return table.concat(lines, "\n"), code
end

test.case("a host that lacks nothing: a line a check, and exit code 0", function()
  local text, code = of_hosts({ kvm1 = {} }, { "kvm1" })
  test.equal({ text, code }, { [[
kvm1
  ok  login                    as root
  ok  libvirt                  libvirt 9.0.0 answers at qemu+ssh://kvm1/system
  ok  storage pools            default
  ok  QEMU                     QEMU 7.2.4
  ok  hardware virtualisation  /dev/kvm is there
  ok  ssh client               OpenSSH_9.2p1
  ok  routes                   ip utility
  ok  programs                 flock, cmp, timeout, setsid, pgrep, pkill, ss, bash
  ok  ssh server               lets keys of root in, and forwards sockets
  ok  private keys in memory   /run is tmpfs
  ok  firewall                 nftables
  ok  journal                  is kept where drover runs
nothing is missing]], 0 })
end)

test.case("what mends it is what that distribution says, below the check", function()
  local nothing = { libvirt_version = nil, qemu_version = nil, user_id = 0 }
  for id, words in pairs { debian = { "apt install libvirt%-daemon%-system", "apt install qemu%-system%-x86" },
    rocky = { "dnf install libvirt%-daemon%-kvm", "dnf install qemu%-kvm" },
    unheard_of = { "apt install libvirt", "apt install qemu" } } do
    local text, code = of_hosts({ kvm1 = { no_libvirt = true, facts_of = setmetatable({ distribution = { id = id } },
      { __index = nothing }) } }, { "kvm1" })
    test.equal(code, 1)
    for _, word in ipairs(words) do test.matches(text, "\n +" .. word) end
    test.matches(text, "\n2 things are missing$")
  end
end)

test.case("a daemon that is installed and does not answer is started, not installed", function()
  local text = of_hosts({ kvm1 = { no_libvirt = true } }, { "kvm1" })
  test.matches(text, "no  libvirt +no socket\n +systemctl enable %-%-now libvirtd")
  test.matches(text, "\n1 thing is missing$")
  text = of_hosts({ kvm1 = { no_libvirt = true, daemon = "virtqemud" } }, { "kvm1" })
  test.matches(text, "no  libvirt +no socket\n +systemctl enable %-%-now virtqemud%.socket")
end)

test.case("a host without an active pool is warned of, with one that could be started", function()
  local text, code = of_hosts({ kvm1 = { pools = { images = false } } }, { "kvm1" })
  test.matches(text, "\n  !   storage pools +none is active: [^\n]+\n +virsh pool%-start images\n")
  test.equal(code, 0)
  test.matches((of_hosts({ kvm1 = { pools = {} } }, { "kvm1" })), "virsh pool%-create%-as default dir")
end)

test.case("a host without sshd can send domains, and is told that it gets none", function()
  local text, code = of_hosts({ kvm1 = { sshd = "none\n" } }, { "kvm1" })
  test.matches(text, "\n  !   ssh server +there is no sshd: no domain can be moved here\n")
  test.matches(text, "\n +apt install openssh%-server\n")
  test.equal(code, 0)
end)

test.case("two hosts are looked at from one another too: the address, the port, the other's sshd", function()
  local hosts = { kvm1 = { address = "10.0.0.1" }, kvm2 = { address = "10.0.0.2" } }
  local text, code = of_hosts(hosts, { "kvm1", "kvm2" })
  test.matches(text, "\n  ok  to kvm2 +reaches ssh at 10%.0%.0%.2 port 2222\nkvm2\n")
  test.matches(text, "\n  ok  to kvm1 +reaches ssh at 10%.0%.0%.1 port 2222\nnothing is missing$")
  test.equal(code, 0)
  hosts.kvm1.said, hosts.kvm1.address = "bash: connect: No route to host", nil
  text, code = of_hosts(hosts, { "kvm1", "kvm2" })
  test.matches(text, "\n  no  to kvm2 +does not reach ssh at 10%.0%.0%.2 port 2222: [^\n]*No route to host")
  test.matches(text, "\n  no  to kvm1 +kvm2 knows no address of it\n")
  test.equal(code, 1)
end)

test.case("a login that is not root's cannot make what a move needs", function()
  local facts = { libvirt_version = "9.0.0", qemu_version = "7.2.4", user_id = 1000, user = "ops",
    distribution = { id = "debian" } }
  local text, code = of_hosts({ ["ops@kvm1"] = { facts_of = facts } }, { "ops@kvm1" })
  test.matches(text, "no  login +as 'ops', not root: .-\n +log in as root@kvm1\n")
  test.equal(code, 1)
end)

test.case("no hardware virtualisation, a /run on a disk and an unknown firewall are said", function()
  local text = of_hosts({ kvm1 = { kvm = false, run = "ext2/ext3", backend = false } }, { "kvm1" })
  test.matches(text, "\n  !   hardware virtualisation +there is no /dev/kvm")
  test.matches(text, "\n2 things are missing$")
  test.matches(text, "no  private keys in memory +/run is ext2/ext3, not tmpfs")
  test.matches(text, "no  firewall +no idea")
  test.is_nil(text:find("mount %-t tmpfs"), "a mount over a /run in use would cut off what runs")
end)

test.case("several hosts in the order given; one that cannot be reached does not hide the others", function()
  local text, code = of_hosts({ kvm1 = {}, kvm2 = function()
    errors.raise { domain = "ssh", code = "HOST_KEY_UNKNOWN", message = "the host key is not known" }
  end }, { "kvm2", "kvm1" })
  test.equal(code, 1)
  test.matches(text, "^kvm2\n  no  connection  the host key is not known\n +drover trust kvm2\nkvm1\n  ok  login")
  test.matches(text, "\n1 host could not be looked at$")
end)

test.case("as data: hosts with their checks", function()
  local text, code = of_hosts({ kvm1 = { run = "ext4" } }, { "kvm1" }, true)
  local data = json.decode(text)
  test.equal({ code, #data, data[1].host, #data[1].checks, data[1].checks[10].ok, data[1].checks[1].ok },
    { 1, 1, "kvm1", 12, false, true })
end)
