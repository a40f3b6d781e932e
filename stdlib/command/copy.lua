-- drover copy PLAYBOOK DIR: a copy to edit; an existing file is never overwritten.
-- Tested by tests/transcripts/playbooks.in.
local files = require "files"
local playbook = require "playbook"
local screen = require "screen"

return function(request)
  local loaded = playbook.load(request.playbook, request.playbooks)
  if not files.is_folder(request.folder) then
    errors.raise { domain = "usage", code = "NO_FOLDER", where = false,
      message = request.folder .. " is not a folder", hint = "mkdir -p " .. request.folder }
  end
  local path = request.folder:gsub("/+$", "") .. "/" .. loaded.name .. ".lua"
  files.create(path, loaded.text)
  screen.say("wrote " .. path)
  screen.say("try it: drover --playbooks " .. request.folder .. " show " .. loaded.name)
end
