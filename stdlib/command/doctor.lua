-- drover doctor [HOST...]: what this machine and the hosts named lack for moving domains, and the command that mends
-- it. It only looks. Exit code 1 when something is missing. Tested by tests/stdlib/command/doctor_test.lua.
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
    ssh = "openssh-client", ip = "iproute2", firewall = "firewalld" },
  fedora = { install = "dnf install", libvirt = "libvirt-daemon-kvm", qemu = "qemu-kvm qemu-img",
    ssh = "openssh-clients", ip = "iproute", firewall = "firewalld" },
}
local alike = { debian = "debian", ubuntu = "debian", fedora = "fedora", rhel = "fedora", centos = "fedora",
  rocky = "fedora", almalinux = "fedora" }

local function install(facts, what)
  local family = packages[alike[facts.distribution.id] or "debian"]
  return family.install .. " " .. family[what]
end

-- Each check gives a sentence about what there is; or raises, or gives nil, what is wrong, and what mends it.
local checks = {}
local function define(name, check) checks[#checks + 1] = { name = name, check = check } end

define("login", function(one, facts)
  if facts.user_id == 0 then return "as root" end
  return nil, ("as '%s', not root: locks, keys and openings could not be made"):format(tostring(facts.user)),
    one:is_local() and "run drover as root" or "log in as root@" .. one.name:match("([^@]*)$")
end)

define("libvirt", function(one, facts)
  local ok, problem = core.pcall(function() return one.virt:hostname() end)
  if ok then return "libvirt " .. (facts.libvirt_version or "") .. " answers at " .. one:virt_uri() end
  if core.is_cancellation(problem) then error(problem, 0) end
  if rawget(problem, "code") ~= "NO_CONNECTION" then return nil, errors.message(problem), rawget(problem, "hint") end
  local mend = facts.libvirt_version and "systemctl enable --now libvirtd.service" or install(facts, "libvirt")
  return nil, errors.message(problem), mend
end)

define("QEMU", function(_, facts)
  if facts.qemu_version then return "QEMU " .. facts.qemu_version end
  return nil, "QEMU is not installed", install(facts, "qemu")
end)

define("hardware virtualisation", function(one)
  if one:stat("/dev/kvm") then return "/dev/kvm is there" end
  return nil, "there is no /dev/kvm: guests run slowly or not at all",
    "switch on VT-x or AMD-V in the firmware, then: modprobe kvm_intel or modprobe kvm_amd"
end)

define("ssh client", function(one, facts)
  local ok, result = core.pcall(one.query, one, { "ssh", "-V", check = false })
  if ok and result.exit_code == 0 then return (result.errors:match("^[^\n,]+")) end
  return nil, "there is no ssh, which the channel ssh needs", install(facts, "ssh")
end)

define("routes", function(one, facts)
  local ok, result = core.pcall(one.query, one, { "ip", "-V", check = false })
  if ok and result.exit_code == 0 then return (result.output:match("^[^\n]+")) end
  return nil, "there is no ip, which finds the address of a move", install(facts, "ip")
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

-- The answers of one host: a list of { check, ok, text, mend }.
local function examine(name)
  local rows = {}
  local ok, problem = pcall(function()
    local one <close> = host.connect(name)
    local facts = one:facts()
    for _, item in ipairs(checks) do
      local text, wrong, mend = item.check(one, facts)
      rows[#rows + 1] = { check = item.name, ok = text ~= nil, text = text or wrong, mend = mend }
    end
  end)
  if not ok then
    problem = errors.wrap(problem)
    local mend = rawget(problem, "hint")
    if problem.code == "HOST_KEY_UNKNOWN" then mend = "drover trust " .. name end
    rows[#rows + 1] = { check = "connection", ok = false, text = problem.message, mend = mend }
  end
  return rows
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
    show_text(row.text, ("  %s  %-" .. widest .. "s  "):format(row.ok and "ok" or "no", row.check))
    if row.mend then show_text(row.mend, rest) end
  end
end

return function(request)
  local names = #request.hosts > 0 and request.hosts or { "localhost" }
  local answers = async.parallel(names, 8, examine)
  local missing, data = 0, {}
  for index, name in ipairs(names) do
    for _, row in ipairs(answers[index]) do
      if not row.ok then missing = missing + 1 end
    end
    data[index] = { host = name, checks = json.array(answers[index]) }
    if not request.json then show(name, answers[index]) end
  end
  if request.json then
    print(json.encode(json.array(data)))
  else
    screen.say(missing == 0 and "nothing is missing" or missing == 1 and "1 thing is missing" or
      ("%d things are missing"):format(missing))
  end
  return missing == 0 and 0 or 1
end
