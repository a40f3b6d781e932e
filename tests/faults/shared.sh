# Faults of a move whose disk both hosts see, with QEMU's image locks off: nothing but drover and libvirt keeps two
# copies of the guest from writing at once, and the guest's own records say whether they did. Sourced by
# tests/faults/run after breaks.sh, which has the words used here.
# shellcheck shell=bash

# The locks are off, or these cases would show nothing.
locks_are_off() {
  "$lab" on "$from" sh -c 'tr "\0" "\n" <"/proc/$(pgrep -f -- "qemu-system.*guest=$1,")/cmdline"' - "$guest" |
    grep -q '"locking":"off".*/srv/shared' || note_fault "QEMU locks its image"
}
unlocked() { locks_are_off && held "$@"; }

break_unlocked_drover_killed_in_a_managed_move() { unlocked --mode managed && kill_drover KILL && ended_as stayed 137; }
break_unlocked_drover_killed_and_p2p_goes_on() { speed=24MiB unlocked && kill_drover KILL && ended_as moved 137; }
break_unlocked_source_libvirtd_killed() { unlocked && restart_libvirtd "$from" && ended_as stayed 1; }
break_unlocked_destination_libvirtd_killed() { unlocked && restart_libvirtd "$to" && ended_as stayed 1; }
break_unlocked_destination_qemu_killed() { unlocked && qemu_on "$to" KILL && ended_as stayed 1; }
break_unlocked_link_cut() {
  unlocked --mode managed && "$lab" link "$to" cut && sleep 25 && mended && ended_as either 0 1 3
}
break_unlocked_control_link_drops_what_the_destination_sends() { locks_are_off && control_link out; }
break_unlocked_control_link_drops_what_the_destination_gets() { locks_are_off && control_link in; }

# The pools of both hosts are read while the file of the experiment is there, as a daemon does that restarts, or an
# administrator: no list keeps it.
break_unlocked_pools_are_read_while_the_experiment_is_out() {
  local words
  mapfile -t words < <(stock_move --undefine-source)
  "$lab" on ctl env NO_COLOR=1 "$project/tests/faults/stop-at" 'after done: make the empty file' \
    --do 'for host in a b; do ssh $host virsh --quiet pool-refresh shared; done' \
    -- "$drover_program" "${words[@]}" >"$work/all" 2>&1 &
  run_process=$!
  : >"$work/events"
  run_ended 0
  said 'stopped at after done: make the empty file'
  recovered_as moved
}

# The worst moment: the destination is told that the move is complete, and its answer never arrives. libvirt's source then
# takes the move for failed and lets its own copy go on [libvirt src/libvirt-domain.c, virDomainMigrateVersion3Full]; if
# libvirt's destination had started the guest, both would run. The destination's daemon is stopped until the question
# has reached it, so that the moment is met.
answer_is_lost() { # ASKER words...: who asks the destination over ssh
  local asker=$1 try
  shift
  speed=12MiB unlocked --channel direct "$@" && "$lab" on "$to" pkill -STOP -x libvirtd || return
  for ((try = 0; try < 400; try++)); do
    [[ $("$lab" on "$from" virsh domstate "$guest" 2>/dev/null) != paused* ]] || break
    sleep 0.02
  done
  ((try < 400)) || note_fault "the move never came to its end"
  sleep 0.3
  # shellcheck disable=SC2046
  "$lab" link "$to" drop-out ip daddr $(address_of "$asker") tcp sport 22
  "$lab" on "$to" pkill -CONT -x libvirtd
  run_ended 0 1 3
  mended
  recovered_as either
}
break_unlocked_answer_to_finish_is_lost() { answer_is_lost "$from"; }
break_unlocked_answer_to_finish_is_lost_in_a_managed_move() { answer_is_lost ctl --mode managed; }
