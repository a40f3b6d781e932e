-- Shows that secrets are listed and found with libvirt's own secret driver in a folder of its own, and that no
-- function gives their values away.
local test = require "test"

local uuid = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"

-- Runs body on a connection whose secret driver keeps its files in a new folder; a secret is there when it starts.
local function with_secret(body)
  local pipe <close> = io.popen("mktemp -d /tmp/drover-secret-XXXXXX")
  local folder = pipe:read("l")
  local files <close> = setmetatable({}, { __close = function() os.execute("rm -rf '" .. folder .. "'") end })
  os.execute("mkdir -p '" .. folder .. "/etc/secrets'")
  local file <close> = assert(io.open(folder .. "/etc/secrets/" .. uuid .. ".xml", "w"))
  file:write(xml.build({ "secret", ephemeral = "no", private = "yes", { "uuid", uuid },
    { "usage", type = "ceph", { "name", "client.admin" } } }):to_text())
  file:flush()
  local connection <close> = virt.connect("secret:///embed?root=" .. folder)
  body(connection)
end

test.case("secrets are listed with what they are for", function()
  with_secret(function(connection)
    test.equal(connection:secrets(), { { uuid = uuid, usage_type = "ceph", usage = "client.admin" } })
  end)
end)

test.case("a secret is found by UUID and by use; nil when it is not there", function()
  with_secret(function(connection)
    test.equal(connection:find_secret(uuid).usage, "client.admin")
    test.equal(connection:find_secret_by_usage("ceph", "client.admin").uuid, uuid)
    test.is_nil(connection:find_secret("0a81f5b2-8403-7b23-c8d6-000000000000"))
    test.is_nil(connection:find_secret_by_usage("ceph", "client.other"))
    test.is_nil(connection:find_secret_by_usage("iscsi", "client.admin"))
    test.raises("BAD_ARGUMENT", connection.find_secret, connection, "client.admin")
    test.raises("BAD_ARGUMENT", connection.find_secret_by_usage, connection, "password", "x")
  end)
end)

test.case("no function has anything to do with the value of a secret", function()
  local core = require "drover.core"
  local seen = 0
  local function look_at(functions)
    for _, one in ipairs(functions) do
      local name = one.name:lower()
      if name:find("secret", 1, true) then
        seen = seen + 1
        test.is_true(not name:find("value", 1, true) and not name:find("xml", 1, true), one.name)
      end
    end
  end
  for _, module in ipairs(core.modules()) do
    if module.name == "virt" then
      for _, class in ipairs(module.classes) do look_at(class.methods) end
      look_at(module.functions)
    end
  end
  test.equal(seen, 3)
end)

test.case("a driver without secrets is UNSUPPORTED and not an empty list", function()
  local connection <close> = virt.connect("test:///default")
  test.raises("UNSUPPORTED", connection.secrets, connection)
  test.raises("UNSUPPORTED", connection.find_secret, connection, uuid)
end)
