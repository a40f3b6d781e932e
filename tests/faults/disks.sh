# The destination's storage: full, read-only, failing, and files that are there already. Sourced by tests/faults/run
# after breaks.sh, which has the words used here.
# shellcheck shell=bash

fill_pool() { # HOST: nothing is left on the file system of the guest's disks
  "$lab" on "$1" sh -c 'fallocate -l "$(df --output=avail -B1 "$1" | tail -n 1)" "$1/ballast" ||
    dd if=/dev/zero of="$1/ballast" bs=1M 2>/dev/null' - $pool >/dev/null 2>&1
}
break_destination_disk_full() {
  is_small_pool || return 0
  held && fill_pool "$to"
  run_ended 1 0
  "$lab" on "$to" rm -f $pool/ballast
  recovered_as either
}
is_small_pool() { [[ $("$lab" on "$to" df --output=size -m $pool | tail -n 1) -lt 2000 ]]; }

# The guest's disk appears at the destination after drover looked and before it makes it: not ours, so it stays.
break_image_appears_before_it_is_made() {
  local words
  mapfile -t words < <(stock_move)
  "$lab" on ctl env NO_COLOR=1 "$project/tests/faults/stop-at" 'after intent: delete' \
    --do "ssh $to 'echo precious >$image'" -- "$drover_program" "${words[@]}" >"$work/all" 2>&1 &
  run_process=$!
  : >"$work/events"
  run_ended 1
  said 'already|exists'
  [[ $("$lab" on "$to" cat $image) == precious ]] || note_fault "the file of somebody else is gone"
  "$lab" on "$to" sh -c "rm -f $image; virsh --quiet pool-refresh default"
  recovered_as stayed
}
