# What the suites of live-migrate share: the guest "mover", a move of it, and what is expected then. Sourced by
# suites/live_migrate*, after suite.sh.
#
# The guest is made once and kept: a case moves it from the host that runs it, $from, to the other one, $to. What a case
# left on the other side is taken away before the next one looks at both hosts. A case that needs another guest makes its
# own and leaves this one alone.
# shellcheck shell=bash

guest=mover
image=/var/lib/libvirt/images/$guest.raw
from=a to=b

# The guest running on $from, with its disk there and nothing of it on $to.
fresh_guest() {
  look
  case "$copy_a/$copy_b" in
    running*/running*) ;;
    'running image 1/'*) from=a to=b ;;
    */'running image 1') from=b to=a ;;
    *) copy_a='none - 0' copy_b=none ;;
  esac
  local here=copy_$from there=copy_$to
  if [[ ${!here} != 'running image 1' ]]; then
    new_guest
    return
  fi
  [[ ${!there} == 'none - 0' ]] || drop_copy $to
  "$lab" on $from virsh --quiet autostart --disable $guest >/dev/null
}
new_guest() {
  from=a to=b
  "$lab" guest destroy $guest >/dev/null 2>&1
  "$lab" guest create $guest --host a --disk 64M >/dev/null && "$lab" guest wait $guest >/dev/null
}
# What a failed case left is not for the next one to suffer from.
after_failure() { "$lab" guest destroy mover; "$lab" guest destroy other; }

ready() { fresh_guest && residue_before $guest && remember_counter $guest; }

# with_other_guest "WORDS" COMMAND...: the same with a guest of its own on a, made with these words, gone afterwards.
with_other_guest() { with_guest_that boots "$@"; }
# The same with one that is off, or paused before its first instruction: to be refused, nobody need have booted.
with_guest_that_is_off() { with_guest_that stays_off "$@"; }
with_idle_guest() { with_guest_that is_idle "$@"; }

boots() { "$lab" guest create $guest --host a "$@" >/dev/null && "$lab" guest wait $guest >/dev/null; }
stays_off() { "$lab" guest create $guest --host a --no-start "$@" >/dev/null; }
is_idle() { stays_off "$@" && "$lab" on a virsh --quiet start $guest --paused; }
with_guest_that() { # HOW "WORDS" COMMAND...
  local words code=0 guest=other image=/var/lib/libvirt/images/other.raw from=a to=b
  read -ra words <<<"$2"
  "$lab" guest destroy $guest >/dev/null 2>&1
  "$1" "${words[@]}" && "${@:3}" || code=$?
  "$lab" guest destroy $guest >/dev/null 2>&1
  return $code
}

live_migrate() { # EXIT-CODE words...: from ctl
  expect_exit "$1" ctl run live-migrate --domain $guest --from $from --to $to "${@:2}"
}
move() { live_migrate 0 "$@"; }
moved_well() { expect_where $guest $to && expect_counter_went_on $guest && expect_no_residue $guest; }
stayed_well() { expect_where $guest $from && expect_counter_went_on $guest && expect_no_residue $guest; }
prepared_move() { ready && move "$@" && moved_well; }
# The same for a guest that is there already.
prepared_other_move() { residue_before $guest && remember_counter $guest && move "$@" && moved_well; }

# What stands in the way is said, and nothing is changed. What was said is in $work/out.refused.
refused() { # PATTERN words...
  local pattern=$1
  shift
  live_migrate 1 "$@" && cp "$work/out" "$work/out.refused" && expect_output "$pattern" && expect_where $guest $from &&
    expect_no_residue $guest
}

# Also said by the run that was refused.
expect_said() { grep -qE -- "$1" "$work/out.refused" || { cp "$work/out.refused" "$work/out"; fail "no line matches: $1"; }; }

# interrupted CODE PATTERN SECONDS-LATER words...: Ctrl-C as soon as an event matches, and an end with that exit code.
interrupted() {
  local wanted=$1 pattern=$2 after=$3 code=0
  shift 3
  "$lab" on ctl env NO_COLOR=1 "$project/tests/lab/interrupt-at" "$pattern" --after "$after" "$drover_program" run live-migrate \
    --json --domain $guest --from $from --to $to "$@" >"$work/out" 2>&1 || code=$?
  [[ " $wanted " == *" $code "* ]] || fail "exit code $code, wanted $wanted" || return 1
  # All that a move changes has a lease, an undo or a follow-up.
  ! grep -q '"changed":' "$work/out" || fail 'something is named as changed and not undone'
}
# interrupted_at STEP words...: at the beginning of a step before the end of the move.
interrupted_at() {
  local after=0
  [[ $1 != *'move mover'* ]] || after=1
  ready && interrupted 130 "step_began.*$1" $after --bandwidth 8MiB "${@:2}" || return 1
  # After the move began it is said who has the guest.
  [[ $after == 0 ]] || expect_output "\"settled\":\"the domain stayed on $from\"" || return 1
  stayed_well
}
