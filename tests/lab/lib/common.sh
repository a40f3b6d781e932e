# Names, places and small helpers that every part of the lab shares. Sourced by tests/lab/lab.

readonly lab_directory=${LAB:-/var/tmp/drover-lab}
readonly hosts_directory=$lab_directory/hosts
readonly keys_directory=$lab_directory/keys
readonly guests_directory=$lab_directory/guests
readonly cache_directory=$lab_directory/cache
readonly session_file=$lab_directory/session
readonly all_host_names=(a b c d e f g h)

# Network names are the machine's, so the lab is too: one at a time, whatever $LAB says.
readonly machine_lock=/run/lock/drover-lab.lock
readonly session_lock=/run/lock/drover-lab.session
readonly owner_file=/run/drover-lab.owner
readonly namespace_prefix=drover-lab

readonly host_network=10.77.0
readonly guest_network=10.77.1

say() { printf 'lab: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
wrong_use() { say "$*"; say "see: lab --help"; exit 2; }

# poll SECONDS COMMAND...: runs COMMAND until it succeeds; fails when the time is over.
poll() {
  local seconds=$1 end
  shift
  end=$((${EPOCHREALTIME/./} + seconds * 1000000))
  until "$@"; do
    ((${EPOCHREALTIME/./} < end)) || return 1
    sleep 0.02
  done
}

network_namespace() { printf '%s-%s' "$namespace_prefix" "$1"; }
namespace_exists() { [[ -e /run/netns/$(network_namespace "$1") ]]; }

# a=1, b=2 ...; the controller host is 100. It is the last number of every address of the host.
host_number() {
  local index
  [[ $1 != ctl ]] || { echo 100; return; }
  for index in "${!all_host_names[@]}"; do
    [[ ${all_host_names[index]} != "$1" ]] || { echo $((index + 1)); return; }
  done
  return 1
}
host_address() { printf '%s.%s' "$host_network" "$(host_number "$1")"; }
host_guest_address() { printf '%s.%s' "$guest_network" "$(($(host_number "$1") + 200 - ($(host_number "$1") / 100) * 100))"; }

# The hosts of the lab that is up, without ctl: one word each. Fails when no lab is up.
lab_hosts() {
  [[ -r $session_file ]] || return 1
  sed -n 's/^hosts=//p' "$session_file"
}
session_value() { sed -n "s/^$1=//p" "$session_file"; }

require_root() { [[ $EUID -eq 0 ]] || die "only root can make namespaces and mounts: run it as root"; }

require_host() {
  local name
  [[ -r $session_file ]] || die "the lab is not up: lab up"
  for name in $(lab_hosts) ctl; do [[ $name != "$1" ]] || return 0; done
  wrong_use "no host named '$1': there are $(lab_hosts) ctl"
}

# Takes the lock that makes up and down one at a time. It ends with this process.
take_machine_lock() {
  exec {machine_lock_descriptor}>"$machine_lock"
  flock --wait 120 "$machine_lock_descriptor" || die "another lab command has held $machine_lock for two minutes"
}

# `lab run` holds the session lock; its own children are let in by DROVER_LAB_SESSION.
refuse_foreign_session() {
  [[ -z ${DROVER_LAB_SESSION:-} && -e $session_lock ]] || return 0
  flock --nonblock "$session_lock" true || die "a test run (lab run) has the lab now; try later, or use lab run yourself"
}

# Hosts outlive this command, so they must not keep its caller's pipes open.
close_inherited_descriptors() {
  local path number
  for path in /proc/"$BASHPID"/fd/*; do
    number=${path##*/}
    [[ $number -gt 2 ]] && eval "exec $number>&-" 2>/dev/null
  done
  return 0
}
