-- A toy with something to take back and something to undo: it borrows a book, takes notes, and then ends well,
-- fails, or is killed.
local script = require "script"

local function here(env) return env:host "localhost" end

lease.kind {
  name = "borrowed-file",
  describe = function(a) return { host = "localhost", text = "borrow " .. a.path } end,
  probe = function(a, env) return here(env):stat(a.path) and "ours" or "absent" end,
  grant = function(a, env) script.run(here(env), [[: > "$1"]], { a.path }) end,
  revoke = function(a, env) script.run(here(env), [[rm -- "$1"]], { a.path }) end,
}

lease.undo_kind {
  name = "made-file",
  describe = function(a) return { host = "localhost", text = "delete " .. a.path } end,
  undo = function(a, env)
    if not here(env):stat(a.path) then return "absent" end
    script.run(here(env), [[rm -- "$1"]], { a.path })
    return "deleted " .. a.path
  end,
}

return playbook {
  name = "borrow",
  summary = "Borrow a book, take notes, and maybe fail.",
  params = {
    { "domain", "name", doc = "Whose book.", default = "web1" },
    { "how", "choice", choices = { "well", "badly", "killed" }, default = "well", doc = "How it ends." },
  },
  run = function(ctx, p)
    ctx:lease("borrowed-file", { path = "book" })
    ctx:undo("made-file", { path = "notes" })
    ctx:step("take notes", function() script.run(ctx:host "localhost", [[: > notes]]) end)
    if p.how == "badly" then
      ctx:step("go on", function() errors.raise { code = "NO_MORE", message = "it goes no further" } end)
    elseif p.how == "killed" then
      ctx:step("die", function() ctx:host("localhost"):query { "sh", "-c", "kill -KILL $PPID" } end)
    end
    ctx:commit()
  end,
}
