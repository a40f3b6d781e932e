-- drover doctor [HOST...]: what this machine and the hosts named lack for moving domains, each and for one another, and
-- the command that mends it. It only looks. Exit code 1 when something is missing; what only some moves need, or what
-- makes guests slow, is said ("!") and is not counted. Tested by tests/stdlib/command/doctor_test.lua.
local core = require "drover.core"
local errors = require "errors"
local history = require "history"
local journal = require "journal"
local layout = require "layout"
local screen = require "screen"
local script = require "script"

-- What mends something depends on the distribution's package names.
local packages = {
  debian = { install = "apt install", libvirt = "libvirt-daemon-system", qemu = "qemu-system-x86 qemu-utils",
    ssh = "openssh-client", sshd = "openssh-server", iproute = "iproute2", procps = "procps" },
  fedora = { install = "dnf install", libvirt = "libvirt-daemon-kvm", qemu = "qemu-kvm qemu-img",
    ssh = "openssh-clients", sshd = "openssh-server", iproute = "iproute", procps = "procps-ng" },
}
local alike = { debian = "debian", ubuntu = "debian", fedora = "fedora", rhel = "fedora", centos = "fedora",
  rocky = "fedora", almalinux = "fedora" }

-- What installs the packages by our names for them; one that is called alike everywhere needs no name of ours.
local function install(facts, ...)
  local family = packages[alike[facts.distribution.id] or "debian"]
  local words = { family.install }
  for _, what in ipairs { ... } do words[#words + 1] = family[what] or what end
  return table.concat(words, " ")
end

-- Each check gives a sentence about what there is; or nil, what is wrong, what mends it, and true when a move may do
-- without; or nothing, when it has nothing to say.
local checks = {}
local function define(name, check) checks[#checks + 1] = { name = name, check = check } end

define("login", function(one, facts)
  if facts.user_id == 0 then return "as root" end
  return nil, ("as '%s', not root: locks, keys and openings could not be made"):format(tostring(facts.user)),
    one:is_local() and "run drover as root" or "log in as root@" .. one.name:match("([^@]*)$")
end)

-- The daemon that this host starts for QEMU: one for all, or modular ones; of two installed, the one that is enabled.
local used_daemon = [[
PATH=$PATH:/usr/sbin:/sbin
if command -v virtqemud >/dev/null && { ! command -v libvirtd >/dev/null ||
  systemctl is-enabled --quiet virtqemud.socket 2>/dev/null; }; then echo virtqemud; else echo libvirtd; fi]]

local start_of = {
  libvirtd = "systemctl enable --now libvirtd.service",
  virtqemud = "systemctl enable --now virtqemud.socket virtnetworkd.socket virtstoraged.socket virtsecretd.socket",
}

define("libvirt", function(one, facts)
  local ok, problem = core.pcall(function() return one.virt:hostname() end)
  if ok then return "libvirt " .. (facts.libvirt_version or "") .. " answers at " .. one:virt_uri() end
  if core.is_cancellation(problem) then error(problem, 0) end
  if rawget(problem, "code") ~= "NO_CONNECTION" then return nil, errors.message(problem), rawget(problem, "hint") end
  if not facts.libvirt_version then return nil, errors.message(problem), install(facts, "libvirt") end
  local daemon = script.read(one, used_daemon, {}, { check = false }).output:match("%S+")
  return nil, errors.message(problem), start_of[daemon] or start_of.libvirtd
end)

define("storage pools", function(one)
  local ok, active = core.pcall(function() return one.virt:pools { active = true } end)
  if not ok then
    if core.is_cancellation(active) then error(active, 0) end
    return  -- libvirt's own check has said it
  end
  local names = {}
  for index, pool in ipairs(active) do names[index] = pool:name() end
  table.sort(names)
  if #names > 0 then return table.concat(names, ", ") end
  local inactive = one.virt:pools { inactive = true }[1]
  return nil, "none is active: a disk that is copied here needs one on its folder",
    inactive and "virsh pool-start " .. inactive:name()
      or "virsh pool-create-as default dir --target /var/lib/libvirt/images", true
end)

define("QEMU", function(_, facts)
  if facts.qemu_version then return "QEMU " .. facts.qemu_version end
  return nil, "QEMU is not installed", install(facts, "qemu")
end)

define("hardware virtualisation", function(one)
  if one:stat("/dev/kvm") then return "/dev/kvm is there" end
  return nil, "there is no /dev/kvm: guests of type qemu run, slowly, and those of type kvm do not",
    "switch on VT-x or AMD-V in the firmware, then: modprobe kvm_intel or modprobe kvm_amd", true
end)

define("ssh client", function(one, facts)
  local ok, result = core.pcall(one.query, one, { "ssh", "-V", check = false })
  if ok and result.exit_code == 0 then return (result.errors:match("^[^\n,]+")) end
  return nil, "there is no ssh, which the channel ssh needs", install(facts, "ssh")
end)

define("routes", function(one, facts)
  local ok, result = core.pcall(one.query, one, { "ip", "-V", check = false })
  if ok and result.exit_code == 0 then return (result.output:match("^[^\n]+")) end
  return nil, "there is no ip, which finds the address of a move", install(facts, "iproute")
end)

-- What drover runs on hosts beside those above, in the order of a move, and the package of each.
local programs = { { "flock", "util-linux" }, { "cmp", "diffutils" }, { "timeout", "coreutils" },
  { "setsid", "util-linux" }, { "pgrep", "procps" }, { "pkill", "procps" }, { "ss", "iproute" }, { "bash", "bash" } }

local not_there = [[
PATH=$PATH:/usr/sbin:/sbin
for p in "$@"; do command -v "$p" >/dev/null || echo "$p"; done; exit 0]]

define("programs", function(one, facts)
  local names, package_of = {}, {}
  for index, program in ipairs(programs) do names[index], package_of[program[1]] = program[1], program[2] end
  local missing, wanted = {}, {}
  for name in script.read(one, not_there, names).output:gmatch("%S+") do
    missing[#missing + 1] = name
    local package = package_of[name]
    if package and not wanted[package] then
      wanted[#wanted + 1], wanted[package] = package, true
    end
  end
  if #missing == 0 then return table.concat(names, ", ") end
  return nil, "missing: " .. table.concat(missing, ", "), install(facts, table.unpack(wanted))
end)

-- As sshd would treat the run's key: it logs in as the user that drover is there, and asks for a forwarded socket.
local sshd_settings = [[
PATH=$PATH:/usr/sbin:/sbin
command -v sshd >/dev/null || { echo none; exit 0; }
sshd -T -C "user=$(id -un),host=localhost,addr=127.0.0.1" 2>/dev/null; exit 0]]

-- A setting of sshd, the values of it that stop a move, and what they stop.
local hindrances = {
  { "allowstreamlocalforwarding", { no = true, remote = true }, "its sshd forwards no sockets",
    "AllowStreamLocalForwarding yes" },
  { "disableforwarding", { yes = true }, "its sshd forwards nothing", "DisableForwarding no" },
  { "pubkeyauthentication", { no = true }, "its sshd takes no keys", "PubkeyAuthentication yes" },
  { "permitrootlogin", { no = true }, "its sshd does not let root in", "PermitRootLogin prohibit-password" },
}

define("ssh server", function(one, facts)
  local text = "\n" .. script.read(one, sshd_settings).output
  if text:find("^\nnone") then
    return nil, "there is no sshd: no domain can be moved here", install(facts, "sshd"), true
  end
  for _, hindrance in ipairs(hindrances) do
    local setting, stops, what, better = table.unpack(hindrance)
    local value = text:match("\n" .. setting .. " (%S+)")
    if stops[value] then
      return nil, ("%s (%s %s), and a move to here needs that"):format(what, better:match("%S+"), value),
        better .. " in /etc/ssh/sshd_config, then: systemctl reload sshd"
    end
  end
  return text:find("\nport ") and "lets keys of root in, and forwards sockets"
    or nil, "its settings could not be read: sshd -T said nothing", nil, true
end)

define("private keys in memory", function(one)
  local kind = one:query { "stat", "--file-system", "--format=%T", "/run", check = false }.output:match("%S+")
  if kind == "tmpfs" or kind == "ramfs" then return "/run is " .. kind end
  return nil, ("/run is %s, not tmpfs: the key of a run would be written to a disk"):format(kind or "unknown"),
    "add 'tmpfs /run tmpfs mode=755,nosuid,nodev 0 0' to /etc/fstab and restart the host; mounted over a /run in use, "
    .. "it would hide the sockets of what runs"
end)

define("firewall", function(one)
  local ok, backend = core.pcall(function() return one.firewall:backend() end)
  if ok then return backend == "none" and "nothing filters" or backend end
  if core.is_cancellation(backend) then error(backend, 0) end
  return nil, errors.message(backend), rawget(backend, "hint") or "drover could not ask the firewall; see -v"
end)

-- The nearest folder that is there, and whether a folder can be made in it: even root makes none in /proc.
local nearest_folder = [[
d=$1
while [ ! -e "$d" ]; do d=${d%/*}; [ -n "$d" ] || d=/; done
case $(stat -f -c %T "$d") in proc | sysfs | cgroup*fs) exit 1 ;; esac
[ -d "$d" ] && [ -w "$d" ]
]]

define("journal", function(one)
  if not one:is_local() then return "is kept where drover runs" end
  local folder = journal.folder()
  local ok, problem = core.pcall(function()
    local store = history.existing_journal()
    if store then store:close() end
    if not store and script.read(one, nearest_folder, { folder }, { check = false }).exit_code ~= 0 then
      errors.raise { code = "NO_FOLDER", message = folder .. " cannot be made",
        hint = "DROVER_STATE names another folder" }
    end
  end)
  if ok then return folder .. " can be written" end
  local mend = rawget(problem, "hint") or ("mkdir -p %s && chmod 700 %s"):format(folder, folder)
  return nil, errors.message(problem), mend
end)

-- The answers of one host: a list of { check, ok, text, mend, warning }.
local function examine(one, rows)
  local facts = one:facts()
  for _, item in ipairs(checks) do
    local text, wrong, mend, warning = item.check(one, facts)
    if text or wrong then
      rows[#rows + 1] = { check = item.name, ok = text ~= nil or warning == true, text = text or wrong,
        mend = not text and mend or nil, warning = not text and warning or nil }
    end
  end
end

-- Adds what broke a look to its rows. Interrupts stop all looks.
local function attempt(rows, check, name, look, ...)
  local ok, problem = core.pcall(look, ...)
  if ok then return problem end
  if core.is_cancellation(problem) then error(problem, 0) end
  problem = errors.wrap(problem)
  local mend = rawget(problem, "hint")
  if problem.code == "HOST_KEY_UNKNOWN" then mend = "drover trust " .. name end
  rows[#rows + 1] = { check = check, ok = false, text = problem.message, mend = mend }
end

-- The first bytes of the answer: "SSH-2.0-..." from an sshd.
local banner = [[timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && head -c 4 <&3' "$1" "$2" 2>&1; exit 0]]

-- Whether a move from one host to another would reach the other's sshd.
local function reach(source, destination, rows)
  local address = destination:address_for(source)
  local port = require("migrate.channel").ssh_port { destination = destination, to_address = address }
  local said = script.read(source, banner, { address, port }).output
  local reached = said:find("^SSH") ~= nil
  local reason = (said:match("([^:\n]+)%s*$") or "no answer"):gsub("^%s+", "")
  rows[#rows + 1] = { check = "to " .. destination.name, ok = reached,
    text = reached and ("reaches ssh at %s port %d"):format(address, port)
      or ("does not reach ssh at %s port %d: %s"):format(address, port, reason),
    mend = not reached and ("open it in the firewall of %s, or name an address that %s reaches: migrate_address in "
      .. "hosts.lua"):format(destination.name, source.name) or nil }
end

-- The answers of all hosts, in their order. All stay connected until each has looked at the others.
local function examine_all(names)
  local answers, connected = {}, {}
  return async.finally(function()
    async.parallel(names, 8, function(name, index)
      local rows = {}
      answers[index] = rows
      connected[index] = attempt(rows, "connection", name, host.connect, name)
      if connected[index] then attempt(rows, "connection", name, examine, connected[index], rows) end
    end)
    async.parallel(names, 8, function(_, index)
      for other, name in ipairs(names) do
        if other ~= index and connected[index] and connected[other] then
          attempt(answers[index], "to " .. name, name, reach, connected[index], connected[other], answers[index])
        end
      end
    end)
  end, function(ok, problem)
    for _, one in pairs(connected) do core.pcall(function() one:close() end) end
    if not ok then error(problem, 0) end
    return answers
  end)
end

local function show(name, rows)
  screen.say(name)
  local widest = 0
  for _, row in ipairs(rows) do widest = math.max(widest, #row.check) end
  local rest = (" "):rep(widest + 8)
  local function show_text(text, first)
    local width = math.max(terminal.width(), #rest + 40)
    for _, line in ipairs(layout.wrap(text, width, first, rest)) do screen.say(line) end
  end
  for _, row in ipairs(rows) do
    local mark = row.warning and "!" or row.ok and "ok" or "no"
    show_text(row.text, ("  %-2s  %-" .. widest .. "s  "):format(mark, row.check))
    if row.mend then show_text(row.mend, rest) end
  end
end

return function(request)
  local names = #request.hosts > 0 and request.hosts or { "localhost" }
  local answers = examine_all(names)
  local missing, unreachable, data = 0, 0, {}
  for index, name in ipairs(names) do
    for _, row in ipairs(answers[index]) do
      if not row.ok and row.check == "connection" then
        unreachable = unreachable + 1
      elseif not row.ok then
        missing = missing + 1
      end
    end
    data[index] = { host = name, checks = json.array(answers[index]) }
    if not request.json then show(name, answers[index]) end
  end
  if request.json then
    print(json.encode(json.array(data)))
  else
    local words = missing == 0 and "nothing is missing" or missing == 1 and "1 thing is missing" or
      ("%d things are missing"):format(missing)
    local apart = unreachable == 1 and "1 host could not be looked at" or
      ("%d hosts could not be looked at"):format(unreachable)
    screen.say(unreachable == 0 and words or missing == 0 and apart or words .. ", and " .. apart)
  end
  return missing + unreachable == 0 and 0 or 1
end
