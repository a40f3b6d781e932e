-- drover trust HOST [--fingerprint SHA256:...] [--from HOST]: shows the key of a host and adds it to known_hosts when
-- a person agrees, or when it has the fingerprint that was given. A key that differs from a known one is never added.
-- Tested by tests/stdlib/command/trust_test.lua.
local errors = require "errors"
local inventory = require "inventory"
local screen = require "screen"
local script = require "script"
local ssh = require "ssh"

-- Prefers what ssh prefers (ssh_config(5), HostKeyAlgorithms).
local type_order = { "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa" }

local function fail(code, message, hint, extra)
  local fields = { domain = "ssh", code = code, message = message, hint = hint, where = false }
  for name, value in pairs(extra or {}) do fields[name] = value end
  errors.raise(fields)
end

-- What ssh is to be asked for: an entry of the inventory gives address, port and user.
local function target_of(name)
  local target = host.parse_target(name)
  local entry = inventory.find(target.name)
  if not entry then return name, {}, target.name, target.port end
  local port = target.port or entry.port
  return entry.address or target.name, { user = target.user or entry.user, port = port },
    entry.address or target.name, port
end

-- The key as this machine sees it, and how to add it here.
local function seen_from_here(name)
  local target, options = target_of(name)
  options.name = name
  local key = ssh.host_key(target, options)
  return key, function() return ssh.add_known_host(target, key.public_key_line, { port = options.port }) end
end

local function ssh_setting(text, name) return text:match("\n" .. name .. " ([^\n]+)") end

-- Where ssh on that host would connect to, and under which name it would look the key up.
local function resolve_on(from, name, port)
  local argv = { "ssh", "-G" }
  if port then argv[#argv + 1], argv[#argv + 2] = "-p", tostring(port) end
  argv[#argv + 1], argv[#argv + 2] = "--", name
  local text = "\n" .. from:query(argv).output
  local address, used_port = ssh_setting(text, "hostname"), ssh_setting(text, "port")
  local alias = ssh_setting(text, "hostkeyalias")
  local plain = used_port == "22" and address or ("[%s]:%s"):format(address, used_port)
  return address, used_port, alias or plain
end

local function judge(known, key)
  local state = "unknown"
  for line in known:gmatch("[^\n]+") do
    local marker, rest = line:match("^(@%S+)%s+(.*)$")
    local _, type, blob = (rest or line):match("^(%S+)%s+(%S+)%s+(%S+)")
    if line:sub(1, 1) ~= "#" and type then
      local same = type .. " " .. blob == key.public_key_line
      if marker == "@revoked" and same then return "revoked" end
      if not marker and same then state = "known" end
      if not marker and type == key.type and not same and state ~= "known" then state = "changed" end
    end
  end
  return state
end

-- One appended line is one write: a reader sees all of it or none.
local append_line = [[
set -eu
umask 077
mkdir -p "$HOME/.ssh"
file=$HOME/.ssh/known_hosts
if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then echo >>"$file"; fi
printf '%s\n' "$1" >>"$file"
printf '%s' "$file"
]]

-- The key as another host sees it: its own ssh, ssh-keyscan and known_hosts are asked.
local function seen_from(from, name)
  local _, _, plain, port = target_of(name)
  local address, used_port, known_as = resolve_on(from, plain, port)
  local scan = from:query { "ssh-keyscan", "-T", "5", "-p", used_port, "--", address, check = false }
  local by_type = {}
  for line in scan.output:gmatch("[^\n]+") do
    local type, blob = line:match("^[^#%s]%S*%s+(%S+)%s+(%S+)")
    if type then by_type[type] = type .. " " .. blob end
  end
  for _, type in ipairs(type_order) do
    if by_type[type] then
      local key = ssh.parse_key(by_type[type])
      key.public_key_line, key.known_as, key.type = by_type[type], known_as, type
      local known = from:query { "ssh-keygen", "-F", known_as, check = false }
      key.known = judge(known.output, key)
      return key, function()
        local result = script.run(from, append_line, { known_as .. " " .. key.public_key_line })
        return { file = result.output, added = true }
      end
    end
  end
  fail("NO_CONNECTION", ("%s shows no host key to %s"):format(address, from.name),
    "is sshd running there, on port " .. used_port .. "?", { host = from.name })
end

local function agreed(key, wanted)
  if wanted and wanted ~= "" then
    if key.fingerprint_sha256 == wanted then return true end
    fail("HOST_KEY_UNKNOWN", ("its fingerprint is %s, not %s"):format(key.fingerprint_sha256, wanted),
      "nothing was added; ask the host's administrator which one is right")
  end
  local question = "Add it to the known hosts? Compare the fingerprint with the administrator's. [yes/no] "
  local answer, problem = errors.catch("NO_TERMINAL", terminal.ask, question)
  if problem then
    fail("NO_TERMINAL", problem.message, "when you know the key: drover trust HOST --fingerprint SHA256:...",
      { domain = "usage" })
  end
  return answer == "yes" or answer == "y"
end

local function check_state(key, name, from_name)
  if key.known == "changed" then
    fail("HOST_KEY_CHANGED", ("%s knows another %s key of %s"):format(from_name, key.type, name),
      "somebody may sit between, or the host was installed anew; when its administrator confirms " ..
      key.fingerprint_sha256 .. ": ssh-keygen -R '" .. key.known_as .. "'")
  elseif key.known == "revoked" then
    fail("HOST_KEY_REVOKED", ("the key of %s is marked as revoked"):format(name), "do not connect to it")
  end
end

local function result_of(request, key, added)
  if request.json then
    print(json.encode { host = request.host, type = key.type, fingerprint = key.fingerprint_sha256,
      known_as = key.known_as, added = added and added.added or false, file = added and added.file or nil })
  elseif added then
    screen.say(("added to %s"):format(added.file))
  end
end

return function(request)
  local from <close> = request.from ~= "" and host.connect(request.from) or nil
  local key, add
  if from then key, add = seen_from(from, request.host) else key, add = seen_from_here(request.host) end
  local from_name = from and from.name or "this machine"
  if not request.json then
    screen.say(("%s shows a key of type %s"):format(request.host, key.type))
    screen.say("  " .. key.fingerprint_sha256)
  end
  check_state(key, request.host, from_name)
  if key.known == "known" then
    if not request.json then screen.say(from_name .. " knows it already") end
    result_of(request, key)
    return 0
  end
  if not agreed(key, request.fingerprint) then
    if not request.json then screen.say("nothing was added") end
    result_of(request, key)
    return 1
  end
  result_of(request, key, add())
  return 0
end
