-- A toy that does not load: its parameter has a type that there is not.
return playbook {
  name = "broken",
  summary = "Cannot be loaded.",
  params = { { "size", "siz", doc = "A size." } },
  run = function() end,
}
