-- Shows which sshd session is taken for a run's, and that no other one is ended: on this machine, with an ss that lists
-- what the test says, and processes of the test's own in the place of sshd's.
local test = require "test"
local ssh_session = require "ssh_session"
local fakes = test.load(..., "fakes")

local machine = require("native.host").local_machine()

-- ss as it is asked here: rows of the file of which the process lives, and which have that far port.
local fake_ss = [[#!/bin/sh
while read -r row; do
  process=${row##*pid=}
  kill -0 "${process%%,*}" 2>/dev/null && state=$(cat "/proc/${process%%,*}/stat") || continue
  case ${state##*) } in Z*) continue ;; esac
  wanted=$(echo "$*" | sed -n 's/.*dport = :\([0-9]*\).*/\1/p')
  case $row in *:"${wanted:-22}"\ *) ;; *) continue ;; esac
  echo "$row"
done <"${0%/*}/rows"
]]

-- A host whose ss has these rows: { from, name (of the process), title }. Gives the host, and is_alive(index).
local function far_host(folder, rows)
  local bin = folder.path
  fakes.write(bin .. "/ss", fake_ss)
  machine:exec { "chmod", "755", bin .. "/ss" }
  local lines, processes = {}, {}
  for index, row in ipairs(rows) do
    local started = machine:exec { "bash", "-c", [[(exec -a "$1" sleep 60) </dev/null >/dev/null 2>&1 & echo $!]],
      "bash", row.title or "sshd: root" }
    processes[index] = started.output:match "%d+"
    lines[index] = ('0      0      10.0.0.2:22      %s    users:(("%s",pid=%s,fd=4))'):format(row.from,
      row.name or "sshd", processes[index])
  end
  fakes.write(bin .. "/rows", table.concat(lines, "\n") .. "\n")
  local function asked(_, request)
    local words = { "env", "PATH=" .. bin .. ":/usr/sbin:/usr/bin:/sbin:/bin", check = request.check }
    table.move(request, 1, #request, #words + 1, words)
    return machine:exec(words)
  end
  local function is_alive(index)
    return machine:exec({ "sh", "-c", [[read -r a b s rest </proc/$1/stat && [ "$s" != Z ] ]], "sh", processes[index],
      check = false }).exit_code == 0
  end
  return { name = "kvm2", exec = asked, query = asked }, is_alive, setmetatable({}, { __close = function()
    machine:exec { "kill", "-KILL", table.unpack(processes) }
  end })
end

local function now_s() return async.wall_ms() // 1000 end

local function session(more)
  local one = { port = 22, client_port = 40112, addresses = { "10.0.0.1" }, since_s = now_s() - 5 }
  for name, value in pairs(more or {}) do one[name] = value end
  return one
end

test.case("an end of ss is split, with IPv6's brackets, an interface and a mapped address taken off", function()
  for text, wanted in pairs { ["10.0.0.1:40112\n"] = "10.0.0.1", ["[fe80::1%eth0]:40112"] = "fe80::1",
    ["[::ffff:10.0.0.1]:40112"] = "10.0.0.1" } do
    test.equal({ ssh_session.split(text) }, { wanted, 40112 })
  end
  test.is_nil(ssh_session.split "")
end)

test.case("the run's session is found and ended; those of its port from elsewhere, or not sshd's, stay", function()
  local folder <close> = fakes.folder()
  local there, is_alive, _ <close> = far_host(folder, { { from = "[::ffff:10.0.0.1]:40112" },
    { from = "10.0.0.3:40112" }, { from = "10.0.0.1:40112", name = "nc" }, { from = "10.0.0.1:40113" } })
  local processes = ssh_session.find(there, session())
  test.matches(processes, "^%d+:%d+$")
  ssh_session.finish(there, session { processes = processes })
  test.equal({ is_alive(1), is_alive(2), is_alive(3), is_alive(4) }, { false, true, true, true })
end)

test.case("a stranger's session that got the run's port after it is not ended", function()
  local folder <close> = fakes.folder()
  local there, is_alive, _ <close> = far_host(folder, { { from = "10.0.0.1:40112" } })
  ssh_session.finish(there, session { processes = "1:77 4194000:123456" })
  ssh_session.finish(there, session { since_s = now_s() + 3600 })
  test.is_true(is_alive(1), "the stranger's session")
  ssh_session.finish(there, session())  -- not seen at the grant, and no older than the run's
  test.is_true(not is_alive(1), "the run's session is ended")
end)

test.case("without its port nothing is ended: what may be the run's is named, what cannot be is passed over", function()
  local folder <close> = fakes.folder()
  local there, is_alive, _ <close> = far_host(folder, { { from = "10.0.0.1:40112", title = "sshd: root" },
    { from = "10.0.0.1:40113", title = "sshd: root@pts/0" }, { from = "10.0.0.1:40114" }, { from = "10.0.0.3:40115" } })
  local unknown = { elsewhere = { 40114 } }
  local wanted = session(unknown)
  wanted.client_port = nil
  local problem = test.raises("SESSION_OPEN", ssh_session.finish, there, wanted)
  test.matches(problem.message, "from 10%.0%.0%.1 that may be the run's are still open .*: 40112$")
  test.is_true(is_alive(1), "it stays")
  table.insert(wanted.elsewhere, 40112)
  ssh_session.finish(there, wanted)
end)
