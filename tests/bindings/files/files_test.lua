-- Shows what drover does with files of its own machine: it lists, tells folders, and writes new ones only.
local test = require "test"
local files = require "files"
local fakes = test.load((...):gsub("bindings/files/", "stdlib/"), "fakes")
local machine = require("native.host").local_machine()
local drover = machine:query({ "sh", "-c", "readlink /proc/$PPID/exe" }).output:gsub("\n", "")

test.case("a folder's names are in order, hidden ones too; no folder has none", function()
  local folder <close> = fakes.folder()
  for _, name in ipairs { "b", "a", ".hidden" } do fakes.write(folder.path .. "/" .. name, "") end
  test.equal(files.list(folder.path), { ".hidden", "a", "b" })
  test.equal(files.list(folder.path .. "/none"), {})
  test.equal(files.list(folder.path .. "/a"), {})
end)

test.case("a folder that cannot be read is an error, not an empty folder", function()
  local folder <close> = fakes.folder()
  machine:exec { "ln", "-s", "loop", folder.path .. "/loop" }
  local problem = test.raises("NO_PERMISSION", files.list, folder.path .. "/loop")
  test.matches(problem.message, "symbolic links")
end)

test.case("is_folder is true for folders alone", function()
  local folder <close> = fakes.folder()
  local file = fakes.write(folder.path .. "/file", "")
  test.equal({ files.is_folder(folder.path), files.is_folder(file), files.is_folder(folder.path .. "/none") },
    { true, false, false })
end)

test.case("a path is made absolute as it is, whether anything is there or not", function()
  test.equal(files.absolute "/srv/./a/../hosts.lua", "/srv/hosts.lua")
  local code = "return require('files').absolute './x/hosts.lua'"
  local output = machine:query({ "sh", "-c", 'cd /usr && exec "$0" eval "$1"', drover, code }).output
  test.equal(output, "/usr/x/hosts.lua\n")
end)

test.case("create writes a new file with its bytes, and never over one that is there", function()
  local folder <close> = fakes.folder()
  local path = folder.path .. "/new"
  test.equal(files.create(path, "a\0b\n"), path)
  test.equal(fakes.read(path), "a\0b\n")
  local problem = test.raises("ALREADY_EXISTS", files.create, path, "other")
  test.equal({ problem.object, fakes.read(path) }, { path, "a\0b\n" })
  problem = test.raises("CANNOT_WRITE", files.create, folder.path .. "/none/new", "x")
  test.matches(problem.message, "No such file or directory")
end)

test.case("a file that cannot be written whole is not left behind", function()
  local folder <close> = fakes.folder()
  -- Without room for it: the process may write files of one block only.
  local result = machine:exec { "sh", "-c", [[ulimit -f 1; trap '' XFSZ; exec "$@"]], "sh", drover, "eval",
    [[require("files").create(..., ("x"):rep(1 << 20))]], folder.path .. "/big", check = false }
  test.equal({ result.exit_code, files.list(folder.path) }, { 1, {} })
  test.matches(result.errors, "cannot write .*/big: File too large")
end)

test.case("a link that leads nowhere is not written through", function()
  local folder <close> = fakes.folder()
  machine:exec { "ln", "-s", folder.path .. "/target", folder.path .. "/link" }
  test.raises("ALREADY_EXISTS", files.create, folder.path .. "/link", "x")
  test.equal(files.list(folder.path), { "link" })
end)

test.case("random text has two digits a byte, and is never the same", function()
  local seen = {}
  for _ = 1, 100 do
    local text = files.random_hex(8)
    test.matches(text, "^" .. ("%x"):rep(16) .. "$")
    test.is_nil(seen[text], "seen before")
    seen[text] = true
  end
  test.equal(#files.random_hex(64), 128)
  test.raises("BAD_ARGUMENT", files.random_hex, 65)
  test.raises("BAD_ARGUMENT", files.random_hex, 0)
end)
