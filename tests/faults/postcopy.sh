# What breaks in post-copy: the guest runs at the destination, and a part of its memory is still at the source. There is no
# way back, and what is lost with one side is lost. drover leaves both sides alone and says whose disks are the newest;
# the operator does what it says. Sourced by tests/faults/run after breaks.sh, which has the words used here.
# shellcheck shell=bash

# A move that switched to post-copy and has memory left at the source, for some ten seconds.
in_post_copy() {
  held --timeout 2s --timeout-action post-copy &&
    "$lab" on "$from" virsh --quiet migrate-setspeed "$guest" 1 --postcopy >"$work/out" 2>&1 &&
    until_event 'switching to post-copy' && until_resumed_there
}
until_resumed_there() {
  local try
  for ((try = 0; try < 100; try++)); do
    [[ $("$lab" on "$to" virsh --quiet domstate "$guest" --reason 2>/dev/null) != 'running (post-copy)'* ]] || return 0
    sleep 0.1
  done
  note_fault "the guest never ran at the destination in post-copy"
  return 1
}

# The newest disks are the destination's: there the guest boots again, as after a power cut, and has all its records.
started_again_from_the_newest_disks() { # HOST-TO-DESTROY-ON
  local run
  run_ended 3
  said "its newest disks are on the destination: virsh destroy"
  run=$(sed -n 's/.*"run":"\([^"]*\)".*/\1/p' "$work/events" | head -n 1)
  operator=1
  drover_on ctl recover && note_fault "a recovery settled what nobody knows"
  "$lab" on "$1" virsh --quiet destroy "$guest" >"$work/out" 2>&1
  "$lab" on "$to" virsh --quiet start "$guest" >"$work/out" 2>&1 || note_fault "it does not start: $(<"$work/out")"
  drover_on ctl recover "$run" --guest-on "$to" || note_fault "the operator's word did not do: $(<"$work/out")"
  recovered_as moved
}

break_source_qemu_killed_in_post_copy() { with_userfaultfd 1 source_ends_in_post_copy; }
source_ends_in_post_copy() {
  in_post_copy && qemu_on "$from" KILL && started_again_from_the_newest_disks "$to"
}
break_destination_qemu_killed_in_post_copy() { with_userfaultfd 1 destination_ends_in_post_copy; }
destination_ends_in_post_copy() {
  in_post_copy && qemu_on "$to" KILL && started_again_from_the_newest_disks "$from"
}
