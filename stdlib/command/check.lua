-- drover check PLAYBOOK --param value ...: the playbook's checks alone.
return function(request)
  request.only_check = true
  return require("command.run")(request)
end
