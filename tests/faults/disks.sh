# The destination's storage: full, read-only, failing, and files that are there already. Sourced by tests/faults/run
# after breaks.sh, which has the words used here.
# shellcheck shell=bash

fill_pool() { # HOST: nothing is left on the file system of the guest's disks
  "$lab" on "$1" sh -c 'fallocate -l "$(df --output=avail -B1 "$1" | tail -n 1)" "$1/ballast" ||
    dd if=/dev/zero of="$1/ballast" bs=1M 2>/dev/null' - $pool >/dev/null 2>&1
}
break_destination_disk_full() {
  held && fill_pool "$to"
  run_ended 1 0
  "$lab" on "$to" rm -f $pool/ballast
  recovered_as either
}

# The guest's disk appears at the destination after drover looked and before it makes it: not ours, so it stays.
break_image_appears_before_it_is_made() {
  move_changed_at 'after intent: delete' "ssh $to 'echo precious >$image'"
  run_ended 1
  said 'already|exists'
  [[ $("$lab" on "$to" cat $image) == precious ]] || note_fault "the file of somebody else is gone"
  "$lab" on "$to" sh -c "rm -f $image; virsh --quiet pool-refresh default"
  recovered_as stayed
}

# ---- what is there already ----

# image_is_there COMMAND: a file of somebody else has the image's name; the move is refused and the file is as it was.
image_is_there() {
  local before
  "$lab" on "$to" sh -c "$1" - "$image"
  before=$(file_facts)
  fingerprints before
  move_in_background && run_ended 1
  said 'is there already|looks shared on both hosts'  # by chance the two may have the same inode number
  [[ $(file_facts) == "$before" ]] || note_fault "the file of somebody else was changed: $before, now $(file_facts)"
  recover_well
  judge_residue
  "$lab" on "$to" sh -c "rm -f $image; virsh --quiet pool-refresh default"
  fingerprints before
  recovered_as stayed
}
file_facts() { "$lab" on "$to" sh -c 'stat -c "%s %i %a %u %Y" "$1"; sha256sum <"$1"' - "$image" | paste -sd' '; }

# shellcheck disable=SC2016
break_image_of_another_size_is_there() {
  image_is_there 'truncate --size 48M "$1"; virsh --quiet pool-refresh default'
}
# shellcheck disable=SC2016
break_image_with_foreign_data_is_there() { image_is_there 'head -c 32M /dev/urandom >"$1"; chmod 640 "$1"'; }

# ---- a disk that cannot be written ----

# As another mount over itself, for the file system may be in use. mount(8) makes a folder for itself.
# shellcheck disable=SC2016
readonly make_read_only='mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"'
make_writable() { "$lab" on "$to" sh -c 'umount "$1" && rm -rf /run/mount' - $pool; }
break_destination_is_read_only() {
  "$lab" on "$to" sh -c "$make_read_only" - $pool
  move_in_background && run_ended 1
  make_writable
  recovered_as stayed
}
break_destination_becomes_read_only_before_the_disk_is_made() {
  move_changed_at 'after intent: delete' "ssh $to '${make_read_only//'$1'/$pool}'"
  run_ended 1
  said 'ead-only'
  make_writable
  recovered_as stayed
}

# The file system of the destination's disks goes away under the move, as when the disk's cable is out: every read and
# write is an error (EXT4_IOC_SHUTDOWN, without its log). It is mounted anew before the recovery.
break_destination_disk_fails() {
  local device
  device=$("$lab" on "$to" findmnt --noheadings --output SOURCE $pool | tail -n 1)
  held && "$lab" on "$to" python3 -c '
import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack("I", 2))' $pool || return
  run_ended 1 3
  # The loop device would go with its last user: the redirection holds it.
  # shellcheck disable=SC2016
  "$lab" on "$to" sh -c 'umount "$2" && mount "$1" "$2" && rm -rf /run/mount && virsh --quiet pool-refresh default' \
    - "$device" $pool <"/dev/${device#/dev/}" ||
    note_fault "it could not be mounted again: something of the run holds it"
  recovered_as stayed
}
