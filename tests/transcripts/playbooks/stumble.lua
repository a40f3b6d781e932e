-- A toy that fails in the middle, in the way that is asked for.
return playbook {
  name = "stumble",
  summary = "Fail, to see what a failure looks like.",
  params = {
    { "how", "choice", choices = { "raise", "nil", "ensure", "connect", "program" },
      default = "raise", doc = "How to fail." },
  },
  run = function(ctx, p)
    ctx:step("walk", function() end)
    ctx:step("stumble", function()
      if p.how == "raise" then
        errors.raise { code = "STUMBLED", message = "there was a stone", hint = "look where you walk" }
      elseif p.how == "ensure" then
        ctx:ensure(1 == 2, "one is %d", 2)
      elseif p.how == "connect" then
        virt.connect "test:///does/not/exist.xml"
      elseif p.how == "program" then
        ctx:host("localhost"):exec { "sh", "-c", "echo first >&2; echo 'the reason' >&2; exit 3" }
      end
      local thing = {}
      return thing.field.deeper
    end)
  end,
}
