-- A toy: greets a host. Shows steps, warnings, parameters of several types, and a report.
return playbook {
  name = "greet",
  summary = "Greet a host, politely or not.",
  description = "It runs nothing but 'true', and leaves nothing behind.",
  params = {
    { "who", "name", doc = "Whom to greet." },
    { "on", "host", doc = "Where.", default = "localhost" },
    { "style", "choice", choices = { "warm", "cold" }, default = "warm", doc = "How." },
    { "times", "integer", least = 1, most = 9, default = 1, doc = "How often." },
    { "wait", "duration", default = "0s", doc = "Rest between two greetings." },
    { "loud", "boolean", default = false, doc = "In capitals." },
    { "gifts", "list", of = "name", required = false, doc = "What to bring." },
  },
  examples = { "drover run greet --who kvm2", "drover run greet --who kvm2 --style cold --loud" },

  check = function(ctx, p)
    if p.who == "nobody" then ctx:fault("there is nobody to greet", "name somebody with --who") end
    if p.style == "cold" and p.loud then ctx:fault("cold and loud do not go together") end
  end,

  run = function(ctx, p)
    for round = 1, p.times do
      ctx:step(("greet %s (%d of %d)"):format(p.who, round, p.times), function() async.sleep(p.wait) end)
    end
    if p.style == "cold" then ctx:warn("that was cold", "try --style warm") end
    ctx:report("greeted", p.loud and p.who:upper() or p.who)
  end,
}
