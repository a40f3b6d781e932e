-- The registration tables are the source of help, stubs and reference: nothing in them may be undocumented.
local core = require "drover.core"
local test = require "test"

local function each_function(visit)
  for _, module in ipairs(core.modules()) do
    for _, one in ipairs(module.functions) do visit(module.name .. "." .. one.name, one) end
    for _, class in ipairs(module.classes) do
      for _, one in ipairs(class.methods) do visit(class.name .. ":" .. one.name, one) end
    end
  end
end

local function is_sentence(text) return text:find("^[%u%l\"'(0-9-]") ~= nil and text:find("[.:)]\"?$") ~= nil end

local function expect_none(list, what) test.equal(table.concat(list, "\n"), "", what) end

test.case("every module, class and function has a sentence that says what it is", function()
  local bad = {}
  for _, module in ipairs(core.modules()) do
    if not is_sentence(module.doc) then bad[#bad + 1] = module.name end
    for _, class in ipairs(module.classes) do
      if not is_sentence(class.doc) then bad[#bad + 1] = class.name end
    end
  end
  each_function(function(name, one) if not is_sentence(one.doc) then bad[#bad + 1] = name end end)
  expect_none(bad, "no sentence")
end)

test.case("every parameter has a sentence, and every name and type can be written in a stub", function()
  local bad = {}
  each_function(function(name, one)
    for _, value in ipairs(one.params) do
      if not is_sentence(value.doc) then bad[#bad + 1] = ("%s: %s: '%s'"):format(name, value.name, value.doc) end
    end
    for _, list in ipairs { one.params, one.returns } do
      for _, value in ipairs(list) do
        local plain = value.name == "..." or value.name:find("^[%a_][%w_]*%??$")
        if not plain or not value.type:find("^[%a][%w_.%[%]|?<>,:() ]*$") then
          bad[#bad + 1] = ("%s: %s %s"):format(name, value.name, value.type)
        end
      end
    end
  end)
  expect_none(bad, "parameters")
end)

test.case("errors are codes, and a function that waits or changes a host can fail", function()
  local bad = {}
  each_function(function(name, one)
    for code in one.errors:gmatch("[^,]+") do
      if not code:find("^%s*%u[%u%d_]+%s*$") then bad[#bad + 1] = name .. ": " .. code end
    end
    if one.changes and one.errors == "" then bad[#bad + 1] = name .. " changes a host and names no error" end
  end)
  expect_none(bad, "errors")
end)

test.case("a class that a function takes or gives is documented, or its fields are where it is given", function()
  local known, bad = { ["drover.Operation"] = true }, {}
  for _, module in ipairs(core.modules()) do
    for _, class in ipairs(module.classes) do known[class.name] = true end
  end
  each_function(function(name, one)
    for _, list in ipairs { one.params, one.returns } do
      for _, value in ipairs(list) do
        for class in value.type:gmatch("[%l_]+%.%u%w*") do
          if not known[class] and value.doc == "" then bad[#bad + 1] = name .. ": " .. class end
        end
      end
    end
  end)
  expect_none(bad, "classes")
end)
