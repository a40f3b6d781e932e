# The world of a fault test: one guest that writes, two hosts whose state is known byte for byte, and the oracle that says
# whether a fault ended well. Sourced by tests/faults/run after tests/lab/suites/suite.sh.
#
# The guest is never made anew when it can be kept: a case moves it from where it is to the other host, so the sources of
# two cases may differ. What a host must look like does not depend on it: fingerprints leave the guest out.
# shellcheck shell=bash

guest=mover
pool=/var/lib/libvirt/images
image=$pool/$guest.raw

other_host() { if [[ $1 == a ]]; then echo b; else echo a; fi; }

make_guest() {
  "$lab" guest destroy $guest >/dev/null 2>&1 || true
  "$lab" guest create $guest --host a --disk 64M --writer >/dev/null && "$lab" guest wait $guest >/dev/null
  here=a
}

fingerprints() { # SUFFIX
  "$lab" fingerprint a --except $guest >"$work/a.$1" &
  "$lab" fingerprint b --except $guest >"$work/b.$1"
  wait $!
}

make_world() {
  make_guest && fingerprints before
}

# What a host has of the guest: "STATE IMAGE QEMUS", such as "running image 1" or "none - 0".
copy_on() {
  # shellcheck disable=SC2016
  "$lab" on "$1" sh -c '
    state=$(timeout 20 virsh --quiet domstate "$1" 2>/dev/null | head -n 1)
    [ -e "$2" ] && image=image || image=-
    echo "$(echo "${state:-none}" | tr " " _) $image $(pgrep -fc -- "qemu-system.*guest=$1,")"' - $guest $image
}

look() {
  local line
  copy_on a >"$work/copy.a" &
  copy_on b >"$work/copy.b"
  wait $!
  for line in a b; do printf -v "copy_$line" %s "$(<"$work/copy.$line")"; done
}

# ---- the oracle. Each part says what it found in $found; the case's figures are made of it ----

note_fault() { found+=("$*"); }

# judge_place stayed|moved|either|off|any: where the guest is, and what of it is on the other side. Sets $ended.
judge_place() {
  local wanted=$1 source_name=copy_$from destination_name=copy_$to
  local source=${!source_name} destination=${!destination_name}
  case "$source/$destination" in
    'running image 1/none - 0') ended=stayed ;;
    'none image 0/running image 1' | 'shut_off image 0/running image 1') ended=moved ;;
    'shut_off image 0/none - 0') ended=off ;;
    *running*/*running*) ended=double; double=1 ;;
    running*) ended='stayed with leftovers'; residue=1 ;;
    */running*) ended='moved with leftovers'; residue=1 ;;
    shut_off*) ended='off with leftovers'; residue=1 ;;
    *) ended=lost ;;
  esac
  case $wanted in
    either) [[ $ended == stayed || $ended == moved ]] && return ;;
    any) [[ $ended == stayed || $ended == moved || $ended == off ]] && return ;;
    *) [[ $ended != "$wanted" ]] || return 0 ;;
  esac
  [[ $ended != lost ]] || lost=1
  note_fault "the guest $ended, wanted $wanted ($from: $source; $to: $destination)"
}

# After a link was cut, sshd needs a while to see that drover's own connection is gone: $residue_patience looks, 5 s each.
judge_residue() {
  local host try
  for ((try = 1; try <= ${residue_patience:-1}; try++)); do
    ((try == 1)) || sleep 5
    fingerprints after
    ! { cmp -s "$work/a.before" "$work/a.after" && cmp -s "$work/b.before" "$work/b.after"; } || return 0
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
    twice=$(comm -12 <(console a $word) <(console b $word) | head -n 3 | paste -sd' ')
    [[ -n $twice ]] || continue
    double=1
    note_fault "$word counted on both hosts: $twice"
  done
}

guest_answers() {
  local try
  for try in 1 2 3 4 5; do [[ -z $(guest_file "$here" /counter 2>/dev/null) ]] || return 0; sleep 0.2; done
  : "$try"
  return 1
}

guest_file() { # HOST PATH: a file of the guest, by its web server
  # shellcheck disable=SC2016
  "$lab" on "$1" timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/80" && printf "GET %s HTTP/1.0\r\n\r\n" "$1" >&3 && cat <&3' \
    "$(sed -n 's/^ip=//p' "$LAB/guests/$guest")" "$2" | sed '1,/^\r*$/d'
}

# No acknowledged write is lost, and the guest goes on: the records on its disk are 1, 2, 3 ... up to at least the last
# one that it announced.
judge_records() {
  local announced highest try text
  announced=$("$lab" guest records $guest 2>/dev/null)
  for try in 1 2 3 4 5 6 7 8 9 10; do
    text=$(guest_file "$here" /data/records 2>/dev/null)
    highest=$(tail -n 1 <<<"$text" | sed 's/^record //')
    ((${highest:-0} <= ${announced:-0})) || break
    sleep 0.3
  done
  if ! ((${highest:-0} > ${announced:-0})); then
    lost=1
    note_fault "the guest's disk ends at record ${highest:-none}, and $announced was announced (try $try)"
  elif ! diff -q <(seq -f 'record %.0f' "$highest") - <<<"$text" >/dev/null; then
    double=1
    note_fault "the records on the guest's disk are not 1 to $highest, each once"
  fi
}

# A test that broke off must not leave its run to the next one.
no_drover_left() {
  "$lab" on ctl pkill -KILL -x drover || true
  wait
  drover_on ctl recover || true
}

# The records of the guest, where it runs.
judge_guest() {
  case $copy_a/$copy_b in
    running*/running*) return ;;
    running*) here=a ;;
    */running*) here=b ;;
    *) return ;;
  esac
  judge_records
}

# Makes the world what a case needs, after whatever the last one left. A side that does not run the guest keeps nothing.
reset_world() {
  local host away
  ((${#found[@]} == 0)) || look
  here=
  for host in a b; do
    local name=copy_$host
    [[ ${!name} == 'running image 1' ]] && here+=$host
  done
  if [[ $here != [ab] ]] || ((${#found[@]} > 0)) && ! guest_answers; then
    make_guest
    fingerprints after
    cmp -s "$work/a.before" "$work/a.after" && cmp -s "$work/b.before" "$work/b.after" || remake_lab
    return
  fi
  away=copy_$(other_host "$here")
  [[ ${!away} == 'none - 0' ]] || drop_copy "$(other_host "$here")"
}

drop_copy() {
  # shellcheck disable=SC2016
  "$lab" on "$1" sh -c 'virsh --quiet destroy "$1"; virsh --quiet undefine "$1" --nvram; rm -f "$2"
    virsh --quiet pool-refresh default' - $guest $image >/dev/null 2>&1
}

# A fault that ended badly must not make the next ones look bad.
remake_lab() {
  "$lab" down >/dev/null 2>&1
  "$lab" up 2 "${lab_options[@]}" >/dev/null 2>&1
  make_world
}
