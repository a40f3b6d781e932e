# The oracle: whether a fault ended well. Each part says what it found in $found; the case's figures are made of it.
# Ended well: one writer, one whole copy, the guest in one place, nothing of the run left on either host, both hosts'
# own files as they were, byte for byte. Sourced by tests/faults/run after world.sh.
# shellcheck shell=bash

note_fault() { found+=("$*"); }

# judge_place stayed|moved|either|off|any: where the guest is, and what of it is on the other side. Sets $ended.
judge_place() {
  local wanted=$1 source destination
  source=$(copy_of "$from" "$guest") destination=$(copy_of "$to" "$guest")
  case "$source/$destination" in
    "running image 1/$nothing_there") ended=stayed ;;
    'none image 0/running image 1' | 'shut_off image 0/running image 1') ended=moved ;;
    "shut_off image 0/$nothing_there") ended=off ;;
    'none image 0/shut_off image 0' | 'shut_off image 0/shut_off image 0') ended='moved, off' ;;
    *running*/*running*) ended=double; double=1 ;;
    running*) ended='stayed with leftovers'; residue=1 ;;
    */running*) ended='moved with leftovers'; residue=1 ;;
    shut_off*) ended='off with leftovers'; residue=1 ;;
    *) ended=lost ;;
  esac
  case $wanted in
    either) [[ $ended == stayed || $ended == moved ]] && return ;;
    any) [[ $ended == stayed || $ended == moved || $ended == off || $ended == 'moved, off' ]] && return ;;
    *) [[ $ended != "$wanted" ]] || return 0 ;;
  esac
  [[ $ended != lost ]] || lost=1
  note_fault "the guest $ended, wanted $wanted ($from: $source; $to: $destination)"
}

# After a link was cut, sshd needs a while to see that drover's own connection is gone: $residue_patience looks, 5 s
# each. The first look was made by recover_well; what the case itself put right after it is seen by the second.
judge_residue() {
  local host try
  ! same_as_before || return 0
  for ((try = 1; try <= ${residue_patience:-1}; try++)); do
    ((try == 1)) || sleep 5
    fingerprints after
    ! same_as_before || return 0
  done
  for host in a b; do
    diff "$work/$host.before" "$work/$host.after" >"$work/$host.diff" && continue
    residue=1
    note_fault "left on $host: $(grep '^[<>]' "$work/$host.diff" | head -n 12)"
    cp "$work/$host.after" "$work/$host.before"  # found once is enough
  done
}

console() { tr -d '\r' <"$LAB/hosts/$1/console/$guest.log" 2>/dev/null | sed -nE "s/^$2 ([0-9]+)\$/\1/p" | sort; }

# One writer: a number that both consoles show was counted twice, by two copies of the guest.
judge_writers() {
  local word twice
  for word in tick record; do
    twice=$(comm -12 <(console a $word 2>/dev/null) <(console b $word 2>/dev/null) | head -n 3 | paste -sd' ')
    [[ -n $twice ]] || continue
    double=1
    note_fault "$word counted on both hosts: $twice"
  done
}

guest_file() { # HOST PATH: a file of the guest, by its web server
  # shellcheck disable=SC2016
  "$lab" on "$1" timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/80" && printf "GET %s HTTP/1.0\r\n\r\n" "$1" >&3 && cat <&3' \
    "$(sed -n 's/^ip=//p' "$LAB/guests/$guest")" "$2" 2>/dev/null | sed '1,/^\r*$/d'
}

# No acknowledged write is lost, and the guest goes on: the records on its disk are 1, 2, 3 ... up to at least the last
# one that it announced.
judge_records() { # HOST: where it runs
  local announced highest try text
  announced=$("$lab" guest records "$guest" 2>/dev/null)
  for try in {1..20}; do
    text=$(guest_file "$1" /data/records)
    highest=$(tail -n 1 <<<"$text" | sed 's/^record //')
    [[ ! $highest =~ ^[0-9]+$ ]] || ((highest <= ${announced:-0})) || break
    sleep 0.3
  done
  if ! [[ $highest =~ ^[0-9]+$ ]] || ((highest <= ${announced:-0})); then
    lost=1
    note_fault "the disk of $guest ends at record ${highest:-none}, and $announced was announced (try $try)"
  elif ! diff -q <(seq -f 'record %.0f' "$highest") - <<<"$text" >/dev/null; then
    double=1
    note_fault "the records on the disk of $guest are not 1 to $highest, each once"
  fi
}
# The records of the guest, where it runs.
judge_guest() {
  case $(copy_of a "$guest")/$(copy_of b "$guest") in
    running*/running*) ;;
    running*) judge_records a ;;
    */running*) judge_records b ;;
  esac
}

# ---- recovering ----

# recover_well: recovers, and then looks at what is left, all at once, while two more recoveries find nothing to do.
recover_well() {
  local code=0
  drover_on ctl recover || code=$?
  cat "$work/out" >>"$work/all"
  if [[ $code == 3 ]]; then
    operator=1
  elif [[ $code != 0 ]]; then
    note_fault "drover recover: exit code $code"
  fi
  look &
  local looking=$!
  recover_again >"$work/again"
  fingerprints after  # drover's own sessions are over by now
  wait $looking
  read_look
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

# A test that broke off must not leave its run to the next one.
no_drover_left() {
  "$lab" on ctl pkill -KILL -x drover || true
  wait
  drover_on ctl recover || true
}
