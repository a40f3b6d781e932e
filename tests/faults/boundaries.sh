# Every boundary of the journal: drover is killed before and after each intent, effect, mark and end of live-migrate,
# then `drover recover` has to leave both hosts clean. No list of steps is kept here: stopped.lua counts what the run
# itself passes. Sourced by tests/faults/run.
# shellcheck shell=bash

stock_move() { # words...: a move from where the guest is, by the playbook that can be stopped
  printf '%s\n' run "$project/tests/faults/stopped.lua" --domain $guest --from "$from" --to "$to" "$@"
}

# recover_well: recovers, and looks at what is left while two more recoveries find nothing to do.
recover_well() {
  local code=0
  drover_on ctl recover || code=$?
  cat "$work/out" >>"$work/all"
  if [[ $code == 3 ]]; then
    operator=1
  elif [[ $code != 0 ]]; then
    note_fault "drover recover: exit code $code"
  fi
  recover_again >"$work/again" &
  local again=$!
  look
  wait $again
  [[ $code == 3 || ! -s $work/again ]] || note_fault "$(<"$work/again")"
  cp "$work/all" "$work/out"
}

recover_again() {
  local which text
  for which in second third; do
    text=$("$lab" on ctl env NO_COLOR=1 "$drover_program" recover 2>&1) || echo "the $which recovery failed: $text"
    [[ $text == *'There is nothing to recover'* ]] || echo "the $which recovery did something: $text"
  done
}

# One kill. Returns 1 when the run came to its end before that boundary.
kill_at_boundary() { # NUMBER EXPECTED-END words...
  local number=$1 expected=$2 code=0 words
  shift 2
  mapfile -t words < <(stock_move "$@")
  : >"$work/all"
  "$lab" on ctl env NO_COLOR=1 "$project/tests/faults/stop-at" "$number" -- "$drover_program" "${words[@]}" \
    >"$work/all" 2>&1 || code=$?
  [[ $code != 0 ]] || return 1
  fault_name+=", $(sed -nE 's/[0-9]{8}-[0-9]{6}-[0-9a-f]{6}/RUN/g; s/^stopped at [0-9]* //p' "$work/all")"
  [[ $code == 137 ]] || note_fault "drover ended with $code, not by SIGKILL"
  ! grep '^  no  ' "$work/all" >"$work/own" || note_fault "the run failed by itself before it was killed: $(<"$work/own")"
  recover_well
  judge_place "$expected"
  judge_residue
  judge_writers
}

# sweep CHANNEL MODE EVERY: kills at the boundaries 1, 1 + EVERY, ... The first run is not killed: it gives the list.
sweep() {
  local channel=$1 mode=$2 every=$3 number=1 log=/root/boundaries commit expected words total
  shift 3
  set_ends
  mapfile -t words < <(stock_move --channel "$channel" --mode "$mode")
  begin_fault "$channel $mode: no fault"
  "$lab" on ctl rm -f $log
  "$lab" on ctl env NO_COLOR=1 FAULT_LOG=$log "$drover_program" "${words[@]}" >"$work/out" 2>&1 ||
    note_fault "the move failed without any fault"
  "$lab" on ctl cat $log >"$work/boundaries"
  "$lab" on ctl rm -f $log
  total=$(wc -l <"$work/boundaries")
  commit=$(sed -n 's/ before commit:.*//p' "$work/boundaries")
  ((total >= 20 && ${commit:-0} > 10)) || note_fault "only $total boundaries were seen, the commit at ${commit:-none}"
  look
  judge_place moved
  judge_residue
  judge_guest
  end_fault
  reset_world
  for ((; number <= total; number += every)); do
    set_ends
    begin_fault "$channel $mode: killed at $number of $total"
    expected=stayed
    ((number < commit)) || expected=moved
    kill_at_boundary "$number" $expected --channel "$channel" --mode "$mode" || note_fault "the run was not killed"
    end_fault
    reset_world
  done
  begin_fault "$channel $mode: no write was lost in all of this"
  judge_guest
  end_fault
}

# The next move goes from where the guest is.
set_ends() { from=$here to=$(other_host "$here"); }
