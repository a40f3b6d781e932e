-- Shows how drover trust judges a key as another host sees it, and where it adds it: that host's own ssh, ssh-keyscan
-- and known_hosts are played by a table. This machine's known hosts and the question are shown by
-- tests/transcripts/trust.in.
local test = require "test"
local core = require "drover.core"
local fakes = test.load((...):gsub("command/", ""), "fakes")
local machine = require("native.host").local_machine()

local function new_line(kind)
  return (ssh.generate_key({ type = kind }):public_line():match("^%S+ %S+"))
end
local ed25519, other, rsa = new_line "ed25519", new_line "ed25519", new_line "rsa4096"

-- Calls drover trust with a host kvm1 that sees these keys. fields: scan, known (lines of known_hosts), config (what
-- ssh -G says besides the name). Gives the lines printed, the exit code or the error, and what was added on kvm1.
local function trust(fields, request)
  local lines, asked, home = {}, {}, fakes.folder()
  local here <close> = host.connect()
  local from = { name = "kvm1", query = function(_, argv)
      asked[#asked + 1] = table.concat(argv, " ")
      if argv[1] == "ssh" then
        local port = argv[3] == "-p" and argv[4] or "22"
        return { output = ("user root\nhostname %s\nport %s\n"):format(argv[#argv], port) .. (fields.config or "") }
      end
      return { output = table.concat(argv[1] == "ssh-keyscan" and fields.scan or fields.known or {}, "\n") .. "\n" }
    end,
    exec = function(_, argv)
      argv.environment = { HOME = home.path }
      return here:exec(argv)
    end }
  setmetatable(from, { __close = function() end })
  local connect, before = host.connect, print
  rawset(host, "connect", function(name)
    test.equal(name, "kvm1")
    return from
  end)
  rawset(_G, "print", function(text) lines[#lines + 1] = tostring(text) end)
  local all = { host = "kvm2", from = "kvm1", fingerprint = "" }
  for name, value in pairs(request or {}) do all[name] = value end
  local ok, result = core.pcall(require "command.trust", all)
  rawset(_G, "print", before)
  rawset(host, "connect", connect)
  local added = fakes.read(home.path .. "/.ssh/known_hosts")
  getmetatable(home).__close(home)
  return { lines = lines, code = ok and result, problem = not ok and result or nil, added = added, asked = asked }
end

local function fingerprint(line) return ssh.parse_key(line).fingerprint_sha256 end

test.case("with the right fingerprint the key is added there, under the name that ssh will look up", function()
  local seen = trust({ scan = { "kvm2 " .. ed25519 } }, { fingerprint = fingerprint(ed25519) })
  test.equal({ seen.code, seen.added }, { 0, "kvm2 " .. ed25519 .. "\n" })
  test.equal(seen.lines[1], "kvm2 shows a key of type ssh-ed25519")
  test.matches(seen.lines[3], "^added to .*/.ssh/known_hosts$")
end)

test.case("a port and an alias of that host's own configuration count", function()
  local seen = trust({ scan = { "x " .. ed25519 }, config = "" },
    { host = "kvm2:2222", fingerprint = fingerprint(ed25519) })
  test.equal(seen.added, "[kvm2]:2222 " .. ed25519 .. "\n")
  test.matches(table.concat(seen.asked, "\n"), "ssh%-keyscan %-T 5 %-p 2222 %-%- kvm2")
  seen = trust({ scan = { "x " .. ed25519 }, config = "hostkeyalias the-second\n" },
    { fingerprint = fingerprint(ed25519) })
  test.equal(seen.added, "the-second " .. ed25519 .. "\n")
end)

test.case("of several keys the one that ssh prefers is shown", function()
  local seen = trust({ scan = { "# kvm2:22 SSH-2.0", "kvm2 " .. rsa, "kvm2 " .. ed25519 } },
    { fingerprint = fingerprint(ed25519) })
  test.equal(seen.lines[2], "  " .. fingerprint(ed25519))
end)

test.case("a key that is known already is not added again", function()
  local seen = trust({ scan = { "kvm2 " .. ed25519 }, known = { "# Host kvm2 found: line 3", "kvm2 " .. ed25519 } })
  test.equal({ seen.code, seen.added, seen.lines[3] }, { 0, nil, "kvm1 knows it already" })
  seen = trust({ scan = { "kvm2 " .. ed25519 }, known = { "kvm2 " .. other, "kvm2 " .. ed25519 } })
  test.equal({ seen.code, seen.added }, { 0 })
end)

test.case("A29: another key than the known one is never added, even with its fingerprint", function()
  local seen = trust({ scan = { "kvm2 " .. ed25519 }, known = { "kvm2 " .. other } },
    { fingerprint = fingerprint(ed25519) })
  test.equal({ seen.problem.code, seen.added }, { "HOST_KEY_CHANGED" })
  test.matches(seen.problem.message, "^kvm1 knows another ssh%-ed25519 key of kvm2$")
  test.matches(seen.problem.hint, "ssh%-keygen %-R 'kvm2'$")
  seen = trust({ scan = { "kvm2 " .. ed25519 }, known = { "@revoked kvm2 " .. ed25519 } },
    { fingerprint = fingerprint(ed25519) })
  test.equal({ seen.problem.code, seen.added }, { "HOST_KEY_REVOKED" })
end)

test.case("a known key of another type does not make this one known, nor changed", function()
  local seen = trust({ scan = { "kvm2 " .. ed25519 }, known = { "kvm2 " .. rsa } },
    { fingerprint = fingerprint(ed25519) })
  test.equal({ seen.code, seen.added }, { 0, "kvm2 " .. ed25519 .. "\n" })
end)

test.case("a wrong fingerprint, and a host that shows no key, add nothing", function()
  local seen = trust({ scan = { "kvm2 " .. ed25519 } }, { fingerprint = fingerprint(other) })
  test.equal({ seen.problem.code, seen.added }, { "HOST_KEY_UNKNOWN" })
  seen = trust({ scan = {} }, {})
  test.equal({ seen.problem.code, seen.problem.host, seen.added }, { "NO_CONNECTION", "kvm1" })
  test.matches(seen.problem.hint, "on port 22")
end)

test.case("as data: what was shown, and where it was added", function()
  local seen = trust({ scan = { "kvm2 " .. ed25519 } }, { json = true, fingerprint = fingerprint(ed25519) })
  local data = json.decode(seen.lines[1])
  test.equal({ #seen.lines, data.host, data.known_as, data.fingerprint, data.added, data.type },
    { 1, "kvm2", "kvm2", fingerprint(ed25519), true, "ssh-ed25519" })
end)

test.case("the known hosts keep what is there: a last line without an end gets one", function()
  -- The script that adds the line, as trust runs it on the host.
  local folder <close> = fakes.folder()
  machine:make_directory(folder.path .. "/.ssh")
  fakes.write(folder.path .. "/.ssh/known_hosts", "old line")
  local text = fakes.read(core.stdlib .. "/command/trust.lua"):match("append_line = %[%[\n(.-)%]%]")
  machine:exec { "sh", "-c", text, "drover", "new line", environment = { HOME = folder.path } }
  test.equal(fakes.read(folder.path .. "/.ssh/known_hosts"), "old line\nnew line\n")
end)
