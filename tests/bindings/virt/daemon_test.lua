-- Shows pools, volumes and secrets on a real libvirtd: one without rights, in a folder of its own, for each case.
-- What the test driver cannot do is shown here: files that grow, a pool of a path, a volume that is in the way.
local test = require "test"
local native = require "native.host"

local machine = native.local_machine()
local finish_daemon = test.load(..., "daemon").finish

-- Starts libvirtd as an ordinary user with all its files in a new folder, and runs body(connection, folder).
-- The daemon is ended by the id in its pid file; if the test dies, it ends itself after its time without clients.
local function with_daemon(body)
  local folder = machine:temp_directory { under = "/tmp" }
  local argv = { "libvirtd", "--daemon", "--timeout", "20", "--pid-file", folder .. "/pid" }
  argv.environment = { HOME = folder, XDG_RUNTIME_DIR = folder .. "/run", XDG_CONFIG_HOME = folder .. "/config",
    XDG_CACHE_HOME = folder .. "/cache", XDG_DATA_HOME = folder .. "/data" }
  if machine:exec({ "id", "-u" }).output == "0\n" then
    machine:exec { "chown", "nobody", folder }
    for index, word in ipairs { "setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups" } do
      table.insert(argv, index, word)
    end
  end
  finish_daemon(folder, pcall(function()
    machine:exec(argv)
    local connection = virt.connect("storage+unix:///session?socket=" .. folder .. "/run/libvirt/libvirt-sock")
    local done, failure = pcall(body, connection, folder)
    connection:close()
    if not done then error(failure, 0) end
  end))
end

local function started_pool(connection, folder)
  local text = xml.build({ "pool", type = "dir", { "name", "images" }, { "target", { "path", folder .. "/images" } } })
  return connection:define_pool(text:to_text(), { validate = true }):start { build = true }
end

local function volume_xml(name, capacity_bytes, format)
  return xml.build({ "volume", { "name", name }, { "capacity", unit = "bytes", capacity_bytes }, { "allocation", 0 },
    { "target", { "format", type = format or "raw" } } }):to_text()
end

test.case("a pool and its volumes are real files", function()
  with_daemon(function(connection, folder)
    test.equal(connection:pools(), {})
    local pool = started_pool(connection, folder)
    test.equal(machine:stat(folder .. "/images").type, "directory")
    test.equal(connection:pool_of_path(folder .. "/images"):name(), "images")
    test.is_nil(connection:pool_of_path(folder))
    test.is_true(pool:info().available_bytes > 0, "available")
    test.is_true(pool:info().capacity_bytes >= pool:info().available_bytes, "capacity")

    local volume = pool:create_volume(volume_xml("disk.img", 8 << 20))
    test.equal(volume:path(), folder .. "/images/disk.img")
    test.equal(machine:stat(volume:path()).size_bytes, 8 << 20)
    test.equal(volume:info { physical = true },
      { type = "file", capacity_bytes = 8 << 20, allocation_bytes = 0, physical_bytes = 8 << 20 })
    local problem = test.raises("ALREADY_EXISTS", pool.create_volume, pool, volume_xml("disk.img", 1 << 20))
    test.matches(problem.message, "cannot create a volume in pool 'images': .*exists already")
    test.equal(machine:stat(volume:path()).size_bytes, 8 << 20)
    volume:delete()
    test.is_nil(machine:stat(folder .. "/images/disk.img"))
    test.raises("NO_VOLUME", connection.volume, connection, folder .. "/images/disk.img")
    test.is_nil(connection:volume_of_path(folder .. "/images/disk.img"))
  end)
end)

test.case("a volume grows, and shrinks only when it is said", function()
  with_daemon(function(connection, folder)
    local volume = started_pool(connection, folder):create_volume(volume_xml("v", 4 << 20))
    test.equal(volume:resize(8 << 20):info().capacity_bytes, 8 << 20)
    test.equal(volume:resize(1 << 20, { delta = true }):info().capacity_bytes, 9 << 20)
    test.raises("INVALID_ARGUMENT", volume.resize, volume, 4 << 20)
    test.equal(volume:resize(4 << 20, { shrink = true }):info().capacity_bytes, 4 << 20)
    test.equal(volume:resize(5 << 20, { allocate = true }):info().allocation_bytes > 0, true)
  end)
end)

test.case("a volume is cloned with its content, and wiped", function()
  with_daemon(function(connection, folder)
    local pool = started_pool(connection, folder)
    local original = pool:create_volume(volume_xml("one", 1 << 20))
    machine:exec { "dd", "of=" .. original:path(), "conv=notrunc", input = "secret words" }
    local copy = pool:clone_volume(volume_xml("two", 1 << 20), original)
    test.matches(machine:read_file(copy:path()), "^secret words")
    test.equal(copy:wipe():name(), "two")
    test.matches(machine:read_file(copy:path()), "^%z+$")
    test.matches(machine:read_file(original:path()), "^secret words")
    test.equal(#pool:volumes(), 2)
  end)
end)

test.case("a qcow2 volume has its metadata made beforehand when asked", function()
  with_daemon(function(connection, folder)
    local pool = started_pool(connection, folder)
    local thin = pool:create_volume(volume_xml("thin", 64 << 20, "qcow2"))
    local prepared = pool:create_volume(volume_xml("prepared", 64 << 20, "qcow2"), { preallocate = true })
    test.equal(prepared:info().capacity_bytes, 64 << 20)
    test.is_true(machine:stat(prepared:path()).size_bytes > machine:stat(thin:path()).size_bytes, "larger")
  end)
end)

test.case("a file that comes from elsewhere is a volume after a refresh", function()
  with_daemon(function(connection, folder)
    local pool = started_pool(connection, folder)
    machine:exec { "truncate", "-s", "1M", folder .. "/images/new.img" }
    test.is_nil(pool:find_volume("new.img"))
    test.equal(pool:refresh():volume("new.img"):info().capacity_bytes, 1 << 20)
  end)
end)

test.case("a pool is deleted when it is stopped and empty", function()
  with_daemon(function(connection, folder)
    local pool = started_pool(connection, folder)
    local volume = pool:create_volume(volume_xml("v", 1 << 20))
    test.raises("OPERATION_INVALID", pool.delete, pool)
    local problem = test.raises("SYSTEM_ERROR", function() pool:stop():delete() end)
    test.matches(problem.message, "cannot delete the storage of pool 'images': .*not empty")
    test.is_true(machine:stat(folder .. "/images/v"), "the volume")
    pool:start()
    volume:delete { with_snapshots = false }
    pool:stop():delete():undefine()
    test.is_nil(machine:stat(folder .. "/images"))
    test.equal(connection:pools(), {})
  end)
end)

test.case("overwrite is refused by a pool that has nothing to format", function()
  with_daemon(function(connection, folder)
    local pool = started_pool(connection, folder):stop()
    local problem = test.raises("OPERATION_INVALID", pool.build, pool, { overwrite = true })
    test.matches(problem.message, "cannot build pool 'images'")
    test.raises("OPERATION_INVALID", pool.start, pool, { build = true, overwrite = false })
  end)
end)

test.case("a transient pool is built and started at once", function()
  with_daemon(function(connection, folder)
    local text = xml.build({ "pool", type = "dir", { "name", "brief" }, { "target", { "path", folder .. "/brief" } } })
    local pool = connection:create_pool(text:to_text(), { build = true })
    test.equal(machine:stat(folder .. "/brief").type, "directory")
    test.equal(pool:is_persistent(), false)
    test.raises("ALREADY_EXISTS", connection.create_pool, connection, text:to_text())
    pool:stop()
    test.is_nil(connection:find_pool("brief"))
  end)
end)
