# Real faults in the middle of a real move, one function each: break_NAME starts the move, breaks something, and says how
# it has to end. Here: either QEMU, either daemon, drover, ssh; then the words that the other files use too. The expected
# ends are those of facts.md and the reconcile table. Sourced by tests/faults/run.
#
# A move is held in its middle by a bandwidth cap. What is broken is mended before the recovery, as an operator would.
# shellcheck shell=bash

readonly longest_run_s=180

# move_in_background words...: starts a move from where the guest is, with one event a line in $work/events.
move_in_background() {
  : >"$work/all"
  : >"$work/events"
  # A shell gives its background jobs an ignored SIGINT, which drover would respect.
  "$lab" on ctl env --default-signal=INT NO_COLOR=1 "$drover_program" run live-migrate --json --domain "$guest" --from "$from" --to "$to" \
    --undefine-source "$@" >"$work/events" 2>&1 &
  run_process=$!
}

# move_changed_at BOUNDARY COMMAND words...: a move that stands at that boundary of the journal while the command runs on
# the controller, and goes on. What it says is in $work/all.
move_changed_at() {
  local boundary=$1 command=$2 words
  mapfile -t words < <(stock_move "${@:3}")
  : >"$work/events"
  "$lab" on ctl env NO_COLOR=1 "$project/tests/faults/stop-at" "$boundary" --do "$command" \
    -- "$drover_program" "${words[@]}" >"$work/all" 2>&1 &
  run_process=$!
}

# until_event PATTERN: waits for a line of the run; fails the case when the run ends first or it takes a minute.
until_event() {
  local try
  for ((try = 0; try < 600; try++)); do
    ! grep -qE -- "$1" "$work/events" || return 0
    kill -0 $run_process 2>/dev/null || break
    sleep 0.1
  done
  note_fault "the run never came to: $1"
  return 1
}

# The move is under way: bytes travel, so the destination's QEMU is there. The half second lets it be well inside.
until_moving() { until_event '"event":"progress".*"total_bytes":[1-9]' && sleep 0.5; }

# [speed=24MiB] held words...: starts a move that takes some ten seconds (at 24 MiB three) and waits until it is under way.
held() { move_in_background --bandwidth "${speed:-6MiB}" "$@" && until_moving; }

# run_ended CODE...: waits for the run and wants one of these exit codes. One that never ends is killed.
run_ended() {
  local code=0 wanted limit
  rm -f "$work/endless"
  (
    # In short sleeps: the last one outlives this subshell.
    for ((waited_s = 0; waited_s < longest_run_s; ++waited_s)); do sleep 1; done
    touch "$work/endless"
    kill_drover KILL
  ) &
  limit=$!
  wait $run_process 2>/dev/null || code=$?
  kill $limit 2>/dev/null
  [[ ! -e $work/endless ]] || note_fault "the run did not end by itself within $longest_run_s s"
  cat "$work/events" >>"$work/all"
  run_code=$code
  for wanted in "$@"; do [[ $code != "$wanted" ]] || return 0; done
  note_fault "drover run: exit code $code, wanted $*"
}

# ended_as END CODE...: the run ends with one of these codes, is recovered, and the guest is there.
ended_as() {
  local expected=$1
  shift
  run_ended "$@"
  recovered_as "$expected"
}
recovered_as() {
  recover_well
  judge_place "$1"
}

said() { grep -qE -- "$1" "$work/all" || note_fault "nobody said: $1"; }

qemu_on() { "$lab" on "$1" pkill "-$2" -f -- "qemu-system.*guest=$guest,"; }
restart_libvirtd() { # HOST: as systemd does, a second after its death
  # shellcheck disable=SC2016
  "$lab" on "$1" sh -c 'pkill -KILL -x libvirtd; sleep 1; /usr/sbin/libvirtd --daemon
    for i in $(seq 100); do virsh --quiet pool-list >/dev/null 2>&1 && exit; sleep 0.1; done'
}
kill_drover() { "$lab" on ctl pkill "-$1" -x drover; }

# ---- either QEMU ----

break_destination_qemu_killed() { held && qemu_on "$to" KILL && ended_as stayed 1; }
break_destination_qemu_stands_still() { held --timeout 4s && qemu_on "$to" STOP && ended_as stayed 1; }
break_source_qemu_killed() { held && qemu_on "$from" KILL && ended_as off 1 3; }
break_source_qemu_stands_still_and_goes_on() {
  held && qemu_on "$from" STOP && sleep 4 && qemu_on "$from" CONT && ended_as either 0 1
}
break_destination_qemu_killed_in_a_managed_move() { held --mode managed && qemu_on "$to" KILL && ended_as stayed 1; }

# It never goes on: nothing can be asked of it, and it may hold the only copy. The run says so and ends; the operator
# ends the process, and what the guest wrote is on its disk.
break_source_qemu_stands_still_for_good() {
  held --timeout 4s && qemu_on "$from" STOP || return
  run_ended 1 3
  while_libvirtd_is_kept_up "$from" recovered_without_its_qemu
}
recovered_without_its_qemu() { qemu_on "$from" KILL && recovered_as any; }
# libvirt 9.0 dies once in a while of a guest that ends in a move, or whose QEMU stood still. This starts it again, as
# systemd does.
while_libvirtd_is_kept_up() { # HOST COMMAND...
  local host=$1 keeper code=0
  while sleep 0.5; do "$lab" on "$host" sh -c 'pgrep -x libvirtd >/dev/null || /usr/sbin/libvirtd --daemon'; done &
  keeper=$!
  "${@:2}" || code=$?
  kill "$keeper"
  return "$code"
}

# ---- either daemon ----

break_source_libvirtd_killed() { held && restart_libvirtd "$from" && ended_as stayed 1; }
break_destination_libvirtd_killed() { held && restart_libvirtd "$to" && ended_as stayed 1; }
break_source_libvirtd_killed_in_a_managed_move() {
  held --mode managed && restart_libvirtd "$from" && ended_as stayed 1
}

break_destination_libvirtd_killed_in_a_managed_move() {
  held --mode managed && restart_libvirtd "$to" && ended_as stayed 1
}
# Stopped, it answers nothing, and its QEMU goes on; then it is let go on.
stopped_libvirtd() { # HOST SECONDS words...
  local host=$1 seconds=$2
  shift 2
  held "$@" && "$lab" on "$host" pkill -STOP -x libvirtd || return
  sleep "$seconds"
  "$lab" on "$host" pkill -CONT -x libvirtd
  ended_as either 0 1 3
}
break_source_libvirtd_stands_still_and_goes_on() { stopped_libvirtd "$from" 8; }
break_destination_libvirtd_stands_still_and_goes_on() { stopped_libvirtd "$to" 8; }
break_destination_libvirtd_stands_still_in_a_managed_move() { stopped_libvirtd "$to" 45 --mode managed; }
# For good, until an operator ends it: the run must not wait for ever.
stopped_libvirtd_for_good() { # HOST words...
  local host=$1
  shift
  held --timeout 10s "$@" && "$lab" on "$host" pkill -STOP -x libvirtd || return
  run_ended 0 1 3
  restart_libvirtd "$host"
  recovered_as either
}
break_source_libvirtd_stands_still_for_good() { stopped_libvirtd_for_good "$from"; }
break_destination_libvirtd_stands_still_for_good() { stopped_libvirtd_for_good "$to"; }

# ---- drover, and the ssh process ----

break_tunnel_killed() { held && "$lab" on "$from" pkill -KILL -f -- "^ssh .*/private/control" && ended_as stayed 1; }
break_tunnel_stands_still() {
  held --timeout 6s && "$lab" on "$from" pkill -STOP -f -- '^ssh .*/private/control' && ended_as stayed 1
}
# A peer-to-peer move goes on without its client; recover waits for it.
break_drover_killed_and_p2p_goes_on() { speed=24MiB held && kill_drover KILL && ended_as moved 137; }
break_drover_killed_and_direct_p2p_goes_on() { speed=24MiB held --channel direct && kill_drover KILL && ended_as moved 137; }
break_drover_killed_in_a_managed_move() { held --mode managed && kill_drover KILL && ended_as stayed 137; }
break_drover_killed_in_a_direct_managed_move() {
  held --mode managed --channel direct && kill_drover KILL && ended_as stayed 137
}
# Stopped, as by a debugger or a machine that swaps; the move goes on without it, and its guest waits for its start.
break_drover_stands_still_and_goes_on() {
  speed=24MiB held && stopped_for 6 && ended_as moved 0
}
# So long that both libvirts take their client for gone [libvirtd.conf, keepalive_interval].
break_drover_stands_still_until_its_connections_are_gone() {
  speed=24MiB held && stopped_for 45 && ended_as moved 0
}
break_drover_stopped_and_killed() { held --mode managed && stopped_for 2 KILL && ended_as stayed 137; }
stopped_for() { # SECONDS [SIGNAL]
  kill_drover STOP
  sleep "$1"
  kill_drover "${2:-CONT}"
  # nsenter, through which it was started, stopped itself when drover did, and lets it go on when it does.
  kill -CONT $run_process
}
break_drover_terminated() { held && kill_drover TERM && ended_as stayed 130; }
break_drover_loses_its_terminal() { held && kill_drover HUP && ended_as stayed 130; }
break_two_recoverers_at_once() {
  held --mode managed && kill_drover KILL && run_ended 137
  drover_on ctl recover &
  local first=$! code=0
  "$lab" on ctl env NO_COLOR=1 "$drover_program" recover >"$work/second" 2>&1 || code=$?
  wait $first || note_fault "the first recovery failed"
  [[ $code == 0 ]] || note_fault "the second recovery failed: $(<"$work/second")"
  recovered_as stayed
}
# The same run is left at once at the third Ctrl-C; what is open is named, and recovered.
break_left_at_once_by_ctrl_c() {
  held --mode managed || return
  kill_drover INT
  until_event '"event":"step_ended".*"ok":false' && kill_drover INT && kill_drover INT
  ended_as stayed 3 130
  # It may have been quick enough; then there was nothing to recover, and with something open it is named.
  if [[ $run_code == 130 ]]; then said 'There is nothing to recover'; else said 'not undone: '; fi
}
# Recovery itself dies at each of its boundaries, one after the other; the last one finishes.
break_recovery_killed_at_every_boundary() {
  local words kills=0 boundary=2 code
  mapfile -t words < <(stock_move)
  "$lab" on ctl env NO_COLOR=1 "$project/tests/faults/stop-at" 'before commit' -- "$drover_program" "${words[@]}" \
    >"$work/all" 2>&1
  # The second boundary is after the end of the newest entry, before its mark; the third is before the end of the next.
  while ((kills < 60)); do
    code=0
    "$lab" on ctl env NO_COLOR=1 "$project/tests/faults/stop-at" $boundary -- "$drover_program" recover \
      >>"$work/all" 2>&1 || code=$?
    [[ $code == 137 ]] || break
    kills=$((kills + 1)) boundary=$((5 - boundary))
  done
  [[ $code == 0 && $kills -ge 10 ]] || note_fault "after $kills kills the recovery ended with $code"
  recovered_as moved
}
