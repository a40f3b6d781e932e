-- drover check PLAYBOOK --param value ...: the playbook's checks alone. Tested by tests/transcripts/run.in.
return function(request)
  request.only_check = true
  return require("command.run")(request)
end
