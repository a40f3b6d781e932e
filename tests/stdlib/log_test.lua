-- Shows that a script's lines reach the log, by the level that the person asked for.
local test = require "test"

local machine = host.local_machine()
local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")

local function errors_of(level)
  return machine:query({ drover, "eval", "log.debug 'fine' log.info 'news' log.warn 'look'",
    environment = { DROVER_LOG = level } }).errors
end

test.case("warnings are written, and more when asked for", function()
  local usual = errors_of("")
  test.matches(usual, "warning look\n")
  test.is_nil(usual:find("news"))
  test.matches(errors_of("info"), "info news\n")
  test.matches(errors_of("debug"), "debug fine\n")
  test.equal(errors_of("off"), "")
end)

test.case("debug says what was waited for, and how long", function()
  local text = machine:query({ drover, "eval", "host.local_machine():query { 'sleep', '0.02' }",
    environment = { DROVER_LOG = "debug" } }).errors
  test.matches(text, "debug %d+ ms  ")
end)

test.case("a script sets what is written from then on", function()
  local code = "log.info 'before' log.set_level 'info' log.info 'after' log.set_level 'off' log.warn 'nothing'"
  local text = machine:query({ drover, "eval", code }).errors
  test.matches(text, "info after\n")
  test.is_nil(text:find("before") or text:find("nothing"))
  test.raises("BAD_ARGUMENT", log.set_level, "loud")
end)
