# The world of a fault test: guests that write, and two hosts whose state is known byte for byte. Sourced by
# tests/faults/run after tests/lab/suites/suite.sh.
#
# Guests are never made anew when they can be kept: a case moves one from where it is to the other host, so the sources
# of two cases may differ. What a host must look like does not depend on it: fingerprints leave the guests out.
#   local    each host has disks of its own, and a move copies them
#   shared   the disk is on storage that both hosts see, with QEMU's image locks off: nothing but drover and libvirt
#            stands between two copies of the guest and one disk
# shellcheck shell=bash

readonly guests_at_once=5
world=none pool=/var/lib/libvirt/images
nothing_there='none - 0'  # what the side without a guest has of it: of a shared disk, the disk
movers=()
declare -A here copy_a copy_b

# The guest of the next case; it moves from where it is.
use_guest() {
  guest=$1 image=$pool/$1.raw from=${here[$1]}
  to=$(other_host "$from")
}

# ---- making it ----

ensure_world() { # KIND: nothing when it is there
  local name
  [[ $world != "$1" ]] || return 0
  for name in "${movers[@]}"; do "$lab" guest destroy "$name" >/dev/null 2>&1; done
  [[ $world != shared ]] || "$lab" shared down >/dev/null
  here=() movers=() world=$1
  if [[ $world == shared ]]; then
    pool=/srv/shared movers=(sharer1 sharer2 sharer3) nothing_there='none image 0'
    "$lab" shared up >/dev/null && install_unlocked_qemu || return 1
  else
    pool=/var/lib/libvirt/images nothing_there='none - 0'
    for ((name = 1; name <= guests_at_once; name++)); do movers+=("mover$name"); done
  fi
  make_guests "${movers[@]}" && fingerprints before
}

make_guests() { # NAME...
  local name
  for name; do
    "$lab" guest destroy "$name" >/dev/null 2>&1
    if [[ $world == shared ]]; then make_shared_guest "$name"; else make_local_guest "$name"; fi || return 1
    here[$name]=a
  done
  for name; do "$lab" guest wait "$name" >/dev/null || return 1; done
}
# The first one is for single cases, which use its agent; the others take little of the processor.
make_local_guest() {
  local more=(--no-agent --pace 1)
  [[ $1 != mover1 ]] || more=(--pace 0.3)
  "$lab" guest create "$1" --host a --disk 32M --writer "${more[@]}" >/dev/null
}
make_shared_guest() {
  local definition
  "$lab" guest create "$1" --host a --disk 32M --pace 0.3 --writer --no-agent --shared --no-start >/dev/null &&
    definition=$("$lab" on a virsh dumpxml --inactive "$1") &&
    "$lab" on a virsh --quiet define /dev/stdin <<<"${definition/\/usr\/local\/bin\/qemu-lab/$unlocked_qemu}" >/dev/null &&
    "$lab" on a virsh --quiet start "$1"
}

# libvirt has no word for an image without a lock, so QEMU is started by a script that says it.
readonly unlocked_qemu=/usr/local/bin/qemu-unlocked
install_unlocked_qemu() {
  local host
  for host in a b; do
    # shellcheck disable=SC2016
    "$lab" on "$host" sh -c 'cat >"$1" && chmod 755 "$1"' - $unlocked_qemu <<'END' || return 1
#!/bin/bash
# The lab's QEMU without image locks.
exec /usr/local/bin/qemu-lab "${@//'{"driver":"file",'/'{"driver":"file","locking":"off",'}"
END
  done
}

# One guest is enough for what comes now, and its host's disks are nobody else's.
keep_one_guest() {
  local name
  for name in "${movers[@]:1}"; do "$lab" guest destroy "$name" >/dev/null 2>&1; done
  movers=("${movers[0]}")
}

# ---- looking at it ----

fingerprints() { # SUFFIX
  local except=() name
  for name in "${movers[@]}"; do except+=(--except "$name"); done
  "$lab" fingerprint a "${except[@]}" >"$work/a.$1" &
  local other=$!
  "$lab" fingerprint b "${except[@]}" >"$work/b.$1"
  wait $other
}
# Nothing is no fingerprint: it failed.
same_as_before() {
  [[ -s $work/a.after && -s $work/b.after ]] && cmp -s "$work/a.before" "$work/a.after" &&
    cmp -s "$work/b.before" "$work/b.after"
}

# What a host has of each guest, a line each: "NAME STATE IMAGE QEMUS", such as "mover1 running image 1".
copies_on() {
  # shellcheck disable=SC2016
  "$lab" on "$1" sh -c '
    pool=$1
    shift
    listing=$(timeout 20 virsh --quiet list --all 2>/dev/null) || unknown=unknown
    for name; do
      state=$(echo "$listing" | sed -nE "s/^ *[0-9-]+ +$name +//p" | tr " " _)
      [ -e "$pool/$name.raw" ] && image=image || image=-
      echo "$name ${unknown:-${state:-none}} $image $(pgrep -fc -- "qemu-system.*guest=$name,")"
    done' - $pool "${movers[@]}"
}

look() {
  copies_on a >"$work/copies.a" &
  local other=$!
  copies_on b >"$work/copies.b"
  wait $other
}
read_look() {
  local name rest
  while read -r name rest; do copy_a[$name]=$rest; done <"$work/copies.a"
  while read -r name rest; do copy_b[$name]=$rest; done <"$work/copies.b"
}
copy_of() { if [[ $1 == a ]]; then echo "${copy_a[$2]:-unknown}"; else echo "${copy_b[$2]:-unknown}"; fi; } # HOST NAME

# ---- after a case ----

# Makes the world what the next case needs. A side that does not run a guest keeps nothing of it. After a bad end the
# guest is made anew, and the lab when that does not help: a fault that ended badly must not make the next ones look bad.
reset_world() {
  local host name away broken=() leftovers=() names
  for name in "${movers[@]}"; do
    here[$name]=
    for host in a b; do [[ $(copy_of $host "$name") != 'running image 1' ]] || here[$name]+=$host; done
    # What is wrong with a guest after a bad end may not be seen, such as a job that still runs on it.
    if [[ ${here[$name]} != [ab] || $went_badly -gt 0 && $name == "$guest" ]]; then
      broken+=("$name")
      continue
    fi
    away=$(other_host "${here[$name]}")
    [[ $(copy_of "$away" "$name") == "$nothing_there" ]] || leftovers+=("$away $name")
  done
  for host in a b; do
    mapfile -t names < <(printf '%s\n' "${leftovers[@]}" | sed -n "s/^$host //p")
    drop_copies $host "${names[@]}"
  done
  if ((${#broken[@]} > 0)); then make_guests "${broken[@]}" || remake_lab; fi
  ((went_badly > 0)) || return 0
  went_badly=0
  "$lab" on ctl rm -rf /var/lib/drover  # what was not recovered must not be recovered in the next case
  fingerprints after
  same_as_before || remake_lab
}

drop_copies() { # HOST NAME...
  (($# > 1)) || return 0
  # shellcheck disable=SC2016
  "$lab" on "$1" sh -c 'pool=$1 kind=$2
    shift 2
    for name; do
      virsh --quiet destroy "$name"
      virsh --quiet undefine "$name" --nvram
      [ "$kind" = shared ] || rm -f "$pool/$name.raw"
    done
    [ "$kind" = shared ] || virsh --quiet pool-refresh default' - $pool $world "${@:2}" >/dev/null 2>&1
}

# Not a pool on the machine's own disk: filling or failing that would not be friendly.
has_small_pool() { [[ $("$lab" on b df --output=size -m $pool | tail -n 1) -lt 2000 ]]; }

remake_lab() {
  local kind=$world size
  size=$(sed -n 's/^pool_size=//p' "$LAB/session" 2>/dev/null)
  "$lab" down >/dev/null 2>&1
  "$lab" up 2 ${size:+--pool-size "$size"} >/dev/null 2>&1
  world=none movers=()
  ensure_world "$kind"
}
