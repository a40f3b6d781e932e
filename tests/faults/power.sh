# The power of a whole host goes, in the middle of a move, and comes back: what runs there and what it had in memory is
# gone, its disks are as they were. Sourced by tests/faults/run after breaks.sh, which has the words used here.
# shellcheck shell=bash

# With drover on it. Its guest is off then, as after any power cut; recover, as the boot unit starts it, takes back what
# the run has out on both hosts.
break_power_cut_at_the_source_with_drover_on_it() {
  : >"$work/all"
  : >"$work/events"
  "$lab" on "$from" env NO_COLOR=1 "$drover_program" run live-migrate --json --domain "$guest" --to "$to" \
    --bandwidth 6MiB >"$work/events" 2>&1 &
  run_process=$!
  until_moving || return
  power_cut "$from"
  wait $run_process
  cat "$work/events" >>"$work/all"
  drover_on "$from" recover || note_fault "drover recover on $from failed: $(<"$work/out")"
  cat "$work/out" >>"$work/all"
  drover_on "$from" recover && grep -q 'There is nothing to recover' "$work/out" ||
    note_fault "a second recovery on $from did something: $(<"$work/out")"
  "$lab" on "$from" rm -rf /var/lib/drover
  recovered_as off
}
# The run cannot know what became of the other copy: it says so, and a recovery finds out.
break_power_cut_at_the_destination() {
  held || return
  "$lab" crash "$to"
  run_ended 1 3
  "$lab" restart "$to" 2>>"$work/all"
  recovered_as stayed
}
power_cut() { "$lab" crash "$1" && "$lab" restart "$1"; }
