-- Shows what a convergence policy does, stall by stall.
local test = require "test"
local converge = require "migrate.converge"

-- Feeds iterations with these amounts left; gives the actions with the iteration at which each came.
local function actions(policy, amounts)
  local follower, seen = converge.follow(policy), {}
  for iteration, remaining_bytes in ipairs(amounts) do
    for _ = 1, 2 do  -- two looks at one iteration are one
      local row = follower:next { memory_iteration = iteration, memory_remaining_bytes = remaining_bytes }
      if row then seen[#seen + 1] = iteration .. ":" .. row.action .. (row.downtime_ms or "") end
    end
  end
  return table.concat(seen, " ")
end

local function stalled(count)
  local amounts = { 1000, 100 }
  for _ = 1, count do amounts[#amounts + 1] = 100 end
  return amounts
end

test.case("minimal-downtime raises the downtime and gives up", function()
  test.equal(actions("minimal-downtime", stalled(12)),
    "3:downtime150 4:downtime200 5:downtime300 6:downtime400 8:downtime500 12:abort")
end)

test.case("suspend-workload pauses, post-copy switches", function()
  test.equal(actions("suspend-workload", stalled(8)), "3:downtime150 4:downtime300 5:downtime500 7:suspend")
  test.equal(actions("post-copy", stalled(8)), "3:downtime150 4:downtime300 6:post-copy")
end)

test.case("a move that gets further is left alone, and a stall begins anew", function()
  test.equal(actions("minimal-downtime", { 1000, 500, 400, 300, 200, 100, 50 }), "")
  local amounts = { 1000 }
  for step = 1, 30 do amounts[#amounts + 1] = 900 - (step // 2) * 10 end  -- every second iteration gets further
  test.equal(actions("minimal-downtime", amounts), "4:downtime150")
end)

test.case("the first pass cannot stall, and statistics without figures are no stall", function()
  test.equal(actions("minimal-downtime", { 1000 }), "")
  local follower = converge.follow("minimal-downtime")
  for _ = 1, 5 do test.is_nil(follower:next {}) end
end)

test.case("none does nothing, a site's own list is followed, an unknown name is an error", function()
  test.equal(actions("none", stalled(20)), "")
  test.equal(actions({ { stalls = 2, action = "abort" } }, stalled(5)), "4:abort")
  test.raises("NO_POLICY", converge.follow, "minimal")
end)

test.case("--post-copy alone is the policy of that name; beside a policy that never switches it is refused", function()
  test.equal({ converge.policy_of {}, converge.policy_of { post_copy = true },
    converge.policy_of { post_copy = true, policy = "none" } }, { "minimal-downtime", "post-copy", "none" })
  for _, p in ipairs { {}, { post_copy = true }, { post_copy = true, policy = "post-copy" }, { policy = "none" },
    { post_copy = true, policy = "none", timeout_action = "post-copy" } } do converge.check(p) end
  local problem = test.raises("BAD_PARAMETER", converge.check, { post_copy = true, policy = "minimal-downtime" })
  test.equal(problem.message, "--post-copy: nothing would switch to it under --policy minimal-downtime")
end)

test.case("every shipped policy rises, and ends in something that ends", function()
  for name, rows in pairs(converge.policies) do
    for index = 2, #rows do test.is_true(rows[index].stalls > rows[index - 1].stalls, name) end
  end
end)

test.case("what live-migrate says of its policies is what they do", function()
  local declared
  for _, one in ipairs(require("playbook").load("live-migrate").definition.params) do
    if one[1] == "policy" then declared = one end
  end
  local said_action = { abort = "give up", suspend = "stand still", ["post-copy"] = "switch to it" }
  local longest_ms = 0
  for _, name in ipairs(declared.choices) do
    local rows = converge.policies[name]
    local last = rows[#rows]
    local sentence = declared.doc:match("%f[%w]" .. name:gsub("%-", "%%-") .. ": (.-)%.")
    if last then
      test.matches(sentence, said_action[last.action] .. ".*, after " .. last.stalls .. "%f[%D]")
    else
      test.matches(sentence, "%-%-timeout")
    end
    for _, row in ipairs(rows) do longest_ms = math.max(longest_ms, row.downtime_ms or 0) end
  end
  test.is_true(declared.doc:find(("up to %s s"):format(longest_ms / 1000), 1, true), longest_ms)
end)
