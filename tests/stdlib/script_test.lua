-- Shows that a script's values never become part of its text, on a real shell of this machine.
local test = require "test"
local script = require "script"
local fakes = test.load(..., "fakes")

local hostile = { "$(touch /tmp/drover-pwned)", "a b  c", "'; exit 9; '", '"', "\\", "-n", "", "two\nlines", "`id`",
  "*" }

test.case("arguments reach the script as they are, whatever is in them", function()
  local here <close> = host.connect()
  local result = script.run(here, [[printf '[%s]' "$@"; printf ' %s' "$#" "$0"]], hostile)
  test.equal(result.output, "[" .. table.concat(hostile, "][") .. "] " .. #hostile .. " drover")
  test.is_nil(here:stat "/tmp/drover-pwned")
end)

test.case("numbers are written as text, and no arguments are none", function()
  local here <close> = host.connect()
  test.equal(script.read(here, [[echo "$1 $2 $#"]], { 5, 1 << 40 }).output, "5 1099511627776 2\n")
  test.equal(script.run(here, [[echo $#]]).output, "0\n")
end)

test.case("a script that fails raises, or gives its exit code when asked", function()
  local here <close> = host.connect()
  local problem = test.raises("COMMAND_FAILED", script.run, here, "echo why >&2; exit 3", {})
  test.matches(problem.message, "why")
  local result = script.run(here, "echo why >&2; exit 3", {}, { check = false })
  test.equal({ result.exit_code, result.errors }, { 3, "why\n" })
end)

test.case("input reaches the script, and a time limit ends it", function()
  local here <close> = host.connect()
  test.equal(script.run(here, "cat", {}, { input = "text\0more" }).output, "text\0more")
  local started_ms = async.monotonic_ms()
  test.raises("TIMEOUT", script.run, here, "sleep 30", {}, { timeout_ms = 100 })
  test.is_true(async.monotonic_ms() - started_ms < 5000, "ended at its limit")
end)

test.case("read also runs while planning; run is recorded instead", function()
  local here <close> = host.connect()
  local folder <close> = fakes.folder()
  local plan = require("plan").new()
  plan.step = "step"
  local seen = plan:record(function()
    script.run(here, [[touch "$1/made"]], { folder.path })
    return script.read(here, "echo read", {}).output
  end)
  test.equal({ seen, #plan.changes }, { "read\n", 1 })
  test.is_nil(here:stat(folder.path .. "/made"))
end)
