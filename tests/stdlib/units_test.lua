-- Shows how sizes and durations are read and written.
local test = require "test"

test.case("sizes are bytes", function()
  for text, bytes in pairs { ["0"] = 0, ["1048576"] = 1048576, ["1KiB"] = 1024, ["12GiB"] = 12 << 30,
    ["500M"] = 500 << 20,
    ["1.5GB"] = 1500000000, ["1 TiB"] = 1 << 40, ["8191TiB"] = 8191 << 40 } do
    test.equal(units.size_bytes(text), bytes, text)
  end
  test.equal(units.size_bytes(7), 7)
end)

test.case("what is no size is an error, and nothing wraps around", function()
  for _, wrong in ipairs { "", "x", "-1", "1.2.3", "1 XB", "1e9", "9999999999TiB", "99999999999999999999999", -1, 1.5,
    true } do
    test.raises("BAD_ARGUMENT", units.size_bytes, wrong)
  end
end)

test.case("durations are milliseconds", function()
  for text, duration_ms in pairs { ["30m"] = 1800000, ["1h30m"] = 5400000, ["500ms"] = 500, ["1.5s"] = 1500,
    ["2d"] = 172800000,
    ["0ms"] = 0, ["1min"] = 60000 } do
    test.equal(units.duration_ms(text), duration_ms, text)
  end
  for _, wrong in ipairs { "", "30", "m", "1x", "-1s", "1s ", "99999999999d", -5, 0.5 } do
    test.raises("BAD_ARGUMENT", units.duration_ms, wrong)
  end
end)

test.case("both are written for people", function()
  test.equal(units.format_size(0), "0 B")
  test.equal(units.format_size(1536), "1.5 KiB")
  test.equal(units.format_size(200 << 30), "200 GiB")
  for duration_ms, text in pairs { [0] = "0 ms", [999] = "999 ms", [1500] = "1.5 s", [59949] = "59.9 s",
    [59999] = "1m00s",
    [125000] = "2m05s", [3600000] = "1h00m", [11400000] = "3h10m" } do
    test.equal(units.format_duration(duration_ms), text)
  end
end)
