-- Shows pools and volumes on libvirt's test driver; daemon_test.lua shows them on real files.
local test = require "test"

local function connected(body)
  return function()
    local connection = virt.connect("test:///default")
    local ok, problem = pcall(body, connection)
    connection:close()
    if not ok then error(problem, 0) end
  end
end

local function pool_xml(name, path)
  return xml.build({ "pool", type = "dir", { "name", name }, { "target", { "path", path or "/" .. name } } }):to_text()
end

local function volume_xml(name, capacity_bytes)
  return xml.build({ "volume", { "name", name }, { "capacity", unit = "bytes", capacity_bytes } }):to_text()
end

local function names(list)
  local result = {}
  for index, item in ipairs(list) do result[index] = item:name() end
  table.sort(result)
  return result
end

test.case("a pool is found by its name and its UUID", connected(function(connection)
  local pool = connection:pool("default-pool")
  test.equal(pool:name(), "default-pool")
  test.equal(connection:pool(pool:uuid()):name(), "default-pool")
  test.equal(connection:find_pool("default-pool"):uuid(), pool:uuid())
end))

test.case("a connection, a pool and a volume say what they are and where", connected(function(connection)
  local pool = connection:pool("default-pool")
  local volume = pool:create_volume(volume_xml("disk", 4096))
  test.equal({ tostring(connection), tostring(pool), tostring(volume) },
    { "virt.Connection test:///default on localhost", "virt.Pool default-pool on localhost",
      "virt.Volume disk on localhost" })
  connection:close()
  test.equal({ tostring(connection), tostring(pool) },
    { "virt.Connection (closed) on localhost", "virt.Pool (closed)" })
end))

test.case("a pool that is not there is NO_POOL, or nil for find_pool", connected(function(connection)
  local problem = test.raises("NO_POOL", connection.pool, connection, "nowhere")
  test.matches(problem.message, "cannot find pool 'nowhere'")
  test.equal(problem.object, "nowhere")
  test.raises("NO_POOL", connection.pool, connection, "dfe224cb-28fb-8dd0-c4b2-000000000000")
  test.is_nil(connection:find_pool("nowhere"))
  test.is_nil(connection:find_pool("dfe224cb-28fb-8dd0-c4b2-000000000000"))
  test.raises("UNSUPPORTED", connection.pool_of_path, connection, "/nowhere")  -- of the test driver
end))

test.case("info gives the state and sizes in bytes", connected(function(connection)
  test.equal(connection:pool("default-pool"):info(),
    { state = "running", capacity_bytes = 100 << 30, allocation_bytes = 0, available_bytes = 100 << 30 })
end))

test.case("pools are listed by what they are", connected(function(connection)
  connection:define_pool(pool_xml("idle"))
  test.equal(names(connection:pools()), { "default-pool", "idle" })
  test.equal(names(connection:pools { active = true }), { "default-pool" })
  test.equal(names(connection:pools { inactive = true, dir = true }), { "idle" })
  test.equal(names(connection:pools { logical = true }), {})
  test.raises("UNKNOWN_OPTION", connection.pools, connection, { actve = true })
end))

test.case("a pool is defined, built, started, refreshed, stopped, deleted and undefined", connected(function(connection)
  local pool = connection:define_pool(pool_xml("made"))
  test.equal(pool:is_active(), false)
  test.equal(pool:is_persistent(), true)
  test.equal(pool:info().state, "inactive")
  test.equal(pool:build():start():refresh():is_active(), true)
  test.equal(pool:set_autostart(true):autostart(), true)
  test.equal(pool:set_autostart(false):autostart(), false)
  test.raises("OPERATION_INVALID", pool.start, pool)
  test.raises("OPERATION_INVALID", pool.undefine, pool)
  test.equal(pool:stop():is_active(), false)
  test.equal(pool:delete():undefine():name(), "made")
  test.is_nil(connection:find_pool("made"))
  test.raises("NO_POOL", pool.info, pool)
end))

test.case("a transient pool is gone when it stops", connected(function(connection)
  local pool = connection:create_pool(pool_xml("brief"))
  test.equal(pool:is_persistent(), false)
  test.equal(xml.parse(pool:xml()):value("target/path"), "/brief")
  pool:stop()
  test.is_nil(connection:find_pool("brief"))
end))

test.case("wrong pool XML, a taken name and overwrite without build are refused", connected(function(connection)
  test.raises("BAD_XML", connection.define_pool, connection, "<pool>")
  test.raises("BAD_XML", connection.create_pool, connection, "<pool type='dir'/>")
  test.raises("ALREADY_EXISTS", connection.create_pool, connection, pool_xml("default-pool"))
  local problem = test.raises("BAD_ARGUMENT", connection.create_pool, connection, pool_xml("x"), { overwrite = true })
  test.matches(problem.message, "option 'overwrite': expected build = true beside it")
end))

test.case("a volume is made, found, read, resized, and deleted", connected(function(connection)
  local pool = connection:pool("default-pool")
  local volume = pool:create_volume(volume_xml("disk.img", 1 << 30))
  test.equal(volume:name(), "disk.img")
  test.equal(volume:path(), "/default-pool/disk.img")
  test.equal(volume:key(), "/default-pool/disk.img")
  test.equal(volume:pool():name(), "default-pool")
  local info = volume:info()
  test.equal(info.type, "file")
  test.equal(info.capacity_bytes, 1 << 30)
  test.is_nil(info.physical_bytes)
  test.equal(xml.parse(volume:xml()):value("capacity"), tostring(1 << 30))
  test.equal(names(pool:volumes()), { "disk.img" })
  test.equal(pool:volume("disk.img"):key(), volume:key())
  test.equal(connection:volume("/default-pool/disk.img"):name(), "disk.img")
  test.equal(connection:volume_of_path("/default-pool/disk.img"):name(), "disk.img")
  test.raises("OPERATION_FAILED", pool.create_volume, pool, volume_xml("disk.img", 1))  -- ALREADY_EXISTS on a host
  volume:delete()
  test.is_nil(pool:find_volume("disk.img"))
  test.raises("NO_VOLUME", volume.info, volume)
end))

test.case("a volume that is not there is NO_VOLUME, or nil", connected(function(connection)
  local pool = connection:pool("default-pool")
  local problem = test.raises("NO_VOLUME", pool.volume, pool, "none.img")
  test.matches(problem.message, "cannot find volume 'none.img' in pool 'default%-pool'")
  test.is_nil(pool:find_volume("none.img"))
  test.raises("NO_VOLUME", connection.volume, connection, "/none.img")
  test.is_nil(connection:volume_of_path("/none.img"))
  pool:stop()
  test.raises("OPERATION_INVALID", pool.find_volume, pool, "none.img")
  test.raises("OPERATION_INVALID", pool.volumes, pool)
end))

test.case("a volume is cloned from one of the same connection only", connected(function(connection)
  local pool = connection:pool("default-pool")
  local source = pool:create_volume(volume_xml("one.img", 4096))
  local copy = pool:clone_volume(volume_xml("two.img", 4096), source)
  test.equal(copy:info().capacity_bytes, 4096)
  test.equal(names(pool:volumes()), { "one.img", "two.img" })
  local other <close> = virt.connect("test:///default")
  local problem = test.raises("BAD_ARGUMENT", other:pool("default-pool").clone_volume, other:pool("default-pool"),
    volume_xml("three.img", 4096), source)
  test.matches(problem.message, "the source is of another connection")
  test.raises("BAD_ARGUMENT", pool.clone_volume, pool, volume_xml("x", 1), "one.img")
end))

test.case("arguments of resize and wipe are checked before libvirt is asked", connected(function(connection)
  local volume = connection:pool("default-pool"):create_volume(volume_xml("v", 4096))
  test.raises("BAD_ARGUMENT", volume.resize, volume, "1GiB")
  test.raises("BAD_ARGUMENT", volume.resize, volume, -1)
  test.raises("BAD_ARGUMENT", volume.wipe, volume, { algorithm = "shred" })
  test.raises("UNSUPPORTED", volume.resize, volume, 8192)  -- the test driver resizes nothing
  test.raises("UNSUPPORTED", volume.wipe, volume)
end))

test.case("what came from a closed connection says so", function()
  local connection = virt.connect("test:///default")
  local pool = connection:pool("default-pool")
  local volume = pool:create_volume(volume_xml("v", 4096))
  connection:close()
  local problem = test.raises("CONNECTION_CLOSED", pool.info, pool)
  test.matches(problem.message, "cannot read the sizes of pool: its connection was closed")
  test.raises("CONNECTION_CLOSED", volume.name, volume)
  test.raises("CONNECTION_CLOSED", connection.pools, connection)
end)
