-- Shows that secrets are listed and found with libvirt's own secret driver in a folder of its own, and that no
-- function gives their values away.
local test = require "test"
local native = require "native.host"

local machine = native.local_machine()

local uuid = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"

test.case("secrets are listed with what they are for, and found by UUID and by use", function()
  -- libvirt's embedded driver keeps its files in a folder; a process can have one of them.
  local folder = machine:temp_directory { under = "/tmp" }
  local _ <close> = setmetatable({}, { __close = function()
    machine:remove_directory(folder, { recursive = true })
  end })
  machine:make_directory(folder .. "/etc/secrets", { parents = true })
  machine:write_file(folder .. "/etc/secrets/" .. uuid .. ".xml", xml.build({ "secret", ephemeral = "no",
    private = "yes", { "uuid", uuid }, { "usage", type = "ceph", { "name", "client.admin" } } }):to_text())
  local connection <close> = virt.connect("secret:///embed?root=" .. folder)
  local facts = { uuid = uuid, usage_type = "ceph", usage = "client.admin" }
  test.equal(connection:secrets(), { facts })
  test.equal(connection:find_secret(uuid), facts)
  test.equal(connection:find_secret_by_usage("ceph", "client.admin"), facts)
  test.is_nil(connection:find_secret("0a81f5b2-8403-7b23-c8d6-000000000000"))
  test.is_nil(connection:find_secret_by_usage("ceph", "client.other"))
  test.is_nil(connection:find_secret_by_usage("iscsi", "client.admin"))
  test.raises("BAD_ARGUMENT", connection.find_secret, connection, "client.admin")
  test.raises("BAD_ARGUMENT", connection.find_secret_by_usage, connection, "password", "x")
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
