--- Block devices of a move: whether the one of that name at the destination is the one that the guest has now. A name
-- proves nothing, for two hosts may each have a local /dev/vg0/web1 (A27): the device itself is asked who it is.
-- Tested by tests/stdlib/migrate_devices_test.lua and tests/lab/suites/live_migrate_refused.
local async = require "async"
local script = require "script"

local devices = {}

-- For each path a line: "absent", "other" (no block device), or the size in bytes, the identity ("?" without one) and
-- those of what it rests on. Read from /sys alone: dm/uuid of LVM, multipath and LUKS, the WWN of SCSI and NVMe, the
-- image of a mapped rbd. The serial of a virtio disk is left out: templates give all their hosts the same one.
local read_identities = [[
identity() {
  d=$(readlink -f "$1") part= word=
  if [ -e "$d/partition" ]; then part=/part$(cat "$d/partition"); d=${d%/*}; fi
  if [ -s "$d/dm/uuid" ]; then word=$(cat "$d/dm/uuid")
  elif [ -e "$d/device/cluster_fsid" ]; then
    word=rbd.$(cd "$d/device" && cat cluster_fsid pool pool_ns image_id current_snap | tr '\n' /)
  elif [ -e "$d/wwid" ]; then word=$(cat "$d/wwid")
  elif [ -e "$d/device/wwid" ]; then word=$(cat "$d/device/wwid")
  fi
  printf ' %s' "$(printf %s "${word:-?}" | tr -s '[:space:]' _)${word:+$part}"
}
below() {
  local s
  case $(cat "$1/dm/uuid") in *mpath-*) return;; esac
  for s in "$1"/slaves/*; do [ ! -e "$s" ] || { identity "$s"; below "$s"; }; done
}
for f in "$@"; do
  if [ ! -e "$f" ]; then echo absent; continue; fi
  if [ ! -b "$f" ]; then echo other; continue; fi
  device=/sys/dev/block/$(($(stat -L -c 0x%t -- "$f"))):$(($(stat -L -c 0x%T -- "$f")))
  printf %s "$(($(cat "$device/size") * 512))"; identity "$device"; below "$device"; echo
done 2>/dev/null]]

-- Multipath's name of a WWN begins with its kind [T10 SPC, designator types; device-mapper-multipath]: one host may see
-- the device through multipath, and the other one without it.
local multipath_kinds = { ["1"] = "t10.", ["2"] = "eui.", ["3"] = "naa." }

-- Emulated disks have the same WWN on every host that was not given another one: QEMU's own, and tgt's.
local not_unique = { "^t10%..*QEMU_HARDDISK", "^t10%.IET_", "^%a+%.0+$", "^%a+%.0+/part" }

-- A word of an identity in one spelling; nil when it proves nothing.
local function normalised(word)
  if word == "?" then return nil end
  local part, wwid = word:match("^p?a?r?t?(%d*)%-?mpath%-(.+)$")
  if wwid then
    local kind = multipath_kinds[wwid:sub(1, 1)]
    if not wwid:find("^%l%w*%.") then wwid = kind and kind .. wwid:sub(2) or "mpath." .. wwid end
    word = wwid .. (part ~= "" and "/part" .. part or "")
  end
  word = word:gsub("_+$", "")
  for _, pattern in ipairs(not_unique) do
    if word:find(pattern) then return nil end
  end
  return word
end

local function parse(line)
  local words = {}
  for word in line:gmatch("%S+") do words[#words + 1] = word end
  local size_bytes = tonumber(words[1])
  if not size_bytes then return { is = words[1] or "other" } end
  local one = { is = "block", size_bytes = size_bytes, identity = normalised(words[2] or "?"), below = {} }
  for index = 3, #words do
    local word = normalised(words[index])
    if word then one.below[#one.below + 1] = word end
  end
  return one
end

local function read(one, paths)
  local list = {}
  for line in script.read(one, read_identities, paths).output:gmatch("[^\n]+") do list[#list + 1] = parse(line) end
  return list
end

local function have_a_common_one(some, others)
  for _, word in ipairs(some) do
    for _, other in ipairs(others) do
      if word == other then return true end
    end
  end
  return false
end

-- Of a LUKS container and the like the identity is in its data, and a copy of the data has it too.
local function is_in_its_data(identity)
  return not (identity:find("^LVM%-") or identity:find("^%l%w*%.") or identity:find("^rbd%."))
end

--- What two answers say: "same", "different", "absent" (there) or "unknown"; and why, for a person.
function devices.compare(here, there)
  if there.is == "absent" then return "absent" end
  if here.is ~= "block" or there.is ~= "block" then
    return "unknown", "it is no block device " .. (here.is == "block" and "there" or "here")
  end
  if here.size_bytes ~= there.size_bytes then
    return "different", ("%s here and %s there"):format(units.format_size(here.size_bytes),
      units.format_size(there.size_bytes))
  end
  local on_others = #here.below > 0 and #there.below > 0 and not have_a_common_one(here.below, there.below)
  if here.identity and there.identity then
    if here.identity ~= there.identity then
      return "different", ("%s here and %s there"):format(here.identity, there.identity)
    elseif not on_others then
      if not is_in_its_data(here.identity) or have_a_common_one(here.below, there.below) then return "same" end
      return "unknown", ("%s is written in its data, which may be a copy"):format(here.identity)
    end
  end
  if on_others then
    return "different", ("on %s here and on %s there"):format(table.concat(here.below, ", "),
      table.concat(there.below, ", "))
  end
  return "unknown", "it has no identity of its own (WWN, LVM UUID) " .. (here.identity and "there"
    or there.identity and "here" or "on either host")
end

-- The devices that the guest opens through a disk, with their paths on both hosts.
local function devices_of(disk)
  local list = {}
  if disk.type == "block" and disk.path and disk.path_there then
    list[1] = { path = disk.path, path_there = disk.path_there }
  end
  for _, path in ipairs(disk.backing_devices or {}) do list[#list + 1] = { path = path, path_there = path } end
  return list
end

--- The block devices of the disks that are taken for shared: a list of { disk, path, verdict, why }. One look at each
-- host, kept for the run.
function devices.judge(move)
  if move.judged_devices then return move.judged_devices end
  local judged, here, there = {}, {}, {}
  for _, disk in ipairs(move.disks) do
    for _, one in ipairs(disk.action == "shared" and devices_of(disk) or {}) do
      judged[#judged + 1] = { disk = disk, path = one.path }
      here[#here + 1], there[#there + 1] = one.path, one.path_there
    end
  end
  if #judged > 0 then
    local sides = async.parallel({ { move.source, here }, { move.destination, there } }, function(side)
      return read(side[1], side[2])
    end)
    for index, one in ipairs(judged) do
      local unread = { is = "unread" }
      one.verdict, one.why = devices.compare(sides[1][index] or unread, sides[2][index] or unread)
    end
  end
  move.judged_devices = judged
  return judged
end

--- What stands in the way of taking a judged device for shared: the message and the hint of a fault; nil when nothing
-- does. The person's word counts where the devices say nothing, and never against what they say.
function devices.objection(move, one)
  if one.verdict == "same" then return nil end
  local what = ("disk %s (%s)"):format(one.disk.target, one.path)
  if one.verdict == "absent" then
    return one.path .. " is not seen there", "attach the shared device there at the same path"
  elseif one.verdict == "different" then
    return ("%s is another device there: %s"):format(what, one.why),
      "the guest would go on over other data: attach the same device there, under the same name"
  elseif move.p.storage == "shared" then
    return nil
  end
  return ("whether %s is the same device there is not known: %s"):format(what, one.why),
    "only when you know that both hosts write the same storage through it: --storage shared"
end

--- Whether a device is shared by the person's word alone.
function devices.is_by_word(move, one) return one.verdict == "unknown" and move.p.storage == "shared" end

return devices
