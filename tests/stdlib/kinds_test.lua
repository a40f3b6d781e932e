-- Shows the stock kinds of leases and undo entries: those that make files in a /run of their own (inside/kinds.lua),
-- the others on fakes. domain-lock and created-volume have tests of their own; all of them are killed in tests/faults.
local errors = require "errors"
local test = require "test"
local lease = require "lease"
local fakes = test.load(..., "fakes")
fakes.no_pauses()

local machine = require("native.host").local_machine()
local folder = (...):match "^(.*)/" or "."

test.case("the kinds that make files make them, find them again, and take them away", function()
  local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")
  local as_root = machine:query({ "id", "-u" }).output == "0\n" and {} or { "--map-root-user" }
  local words = { "unshare", "--mount" }
  table.move(as_root, 1, #as_root, #words + 1, words)
  for _, word in ipairs { "sh", "-c", [[mount -t tmpfs -o mode=755 run /run && exec "$@"]], "sh", drover, "test",
    folder .. "/inside/kinds.lua" } do words[#words + 1] = word end
  words.check, words.timeout_ms = false, 60000
  local result = machine:exec(words)
  if result.exit_code ~= 0 then error(result.output .. result.errors, 0) end
  test.matches(result.output, "^%d+ passed, 0 failed")
end)

-- ---- on fakes ----

local key_arguments = { host = "kvm2", user = "root", key = "ssh-ed25519 AAAA", from = "10.0.0.1",
  command = "/bin/false", expires_at_s = 1800000000, mark = "drover run=RUN" }

test.case("authorized-key: the plan shows the very line, restricted, bound to an address, expiring, marked", function()
  local kind = lease.find "authorized-key"
  local shown = kind.describe(key_arguments)
  test.equal(shown.lines, { 'restrict,from="10.0.0.1",expiry-time="202701150800Z",command="/bin/false" '
    .. "ssh-ed25519 AAAA drover run=RUN" })
  local forwarding = setmetatable({ port_forwarding = true }, { __index = key_arguments })
  test.matches(kind.describe(forwarding).lines[1], '^restrict,port%-forwarding,permitlisten="localhost:1",from=')
end)

test.case("authorized-key: what revoking needs is read before the intent, and the grant's own result goes before it",
  function()
    local kind, env = lease.find "authorized-key", { host = function() return { machine = "machine" } end }
    local revoked = {}
    local _ <close> = test.replace(ssh, {
      foresee_authorize = function() return { file = "/foreseen", made_file = true } end,
      probe_authorized = function() return "absent" end,
      revoke = function(_, description) revoked[#revoked + 1] = description end })
    local a = setmetatable({}, { __index = key_arguments })
    kind.prepare(a, env)
    kind.revoke(a, env)  -- drover died in the grant
    kind.revoke(a, env, { file = "/granted", added_newline = true })
    test.equal({ revoked[1].file, revoked[1].made_file, revoked[2].file, revoked[2].made_file,
      revoked[2].added_newline, revoked[2].mark }, { "/foreseen", true, "/granted", nil, true, "drover run=RUN" })
  end)

-- Revokes the key on a destination and a source that answer so; gives the error's code and message, and what the source
-- was asked.
local function revoke_key(answers)
  local asked = {}
  local destination = { machine = "machine", name = "kvm2", query = function()
    return { exit_code = answers.penalties and 0 or 1, output = "", errors = "" }
  end }
  local source = { name = "kvm1", query = function(_, request)
    asked[#asked + 1] = table.concat(request, " ", 4)
    return { exit_code = answers.login or 255, output = "", errors = answers.said or "" }
  end }
  local _ <close> = test.replace(ssh, { revoke = function() end,
    probe_authorized = function() return answers.presence or "absent" end })
  local ok, problem = pcall(lease.find("authorized-key").revoke,
    setmetatable({ proof = answers.proof ~= false and { host = "kvm1", run = "RUN", address = "10.0.0.2", port = 22 }
      or nil }, { __index = key_arguments }),
    { host = function(_, name)
      if name == "kvm2" then return destination end
      return answers.source_is_gone and errors.raise { code = "NO_CONNECTION", message = "gone" } or source
    end })
  return ok and "revoked" or problem.code, asked, problem
end

test.case("authorized-key: that it is gone is looked at, and proven by a login that is refused", function()
  local refused = "root@10.0.0.2: Permission denied (publickey)."
  local outcome, asked = revoke_key { said = refused }
  test.equal({ outcome, asked }, { "revoked", { "drover RUN 22 root 10.0.0.2" } })
  test.equal(revoke_key { presence = "ours" }, "NOT_REVOKED")
  local code, _, problem = revoke_key { login = 1 }  -- /bin/false
  test.equal({ code, problem.host }, { "NOT_REVOKED", "kvm2" })
  test.matches(problem.hint, "sshd %-T")
end)

test.case("authorized-key: where nobody can try it, or the try would be held against the source, the look is enough",
  function()
    for name, answers in pairs { gone = { source_is_gone = true }, key_is_gone = { login = 90 },
      no_answer = { said = "connect to host 10.0.0.2 port 22: No route to host" }, hangs = { login = 124 },
      an_older_run = { proof = false } } do
      test.equal(revoke_key(answers), "revoked", name)
    end
    -- PerSourcePenalties: a few refused logins would shut the source out of the next move.
    local outcome, asked = revoke_key { penalties = true }
    test.equal({ outcome, asked }, { "revoked", {} })
  end)

local opening = { host = "kvm2", from = "10.0.0.1", ports = { first = 49152, last = 49153 }, timeout_s = 60,
  mark = "M" }

-- The kind on a firewall that answers probes so; gives it, its environment and what was called.
local function with_firewall(probed)
  local calls = {}
  local firewall = { probe = function(_, description)
      calls[#calls + 1] = "probe"
      calls.probed = description
      return probed
    end,
    allow = function(_, description)
      calls[#calls + 1] = "allow for " .. description.timeout_s
      return { handle = 7 }
    end,
    can_expire = function() return true end,
    revoke = function(_, description) calls.revoked = description end,
    describe = function(_, description) return { "nft add rule " .. description.from } end }
  return lease.find "firewall-opening", { planning = true, host = function() return { firewall = firewall } end }, calls
end

test.case("firewall-opening: the plan shows the firewall's own commands; the label asks no host", function()
  local kind, env = with_firewall "absent"
  test.equal(kind.describe(opening, env), { host = "kvm2", text = "open 49152-49153/tcp for 10.0.0.1, for 60 s",
    lines = { "nft add rule 10.0.0.1" } })
  test.is_nil(kind.describe(opening).lines)
end)

test.case("firewall-opening: one that cannot expire by itself says so, in the plan and in the journal", function()
  local kind, env = with_firewall "absent"
  local a = setmetatable({}, { __index = opening })
  kind.prepare(a, env)
  test.equal({ a.can_expire, kind.describe(a).text }, { true, "open 49152-49153/tcp for 10.0.0.1, for 60 s" })
  env:host().firewall.can_expire = function() return false end
  a.can_expire = nil
  local honest = "open 49152-49153/tcp for 10.0.0.1, until the run ends: it does not expire by itself there"
  test.equal(kind.describe(a, env).text, honest)
  kind.prepare(a, env)
  test.equal({ a.can_expire, kind.describe(a).text }, { false, honest })
end)

test.case("firewall-opening: ours is what carries our mark, also beside somebody's rule that opens the same", function()
  for answer, expected in pairs { ours = "ours", absent = "absent", present = "foreign" } do
    local kind, env = with_firewall(answer)
    test.equal(kind.probe(opening, env, { handle = 7 }), expected)
  end
  local kind, env, calls = with_firewall "ours"
  test.equal({ kind.probe(opening, env, { already = true }), kind.probe(opening, env, { backend = "none" }), #calls },
    { "ours", "absent", 1 })
  kind.revoke(opening, env, { handle = 7 })
  test.equal({ calls.revoked.handle, calls.revoked.mark, calls.revoked.ports }, { 7, "M", { 49152, 49153 } })
end)

test.case("A36: what a reload dropped is opened again for the time that is left, and only that", function()
  local kind, env, calls = with_firewall "absent"
  local expires_at_s = async.wall_ms() // 1000 + 40
  test.equal(kind.renew(opening, env, { expires_at_s = expires_at_s }), { handle = 7 })
  test.matches(calls[2], "allow for [34]%d$")
  for _, result in ipairs { { already = true }, { backend = "none" }, { expires_at_s = expires_at_s - 60 } } do
    test.is_nil(kind.renew(opening, env, result))
  end
  kind, env = with_firewall "ours"
  test.is_nil(kind.renew(opening, env, { expires_at_s = expires_at_s }))
end)

test.case("tunnel: the run's own key and known hosts, nothing of ~/.ssh, and strict host keys always", function()
  local kind = lease.find "tunnel"
  local a = { host = "kvm1", run = "RUN", address = "10.0.0.2", port = 22, user = "root", limit_s = 60,
    sockets = { { here = "/here", there = "/there" } } }
  local line = kind.describe(a).lines[1]
  for _, part in ipairs { "timeout --signal=TERM --kill-after=5 60 ssh -F /dev/null", "-L /here:/there",
    "-i /run/drover/RUN/private/key", "UserKnownHostsFile=/run/drover/RUN/private/known_hosts", "IdentityAgent=none",
    "StrictHostKeyChecking=yes", "BatchMode=yes" } do test.is_true(line:find(part, 1, true), part) end
  a.existing = true
  line = kind.describe(a).lines[1]
  test.is_nil(line:find("/private/key", 1, true))
  test.is_true(line:find("StrictHostKeyChecking=yes", 1, true), "strict")
end)

-- settle-domain's undo on two hosts of tables; gives its results or the error. more: further arguments; env_fields: of
-- the environment, where down is a set of hosts that do not answer.
local function settle(on_source, on_destination, more, env_fields)
  local hosts = { kvm1 = fakes.host("kvm1", { u = on_source }), kvm2 = fakes.host("kvm2", { u = on_destination }) }
  local a = { source = "kvm1", destination = "kvm2", uuid = "u", before = "running", destination_had = "none" }
  for name, value in pairs(more or {}) do a[name] = value end
  local env = { patience = "0s", wait = "0s" }
  for name, value in pairs(env_fields or {}) do env[name] = value end
  function env.host(_, name)
    if env.down and env.down[name] then
      errors.raise { code = "NO_CONNECTION", host = name, message = "connection refused" }
    end
    return hosts[name]
  end
  local results = table.pack(require("drover.core").pcall(lease.find("settle-domain").undo, a, env))
  return results, hosts
end

local function running() return { state = "running", reason = "booted" } end

test.case("settle-domain: a domain that stayed is an undo; one that moved makes the run's work stand", function()
  test.equal(table.pack(table.unpack(settle(running(), nil), 2)), { "the domain stayed on kvm1", n = 1 })
  local arrived = { state = "running", reason = "migrated" }
  test.equal(table.pack(table.unpack(settle({ state = "shutoff", persistent = true }, arrived), 2)),
    { "the domain runs on kvm2", lease.stands, n = 2 })
end)

test.case("A3: settle-domain touches nothing when it runs on both, and asks for an operator", function()
  local results, hosts = settle(running(), running())
  test.equal({ results[1], results[2].code, results[2].needs_operator, hosts.kvm1.acts, hosts.kvm2.acts },
    { false, "NEEDS_OPERATOR", true, {}, {} })
end)

test.case("settle-domain: while the move may go on, what it needs stays", function()
  local moving = { state = "running", reason = "booted", job = "unbounded" }
  local unknown = { settle(moving, nil), settle(running(), nil, nil, { down = { kvm2 = true } }),
    (settle(nil, { state = "paused", reason = "user" }, { held = true }, { down = { kvm1 = true } })) }
  for number, results in ipairs(unknown) do
    test.equal({ results[1], results[2].keep_rest, results[2].needs_operator }, { false, true, true }, number)
  end
  -- Both have answered, and no job is left: what is on the hosts may go.
  test.is_nil(settle(running(), running())[2].keep_rest)
end)

test.case("settle-domain: an operator is told how to settle it", function()
  local env = { run_id = "R1" }
  test.matches(settle(running(), running(), nil, env)[2].hint,
    "; when you know who has it: drover recover R1 %-%-guest%-on HOST$")
  env.down = { kvm2 = true }
  test.matches(settle(running(), nil, nil, env)[2].hint, "fenced: drover recover R1 %-%-fenced kvm2$")
end)

test.case("settle-domain: a complete copy starts once its source is fenced, and not before", function()
  local copy = { state = "paused", reason = "user" }
  local results, hosts = settle(nil, copy, { held = true }, { down = { kvm1 = true } })
  test.equal({ results[1], hosts.kvm2.acts }, { false, {} })
  results, hosts = settle(nil, copy, { held = true }, { down = { kvm1 = true }, fenced = { kvm1 = true } })
  test.equal({ results[1], results[2], results[3], hosts.kvm2.acts },
    { true, "the domain runs on kvm2", lease.stands, { "resume" } })
end)

test.case("settle-domain: an operator's word who has it is taken, unless a host says something else", function()
  local function told(name, on_source, on_destination, more)
    local env = { guest_on = name }
    for key, value in pairs(more or {}) do env[key] = value end
    return settle(on_source, on_destination, nil, env)
  end
  local off = { state = "shutoff", reason = "unknown", persistent = true }
  local results, hosts = told("kvm1", running(), off)
  test.equal({ results[1], results[2], results[3] }, { true, "the domain stayed on kvm1, as the operator says" })
  test.equal({ hosts.kvm1.acts, hosts.kvm2.acts }, { {}, { "undefine" } })
  off = { state = "shutoff", reason = "unknown", persistent = true }
  results, hosts = told("kvm2", off, { state = "shutoff", reason = "unknown", persistent = true })
  test.equal({ results[2], results[3] }, { "the domain is on kvm2, as the operator says", lease.stands })
  test.equal({ hosts.kvm1.acts, hosts.kvm2.acts }, { {}, {} })
  for text, refused in pairs {
    ["kvm2 has it too: running %(booted%)"] = told("kvm1", running(), running()),
    ["kvm2 does not have the domain"] = told("kvm2", running(), nil),
    ["kvm2 does not answer, so it is not known"] = told("kvm1", running(), nil, { down = { kvm2 = true } }),
    ["hosts are kvm1 and kvm2, not 'kvm3'"] = told("kvm3", running(), nil),
  } do
    test.equal(refused[1], false, text)
    test.matches(refused[2].message, text)
  end
  results = told("kvm1", running(), nil, { down = { kvm2 = true }, fenced = { kvm2 = true } })
  test.equal(results[2], "the domain stayed on kvm1, as the operator says")
end)
