# What every lab suite uses: cases as functions, expectations, the residue check. Sourced by suites/*.
# A suite defines functions case_NAME and calls run_cases "$@"; arguments choose cases by a part of the name.
# shellcheck shell=bash

suite_directory=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
project=$(cd "$suite_directory/../../.." && pwd)
lab=$project/tests/lab/lab
# `lab run` says it; a person who calls a suite in a lab of their own need not.
export LAB=${LAB:-$("$lab" status --json | sed -n 's/.*"directory":"\([^"]*\)".*/\1/p')}
drover_program=${DROVER:-$project/build/dev/drover}
work=$(mktemp -d)
# A background job that is killed before it forgot its parent's traps runs them too.
trap '[[ $BASHPID != "$$" ]] || rm -rf "$work"' EXIT
passed=0 failed=0 failures=()

# drover as a person at HOST would run it; output and errors go to $work/out.
drover_on() {
  local host=$1
  shift
  "$lab" on "$host" env NO_COLOR=1 "$drover_program" "$@" >"$work/out" 2>&1
}

fail() {
  echo "    $*" >&2
  sed 's/^/    | /' "$work/out" >&2
  return 1
}

# expect_exit CODE HOST drover-words...: runs drover and wants that exit code.
expect_exit() {
  local wanted=$1 host=$2 code=0
  shift 2
  drover_on "$host" "$@" || code=$?
  [[ $code == "$wanted" ]] || fail "drover $*: exit code $code, wanted $wanted"
}

expect_output() { grep -qE -- "$1" "$work/out" || fail "no line matches: $1"; }
expect_where() { # DOMAIN HOST
  local where
  where=$("$lab" guest where "$1")
  [[ $where == "$2" ]] || fail "$1 is on '$where', wanted '$2'"
}

# The guest's own counter goes on from where it was, on the host that has it. One without a system counts nothing.
is_bare() { grep -qx system=no "$LAB/guests/$1"; }
remember_counter() { is_bare "$1" || counter_before=$("$lab" guest counter "$1"); }
expect_counter_went_on() {
  local try now
  ! is_bare "$1" || return 0
  for try in 1 2 3 4 5 6 7 8 9 10; do
    now=$("$lab" guest counter "$1" 2>/dev/null || echo 0)
    ((now <= counter_before)) || return 0
    sleep 0.3
  done
  fail "the counter of $1 stands at $now (try $try), it was $counter_before"
}

other_host() { if [[ $1 == a ]]; then echo b; else echo a; fi; }

# What a host has of the domain $guest with the disk $image: "STATE IMAGE QEMUS", such as "running image 1" or "none - 0".
copy_on() {
  # shellcheck disable=SC2016
  "$lab" on "$1" sh -c '
    state=$(timeout 20 virsh --quiet domstate "$1" 2>/dev/null | head -n 1)
    [ -e "$2" ] && image=image || image=-
    echo "$(echo "${state:-none}" | tr " " _) $image $(pgrep -fc -- "qemu-system.*guest=$1,")"' - "$guest" "$image"
}
look() { # sets $copy_a and $copy_b
  local line
  copy_on a >"$work/copy.a" &
  copy_on b >"$work/copy.b"
  wait $!
  for line in a b; do printf -v "copy_$line" %s "$(<"$work/copy.$line")"; done
}
# Takes away what a move leaves on the side that does not run the guest any more.
drop_copy() { # HOST
  # shellcheck disable=SC2016
  "$lab" on "$1" sh -c 'virsh --quiet destroy "$1"; virsh --quiet undefine "$1" --nvram; rm -f "$2"
    virsh --quiet pool-refresh default' - "$guest" "$image" >/dev/null 2>&1
}

# residue_before DOMAIN...; ...; expect_no_residue DOMAIN...: both hosts as they were, but for the domains themselves and
# volumes of these names.
fingerprints() { # WHEN DOMAIN...: both hosts at once, for most of it is waiting
  local name except=()
  for name in "${@:2}"; do except+=(--except "$name"); done
  "$lab" fingerprint a "${except[@]}" >"$work/a.$1" &
  "$lab" fingerprint b "${except[@]}" >"$work/b.$1"
  wait $!
}
residue_before() { fingerprints before "$@"; }
expect_no_residue() {
  local host
  fingerprints after "$@"
  for host in a b; do
    [[ -s $work/$host.after ]] || fail "there is no fingerprint of $host"
    diff "$work/$host.before" "$work/$host.after" >"$work/out" || fail "something is left on $host"
  done
}

# on_hosts COMMAND...: the same on a and b.
on_hosts() {
  local host
  for host in a b; do "$lab" on "$host" "$@"; done
}

# with_userfaultfd 0|1 COMMAND...: the setting is the kernel's, and so that of all labs: one at a time.
with_userfaultfd() {
  local setting=/proc/sys/vm/unprivileged_userfaultfd before code=0 descriptor
  exec {descriptor}>/run/lock/drover-lab.userfaultfd
  flock "$descriptor"
  before=$(<$setting)
  echo "$1" >$setting
  "${@:2}" || code=$?
  echo "$before" >$setting
  exec {descriptor}>&-
  return $code
}

run_cases() {
  local name chosen=() started
  for name in $(declare -F | sed -n 's/^declare -f case_//p'); do
    if (($# == 0)); then chosen+=("$name"); fi
    local part
    for part in "$@"; do [[ $name != *"$part"* ]] || chosen+=("$name"); done
  done
  # In the order of the file, which reads from the plain case to the odd ones.
  mapfile -t chosen < <(grep -oE '^case_[A-Za-z0-9_]+' "$0" | sed 's/^case_//' | grep -xF "$(printf '%s\n' "${chosen[@]}")")
  for name in "${chosen[@]}"; do
    started=$SECONDS
    if (set -e; "case_$name"); then
      passed=$((passed + 1))
      printf 'ok      %3ds  %s\n' $((SECONDS - started)) "${name//_/ }"
    else
      failed=$((failed + 1))
      failures+=("$name")
      printf 'FAILED  %3ds  %s\n' $((SECONDS - started)) "${name//_/ }"
      if declare -F after_failure >/dev/null; then after_failure >/dev/null 2>&1 || true; fi
    fi
  done
  echo "$passed passed, $failed failed${failures[*]:+: ${failures[*]}}"
  ((failed == 0 && passed > 0))
}
