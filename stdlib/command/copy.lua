-- drover copy PLAYBOOK DIR: a copy to edit; an existing file is never overwritten.
-- Tested by tests/transcripts/playbooks.in.
local core = require "drover.core"
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
  local ok, problem = core.pcall(files.create, path, loaded.text)
  if not ok then
    if problem.code == "ALREADY_EXISTS" then
      problem.hint = "nothing is overwritten: remove it first, or name another folder"
    end
    error(problem, 0)
  end
  if request.json then
    print(json.encode { file = path, playbook = loaded.name })
    return
  end
  screen.say("wrote " .. path)
  screen.say("try it: drover --playbooks " .. request.folder .. " show " .. loaded.name)
end
