-- Shows that the bench of moves tells a missed goal by its exit code, and where a run's time went.
local test = require "test"
local fakes = test.load((...):gsub("bench/[^/]*$", "stdlib/bench_test.lua"), "fakes")
local machine = require("native.host").local_machine()
local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")
local script = (...):gsub("_test", "")

-- Runs it with these milliseconds. Gives the exit code, the text, and the data.
local function run(virsh_job, drover_job, around)
  local folder <close> = fakes.folder()
  machine:make_directory(folder.path .. "/in")
  local ended = 1000 + drover_job + around
  for number = 1, 3 do
    fakes.write(("%s/in/virsh.%d"):format(folder.path, number), ("1000 %d %d\n"):format(1030 + virsh_job, virsh_job))
    local destination = number % 2 == 0 and "a" or "b"
    fakes.write(("%s/in/drover.%d"):format(folder.path, number), table.concat({
      ("1000 %d %d"):format(ended, drover_job),
      '{"event":"run_began","at_ms":1010}',
      '{"event":"step_began","at_ms":1110,"step":"lock"}',
      '{"event":"step_ended","at_ms":1130,"step":"lock"}',
      '{"event":"step_began","at_ms":1131,"step":"move web1 to ' .. destination .. '"}',
      ('{"event":"step_ended","at_ms":%d,"step":"move web1 to %s"}'):format(1131 + drover_job, destination),
      ('{"event":"run_ended","at_ms":%d}'):format(ended - 10), '{"event":"summary","fields":{}}', "" }, "\n"))
  end
  local result = machine:exec { drover, script, folder.path .. "/in", folder.path .. "/out.json", check = false }
  return result.exit_code, result.output .. result.errors, json.decode(fakes.read(folder.path .. "/out.json"))
end

test.case("goals that are met: exit code 0, the figures of both beside each other", function()
  local code, text, data = run(1000, 1010, 900)
  test.equal({ code, data.met, data.moves }, { 0, true, 3 }, text)
  test.equal({ data.drover_around_ms, data.virsh_whole_ms, data.added_ms }, { 900, 1030, 880 })
  test.matches(text, "by its own clock +1000 ms +1010 ms +1%.01 +1%.05 +met")
end)

test.case("any goal that is missed: exit code 1, and it is named", function()
  local code, text = run(1000, 1200, 900)
  test.equal(code, 1)
  test.matches(text, "by its own clock [^\n]*MISSED")
  code, text = run(1000, 1000, 1540)
  test.equal(code, 1)
  test.matches(text, "\n  what drover adds to it +1510 ms +1500 ms +MISSED")
end)

test.case("the parts of a run add up, whichever host it went to", function()
  local _, text, data = run(500, 500, 400)
  local sum, seen = 0, {}
  for index, part in ipairs(data.parts) do
    sum, seen[index] = sum + part.median_ms, part.label
  end
  test.equal(sum, 900)
  test.equal(seen, { "start, and write down that it runs", "connect, look at both hosts, check", "lock",
    "between steps", "move web1", "take back what was granted", "let go of hosts, end" })
  test.matches(text, "\n  100 ms +connect, look at both hosts, check\n")
end)
