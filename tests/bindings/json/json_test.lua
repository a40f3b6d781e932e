-- Shows which values have a form in JSON, that they come back as they were, and what is refused.
local test = require "test"

test.case("values come back as they were", function()
  for _, value in ipairs { 0, -5, 1 << 62, math.mininteger, 1.5, -0.25, 1e300, true, false, "", "text",
    'quotes " and \\ and \n', "\u{E9}\u{1F600}", { 1, 2, 3 }, { a = { b = { c = { 1 } } } },
    { { x = 1 }, { x = 2 } } } do
    test.equal(json.decode(json.encode(value)), value)
  end
end)

test.case("an integer stays an integer, and a float a float", function()
  test.equal({ math.type(json.decode "7"), math.type(json.decode "7.0"), math.type(json.decode(json.encode(7.0))) },
    { "integer", "float", "float" })
  test.equal(json.encode(7), "7")
  test.equal(json.decode "9223372036854775807", math.maxinteger)
  local above = json.decode "18446744073709551615"
  test.is_true(math.type(above) == "float" and above > 1.8e19, "no negative number")
end)

test.case("names are in order, so that equal tables give equal text; an indent gives lines", function()
  test.equal(json.encode { b = 1, a = { d = 1, c = 2 } }, '{"a":{"c":2,"d":1},"b":1}')
  local many, names = {}, {}
  for index = 10, 40 do
    many["n" .. index] = 1
    names[#names + 1] = ('"n%d":1'):format(index)
  end
  test.equal(json.encode(many), "{" .. table.concat(names, ",") .. "}")
  test.equal(json.encode({ a = { 1 } }, 2), '{\n  "a": [\n    1\n  ]\n}')
end)

test.case("an empty list and an empty object are not the same, also after a round", function()
  test.equal(json.encode {}, "{}")
  test.equal(json.encode(json.array {}), "[]")
  test.equal(json.encode(json.decode '{"a":[],"b":{}}'), '{"a":[],"b":{}}')
end)

test.case("null is a value of its own, in lists and by name", function()
  test.equal(json.encode { 1, json.null(), 3 }, "[1,null,3]")
  local value = json.decode '{"a":null,"b":[null]}'
  test.equal({ value.a == json.null(), value.b[1] == json.null(), value.c }, { true, true })
  test.equal(json.encode(nil), "null")
end)

test.case("what has no form is refused, and named", function()
  for _, value in ipairs { print, coroutine.create(print), { [1.5] = 1 }, { [true] = 1 }, { 1, nil, 3, x = 1 } } do
    test.raises("BAD_ARGUMENT", json.encode, value)
  end
  test.matches(test.raises("BAD_ARGUMENT", json.encode, { 1, 2, name = 3 }).message, "name")
  local cycle = {}
  cycle.own = cycle
  test.raises("BAD_ARGUMENT", json.encode, cycle)
end)

test.case("bytes that are no UTF-8 are replaced, for a host's output may hold anything", function()
  test.equal(json.encode "a\xffb", '"a\u{FFFD}b"')
end)

test.case("what is no JSON is refused, with the place", function()
  for _, text in ipairs { "", "{", "[1,]", "{'a':1}", "nul", "1 2", '"\xff"', '{"a":1,}' } do
    test.raises("BAD_JSON", json.decode, text)
  end
  test.matches(test.raises("BAD_JSON", json.decode, '{"a":}').message, "at byte 6")
  test.raises("BAD_ARGUMENT", json.decode, 5)
end)

test.case("depth from outside is bounded", function()
  test.equal(#json.encode(json.decode(("["):rep(90) .. ("]"):rep(90))), 180)
  test.raises("BAD_JSON", json.decode, ("["):rep(200) .. ("]"):rep(200))
end)
